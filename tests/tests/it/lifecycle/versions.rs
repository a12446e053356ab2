//! Builds that are kept, and the way back to them.

use super::{PATH, components, delivered_by, in_force, kept, pairs, with_tracker};
use crate::bad_input::assert_detail;
use crate::commands::{assert_refused, json_of, ok};
use postern_tests::migrating::{FIRST, RENAMED};
use postern_tests::platform::{WEBHOOK, id};
use postern_tests::tracker::{BUILD, GREEDY, PROVIDER, REPAIRED};
use postern_tests::{Daemon, Engine, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;

on_each_engine!(the_way_back_is_one_call, as_many_builds_are_kept_as_is_configured, what_a_crash_left_is_removed);

async fn the_way_back_is_one_call(engine: Engine) {
    let (mut daemon, _receiver, _) = with_tracker(engine).await;
    let rollback = format!("{PATH}/rollback");
    let refused = daemon.api.call(Method::POST, &rollback, Value::Null).await;
    assert_detail(&refused.problem(409, "conflict"), &["none was in force before"]);
    daemon.offer(REPAIRED).await.success();
    daemon.offer(GREEDY).await.success();
    daemon.api.post(&format!("{PATH}/approve"), Value::Null).await;
    assert_eq!(kept(&daemon).await, pairs(&[("1.2.0", "in-force"), ("1.0.1", "kept"), ("1.0.0", "kept")]));

    let back = daemon.api.post(&rollback, Value::Null).await;
    assert_eq!((&back["state"], &back["version"]), (&json!("active"), &json!("1.0.1")));
    assert_eq!(delivered_by(&daemon).await, "1.0.1");
    // What the other build was granted stays granted; this one does not ask for it.
    assert_eq!(back["grant"]["hosts"], json!(["{config.url}", "more.example"]));
    daemon.terminate().await;
    daemon.restart().await;
    assert_eq!(kept(&daemon).await, pairs(&[("1.0.1", "in-force"), ("1.2.0", "kept"), ("1.0.0", "kept")]));

    assert_eq!(daemon.api.post(&rollback, json!({ "version": "1.0.0" })).await["version"], "1.0.0");
    assert_eq!(delivered_by(&daemon).await, "1.0.0");
    let digest = id(&daemon.api.items(&format!("{PATH}/versions")).await[2]["digest"]);
    assert_eq!(daemon.api.post(&rollback, json!({ "digest": digest[..12] })).await["version"], "1.2.0");
    // Without a target it leads to the build before, so twice leads to where it began.
    for version in ["1.0.0", "1.2.0"] {
        assert_eq!(daemon.api.post(&rollback, json!({})).await["version"], version);
    }

    let table = [
        (json!({ "version": "9.9.9" }), 404, "not-found", "9.9.9"),
        (json!({ "digest": "0123456789" }), 404, "not-found", "0123456789"),
        (json!({ "version": "1.2.0" }), 409, "conflict", "is the build in force"),
        (json!({ "version": "1.0.0", "digest": digest }), 422, "invalid", "not by both"),
        (json!({ "build": "1.0.0" }), 422, "invalid", "build"),
    ];
    for (target, status, code, text) in table {
        let refused = daemon.api.call(Method::POST, &rollback, target).await.problem(status, code);
        assert!(refused.to_string().contains(text), "{refused}");
    }
    let bundled = daemon.api.call(Method::POST, &format!("/api/v1/providers/{WEBHOOK}/rollback"), Value::Null).await;
    assert_detail(&bundled.problem(409, "conflict"), &["comes with the program"]);
    assert_eq!(in_force(&daemon).await, (json!("active"), json!("1.2.0")));
    let records = daemon.api.items("/api/v1/audit?limit=500").await;
    let rollbacks = records.iter().filter(|record| record["action"] == "provider.rollback").count();
    assert_eq!(rollbacks, 5);
    assert_eq!(records[0]["values"]["digest"]["to"], json!(digest), "{:#}", records[0]);
}

async fn as_many_builds_are_kept_as_is_configured(engine: Engine) {
    let daemon = Daemon::builder().engine(engine).config("[providers]\nkeep-builds = 2").start().await;
    daemon.add_tracker().await;
    let first = components(&daemon);
    assert_eq!(first.len(), 1);
    daemon.offer(REPAIRED).await.success();
    assert_eq!(components(&daemon).len(), 2);
    daemon.offer(GREEDY).await.success();
    assert_eq!(components(&daemon).len(), 3, "what waits is kept besides");
    daemon.api.post(&format!("{PATH}/approve"), Value::Null).await;
    assert_eq!(kept(&daemon).await, pairs(&[("1.2.0", "in-force"), ("1.0.1", "kept")]));
    let two = components(&daemon);
    assert!(two.len() == 2 && two.is_disjoint(&first), "{two:?}");
    // Another provider that has the same component needs it too.
    let path = "/api/v1/providers?plugin=other";
    daemon.api.send(Method::POST, path, "application/wasm", GREEDY.to_vec()).await.unwrap().success();
    daemon.api.delete(PATH).await;
    assert_eq!(components(&daemon).len(), 1);
    daemon.api.delete("/api/v1/providers/other.tracker").await;
    assert_eq!(components(&daemon).len(), 0);
}

async fn what_a_crash_left_is_removed(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    daemon.add_tracker().await;
    let needed = components(&daemon);
    let folder = daemon.data().join("components");
    daemon.kill_9();
    fs::write(folder.join(format!("{}.wasm", "a".repeat(64))), REPAIRED).unwrap();
    fs::write(folder.join(format!("{}.new", "b".repeat(64))), &REPAIRED[..100]).unwrap();
    daemon.restart().await;
    assert_eq!(components(&daemon), needed);
    assert_eq!(in_force(&daemon).await, (json!("active"), json!("1.0.0")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_is_gone_or_changed_fails_with_the_reason_until_it_is_added_again() {
    let (mut daemon, _receiver, subscription) = with_tracker(Engine::Sled).await;
    let digest = components(&daemon).pop_first().unwrap();
    let file = daemon.data().join(format!("components/{digest}.wasm"));
    daemon.terminate().await;
    fs::remove_file(&file).unwrap();
    daemon.restart().await;
    let shown = daemon.api.get(PATH).await;
    assert_eq!(shown["state"], "failed", "{shown:#}");
    assert_detail(&json!({ "detail": shown["reason"] }), &["cannot be read", &digest]);
    let event = daemon.emit("Waits").await;
    assert_detail(&json!({ "detail": daemon.api.get(&subscription).await["problem"] }), &["test.tracker is not loaded"]);

    daemon.terminate().await;
    fs::write(&file, REPAIRED).unwrap();
    daemon.restart().await;
    assert_detail(&json!({ "detail": daemon.api.get(PATH).await["reason"] }), &["is not the file that was added"]);
    fs::remove_file(&file).unwrap();
    assert_eq!(daemon.offer(BUILD).await.success()["state"], "active");
    let delivery = daemon.settled(&event).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("success"), &json!(1)), "it waited and used up nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_back_leads_over_a_change_of_settings() {
    let daemon = Daemon::start().await;
    daemon.add_provider("test.migrating", FIRST).await;
    assert_eq!(daemon.offer(RENAMED).await.success()["version"], "2.0.0");
    let back = daemon.api.post("/api/v1/providers/test.migrating/rollback", Value::Null).await;
    assert_eq!((&back["version"], &back["manifest"]["config"]["version"]), (&json!("1.0.0"), &json!(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_show_builds_and_lead_back() {
    let (daemon, _receiver, _) = with_tracker(Engine::Sled).await;
    let file = daemon.data().join("tracker.wasm");
    let file = file.to_str().unwrap();
    fs::write(file, REPAIRED).unwrap();
    assert_eq!(ok(&daemon, &["provider", "add", file, "--plugin", "test"]).await, "test.tracker 1.0.1 is active");
    fs::write(file, GREEDY).unwrap();
    let waits = ok(&daemon, &["provider", "add", file, "--plugin", "test"]).await;
    assert!(waits.contains("asks to reach more.example. Until then 1.0.1 serves on."), "{waits}");
    let listed = ok(&daemon, &["provider", "versions", PROVIDER]).await;
    let rows: Vec<_> = listed.lines().skip(1).map(|line| line.split_whitespace().take(2).collect::<Vec<_>>()).collect();
    assert_eq!(rows, [["1.2.0", "awaiting-approval"], ["1.0.1", "in-force"], ["1.0.0", "kept"]]);
    assert_eq!(json_of(&daemon, &["provider", "versions", PROVIDER]).await.as_array().unwrap().len(), 3);
    assert_eq!(ok(&daemon, &["provider", "rollback", PROVIDER]).await, "test.tracker 1.0.0 is active");
    assert_eq!(json_of(&daemon, &["provider", "rollback", PROVIDER, "--to", "1.0.1"]).await["version"], "1.0.1");
    let digest = id(&json_of(&daemon, &["provider", "versions", PROVIDER]).await[2]["digest"]);
    assert_eq!(ok(&daemon, &["provider", "rollback", PROVIDER, "--to", &digest[..8]]).await, "test.tracker 1.0.0 is active");
    assert_refused(&daemon.command(&["provider", "rollback", PROVIDER, "--to", "3.0.0"]).await, &["3.0.0"]);
    let approved = json_of(&daemon, &["provider", "approve", PROVIDER]).await;
    assert_eq!(approved["version"], "1.2.0");
    assert_eq!(json_of(&daemon, &["provider", "grant", PROVIDER]).await["hosts"][1], "more.example");
    assert_refused(&daemon.command(&["provider", "remove", PROVIDER]).await, &["used by 1 subscription", "force"]);
    assert_eq!(json_of(&daemon, &["provider", "remove", PROVIDER, "--force"]).await["removed"], PROVIDER);
}
