//! Misdeeds of a provider in Rust.

use super::{QUICK, Scene, assert_failed, log};
use postern_tests::platform::{attempts, id, incident, outcome};
use postern_tests::{Receiver, Reply};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_misdeed_ends_as_a_failed_attempt_with_its_reason() {
    let scene = Scene::with_hostile(QUICK).await;
    let table = [
        ("loop", "limit", vec!["computing", "2000 ms", "[sandbox] compute-milliseconds"]),
        ("memory", "limit", vec!["memory", "64 MiB", "[sandbox] memory-bytes"]),
        ("panic", "trap", vec!["the fixture panicked on purpose"]),
        ("external-id-giant", "contract", vec!["external id", "1048576 bytes", "256"]),
        ("giant-answer", "limit", vec!["of an answer, at most 2 MiB", "[sandbox] host-call-bytes"]),
        ("fail-never", "provider", vec!["failed for good on purpose"]),
    ];
    for (behaviour, cause, texts) in table {
        let delivery = scene.misbehave(json!({ "behaviour": behaviour })).await;
        assert_failed(&delivery, cause, &texts);
    }
    // Whether the host's stack or the guest's own ends first is the compiler's choice.
    let recursion = scene.misbehave(json!({ "behaviour": "recursion" })).await;
    match outcome(&recursion)["cause"].as_str() {
        Some("limit") => assert_failed(&recursion, "limit", &["stack", "[sandbox] stack-bytes"]),
        _ => assert_failed(&recursion, "trap", &["the provider crashed"]),
    }
    assert_eq!(scene.misbehave(json!({ "behaviour": "ok" })).await["status"], "success", "it serves on");
    assert_eq!(scene.daemon.api.get("/api/v1/providers/test.hostile").await["state"], "active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_leaves_its_message_and_where_it_happened() {
    let scene = Scene::with_hostile(QUICK).await;
    let delivery = scene.misbehave(json!({ "behaviour": "panic" })).await;
    let place = "panicked at tests/fixtures/hostile/src/behaviours.rs:";
    assert_failed(&delivery, "trap", &["the provider crashed", place, "the fixture panicked on purpose"]);
    let log = log(&delivery);
    assert!(log.contains("backtrace:\n") && log.contains("postern_fixture_hostile::behaviours::run"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_any_export_is_told() {
    let scene = Scene::with_hostile(QUICK).await;
    let config = json!({ "config": { "behaviour": "panic" } });
    let tested = scene.daemon.api.post("/api/v1/providers/test.hostile/test-connection", config.clone()).await;
    assert_eq!(tested["success"], false);
    assert!(id(&tested["message"]).contains("the fixture panicked on purpose"), "{tested:#}");
    let question = json!({ "name": "any", "config": { "behaviour": "panic" } });
    let path = "/api/v1/providers/test.hostile/options";
    let problem = scene.daemon.api.call(reqwest::Method::POST, path, question).await.problem(502, "provider-failed");
    assert!(id(&problem["detail"]).contains("the fixture panicked on purpose"), "{problem:#}");
    scene.neighbour_delivers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_options_or_larger_ones_than_there_may_be_are_refused_by_the_limits_name() {
    let scene = Scene::with_hostile(QUICK).await;
    let table = [
        ("many-options", ["1001 options; at most 1000", "[sandbox] options"]),
        ("giant-option", ["1048576 bytes; at most 1024", "[sandbox] option-bytes"]),
        ("loop", ["computing, at most 2000 ms", "[sandbox] compute-milliseconds"]),
    ];
    for (behaviour, texts) in table {
        let question = json!({ "name": "any", "config": { "behaviour": behaviour } });
        let path = "/api/v1/providers/test.hostile/options";
        let problem = scene.daemon.api.call(reqwest::Method::POST, path, question).await.problem(502, "provider-failed");
        let detail = id(&problem["detail"]);
        assert!(texts.iter().all(|text| detail.contains(text)), "{texts:?} are not in: {problem:#}");
    }
    let question = json!({ "name": "any", "config": { "behaviour": "ok" } });
    let listed = scene.daemon.api.post("/api/v1/providers/test.hostile/options", question).await;
    assert!(listed.to_string().contains("An option"), "{listed:#}");
    scene.neighbour_delivers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_is_tried_again_like_any_failure() {
    let scene = Scene::with_hostile("").await;
    let delivery = scene.misbehave(json!({ "behaviour": "panic" })).await;
    assert_failed(&delivery, "trap", &[]);
    assert_eq!(delivery["attempts"], 4, "{delivery:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_log_lines_is_kept_within_bounds() {
    let scene = Scene::with_hostile("[delivery]\nretry = []\n[sandbox]\ncompute-milliseconds = 60000").await;
    let delivery = scene.misbehave(json!({ "behaviour": "log-flood" })).await;
    let log = attempts(&delivery)[0]["log"].as_array().unwrap().clone();
    assert_eq!(log.len(), 101, "a hundred lines and one that counts the rest");
    let last = log[100]["message"].as_str().unwrap();
    assert!(last.contains("999900 more lines were dropped") && last.contains("[sandbox] log-lines"), "{last}");
    assert_eq!(delivery["status"], "success");

    let giant = scene.misbehave(json!({ "behaviour": "log-giant" })).await;
    let log = attempts(&giant)[0]["log"].as_array().unwrap().clone();
    assert_eq!(log[0]["message"].as_str().unwrap().len(), 4096);
    assert!(id(&log[1]["message"]).contains("1 of these lines were cut at 4096 bytes ([sandbox] log-line-bytes)"), "{log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_giant_error_is_cut_and_that_is_said() {
    let scene = Scene::with_hostile(QUICK).await;
    let delivery = scene.misbehave(json!({ "behaviour": "giant-error" })).await;
    assert_failed(&delivery, "provider", &["xxxxxxxx"]);
    assert_eq!(delivery["error"].as_str().unwrap().len(), 4096);
    let log = log(&delivery);
    assert!(log.contains("message of 1048576 bytes was cut ([sandbox] message-bytes"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_hangs_ends_with_the_call() {
    let scene = Scene::with_hostile("[delivery]\nretry = []\n[sandbox]\ncall-milliseconds = 1000").await;
    let receiver = Receiver::that(Reply::Hold).await;
    let delivery = scene.misbehave(json!({ "behaviour": "slow-request", "url": receiver.url() })).await;
    assert_eq!(delivery["status"], "failed");
    let exchange = &attempts(&delivery)[0]["exchanges"][0];
    assert_eq!((&exchange["kind"], &exchange["sent"]), (&json!("timeout"), &json!(true)), "{delivery:#}");
    if outcome(&delivery)["cause"] != "provider" {
        assert_failed(&delivery, "deadline", &["[sandbox] call-milliseconds"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delay_that_a_provider_asks_for_takes_the_place_of_the_schedules() {
    let daemon = Scene::with_hostile("[delivery]\nretry = [\"1h\"]").await.daemon;
    daemon.subscribe_hostile(json!({ "behaviour": "fail-after" })).await;
    let delivery = daemon.settled(&daemon.emit("In two seconds").await).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("failed"), &json!(2)), "{delivery:#}");
    assert_eq!(outcome(&delivery)["retry"], json!({ "kind": "after", "milliseconds": 2000 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_others_loop_hoard_and_panic_deliveries_go_on() {
    // The usual second of computing, so that the misdeeds last while the deliveries run.
    let Scene { daemon, neighbour: mut receiver } = Scene::with_hostile("[delivery]\nretry = []").await;
    let misdeeds = ["loop"; 10].into_iter().chain(["memory", "memory", "panic", "recursion"]);
    for behaviour in misdeeds {
        daemon.subscribe_hostile(json!({ "behaviour": behaviour })).await;
    }
    let hostile = daemon.emit("All at once").await;
    let mut calm = Vec::new();
    for number in 0..20 {
        let payload = incident(&format!("Calm {number}"));
        let emitted = daemon.api.post("/api/v1/plugins/calm/hooks/happened", payload).await;
        calm.push(id(&emitted["event"]));
    }
    for _ in &calm {
        receiver.next().await;
    }
    let looping = daemon.deliveries(&hostile).await.iter().filter(|delivery| delivery["status"] == "pending").count();
    assert!(looping > 0, "the deliveries arrived while the misdeeds went on");
    for event in &calm {
        assert_eq!(daemon.settled(event).await["status"], "success");
    }
    let ended = daemon.all_settled(&hostile).await;
    assert_eq!(ended.len(), 14);
    assert!(ended.iter().all(|delivery| delivery["status"] == "failed"), "{ended:#?}");
}
