//! What a provider that misbehaves can do: fail, with a reason, and nothing else.

use postern_tests::platform::{attempts, outcome};
use postern_tests::{Daemon, Receiver, Reply};
use serde_json::{Value, json};

/// One attempt each, and less computing than usual, so that a loop ends soon.
const QUICK: &str = "[delivery]\nretry = []\n[sandbox]\ncompute-milliseconds = 300";

async fn with_hostile(config: &str) -> Daemon {
    let daemon = Daemon::builder().config(config).start().await;
    daemon.register_incidents().await;
    daemon.add_hostile().await;
    daemon
}

/// The delivery of one event to the fixture.
async fn misbehave(daemon: &Daemon, config: Value) -> Value {
    let subscription = daemon.subscribe_hostile(config).await;
    let delivery = daemon.settled(&daemon.emit("Misbehave").await).await;
    daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
    delivery
}

/// Checks that the delivery failed for this cause with a reason that has all of these texts.
#[track_caller]
fn assert_failed(delivery: &Value, cause: &str, texts: &[&str]) {
    assert_eq!(delivery["status"], "failed", "{delivery:#}");
    assert_eq!(outcome(delivery)["cause"], cause, "{delivery:#}");
    let error = delivery["error"].as_str().unwrap();
    for text in texts {
        assert!(error.contains(text), "`{text}` is not in: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_misdeed_ends_as_a_failed_attempt_with_its_reason() {
    let daemon = with_hostile(QUICK).await;
    let table = [
        ("loop", "limit", vec!["computing", "300 ms", "[sandbox] compute-milliseconds"]),
        ("memory", "limit", vec!["memory", "64 MiB", "[sandbox] memory-bytes"]),
        ("panic", "trap", vec!["the fixture panicked on purpose"]),
        ("external-id-giant", "contract", vec!["external id", "1048576 bytes", "256"]),
        ("fail-never", "provider", vec!["failed for good on purpose"]),
    ];
    for (behaviour, cause, texts) in table {
        let delivery = misbehave(&daemon, json!({ "behaviour": behaviour })).await;
        assert_failed(&delivery, cause, &texts);
    }
    // Whether the host's stack or the guest's own ends first is the compiler's choice.
    let recursion = misbehave(&daemon, json!({ "behaviour": "recursion" })).await;
    match outcome(&recursion)["cause"].as_str() {
        Some("limit") => assert_failed(&recursion, "limit", &["stack", "[sandbox] stack-bytes"]),
        _ => assert_failed(&recursion, "trap", &["the provider crashed"]),
    }
    assert_eq!(misbehave(&daemon, json!({ "behaviour": "ok" })).await["status"], "success", "it serves on");
    assert_eq!(daemon.api.get("/api/v1/providers/test.hostile").await["state"], "active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_leaves_where_it_happened() {
    let daemon = with_hostile(QUICK).await;
    let delivery = misbehave(&daemon, json!({ "behaviour": "panic" })).await;
    let log = attempts(&delivery)[0]["log"].to_string();
    assert!(delivery["error"].as_str().unwrap().contains("behaviours.rs") || log.contains("backtrace"), "{delivery:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_is_tried_again_like_any_failure() {
    let daemon = with_hostile("").await;
    let delivery = misbehave(&daemon, json!({ "behaviour": "panic" })).await;
    assert_failed(&delivery, "trap", &[]);
    assert_eq!(delivery["attempts"], 4, "{delivery:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_log_lines_is_kept_within_bounds() {
    let daemon = with_hostile(QUICK).await;
    let delivery = misbehave(&daemon, json!({ "behaviour": "log-flood" })).await;
    let log = attempts(&delivery)[0]["log"].as_array().unwrap().clone();
    assert_eq!(log.len(), 101, "a hundred lines and one that counts the rest");
    assert!(log[100]["message"].as_str().unwrap().contains("9900 more lines were dropped"), "{}", log[100]);
    assert_eq!(delivery["status"], "success");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_giant_error_is_cut() {
    // Two megabytes are what one call into the host may carry; the answer is what counts here.
    let daemon = with_hostile(&format!("{QUICK}\nhost-call-bytes = 8388608")).await;
    let delivery = misbehave(&daemon, json!({ "behaviour": "giant-error" })).await;
    assert_failed(&delivery, "provider", &["xxxxxxxx"]);
    assert_eq!(delivery["error"].as_str().unwrap().len(), 4096);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_too_large_to_take_names_its_limit() {
    let daemon = with_hostile(QUICK).await;
    let delivery = misbehave(&daemon, json!({ "behaviour": "giant-error" })).await;
    assert_eq!(delivery["status"], "failed");
    let error = delivery["error"].as_str().unwrap();
    assert!(error.len() <= 4096, "{} bytes", error.len());
    if outcome(&delivery)["cause"] != "provider" {
        assert_failed(&delivery, "limit", &["[sandbox] host-call-bytes"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_hangs_ends_with_the_call() {
    let daemon = with_hostile("[delivery]\nretry = []\n[sandbox]\ncall-milliseconds = 1000").await;
    let receiver = Receiver::that(Reply::Hold).await;
    let delivery = misbehave(&daemon, json!({ "behaviour": "slow-request", "url": receiver.url() })).await;
    assert_eq!(delivery["status"], "failed");
    let exchange = &attempts(&delivery)[0]["exchanges"][0];
    assert_eq!((&exchange["kind"], &exchange["sent"]), (&json!("timeout"), &json!(true)), "{delivery:#}");
    if outcome(&delivery)["cause"] != "provider" {
        assert_failed(&delivery, "deadline", &["[sandbox] call-milliseconds"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_without_end_stop_at_the_cap() {
    let daemon = with_hostile(QUICK).await;
    let mut receiver = Receiver::start().await;
    let delivery = misbehave(&daemon, json!({ "behaviour": "many-requests", "url": receiver.url() })).await;
    assert_failed(&delivery, "provider", &["after 8 requests: TooManyRequests", "requests-per-call"]);
    assert_eq!(receiver.drain().len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delay_that_a_provider_asks_for_takes_the_place_of_the_schedules() {
    let daemon = with_hostile("[delivery]\nretry = [\"1h\"]").await;
    daemon.subscribe_hostile(json!({ "behaviour": "fail-after" })).await;
    let delivery = daemon.settled(&daemon.emit("In two seconds").await).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("failed"), &json!(2)), "{delivery:#}");
    assert_eq!(outcome(&delivery)["retry"], json!({ "kind": "after", "milliseconds": 2000 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_others_loop_hoard_and_panic_deliveries_go_on() {
    // The usual second of computing, so that the misdeeds last while the deliveries run.
    let daemon = with_hostile("[delivery]\nretry = []").await;
    let mut receiver = Receiver::start().await;
    daemon.api.put("/api/v1/plugins/calm/events/happened", postern_tests::platform::incident_type()).await;
    daemon.subscribe("postern.webhook", &["calm.happened"], json!({ "url": receiver.url() })).await;
    for behaviour in ["loop", "loop", "loop", "memory", "memory", "panic", "recursion"] {
        daemon.subscribe_hostile(json!({ "behaviour": behaviour })).await;
    }
    let hostile = daemon.emit("All at once").await;
    let mut calm = Vec::new();
    for number in 0..20 {
        let payload = postern_tests::platform::incident(&format!("Calm {number}"));
        let emitted = daemon.api.post("/api/v1/plugins/calm/hooks/happened", payload).await;
        calm.push(postern_tests::platform::id(&emitted["event"]));
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
    assert_eq!(ended.len(), 7);
    assert!(ended.iter().all(|delivery| delivery["status"] == "failed"), "{ended:#?}");
}
