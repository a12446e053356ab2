//! Subscriptions that pin a version of their provider.

use super::{PATH, components, kept, pairs, with_tracker};
use postern_tests::chat::builder;
use postern_tests::migrating::{FIRST, RENAMED};
use postern_tests::platform::{INCIDENT_CREATED, attempts, id};
use postern_tests::tracker::{GREEDY, PROVIDER, REPAIRED};
use postern_tests::{Daemon, Engine, Receiver, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

on_each_engine!(a_pinned_version_delivers_whatever_is_in_force, what_is_pinned_is_kept_however_many_come_after_it);

/// Which build delivered an event, by the subscription's name.
async fn builds_by_name(daemon: &Daemon) -> BTreeMap<String, Value> {
    let event = daemon.emit("Who delivers?").await;
    let mut found = BTreeMap::new();
    for delivery in daemon.all_settled(&event).await {
        let subscription = daemon.api.get(&format!("/api/v1/subscriptions/{}", id(&delivery["subscription"]))).await;
        assert_eq!(delivery["status"], "success", "{delivery:#}");
        found.insert(id(&subscription["name"]), attempts(&delivery).last().unwrap()["provider"]["version"].clone());
    }
    found
}

fn expect(pinned: &str, other: &str) -> BTreeMap<String, Value> {
    [("Pinned", pinned), ("A test's", other)].map(|(name, version)| (name.to_owned(), json!(version))).into()
}

/// With one subscription that pins 1.0.0, by its path, and one that does not.
async fn with_pin(engine: Engine, config: &str) -> (Daemon, Receiver, String) {
    let daemon = Daemon::builder().engine(engine).config(config).start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.add_tracker().await;
    daemon.subscribe_with(PROVIDER, &receiver, json!({})).await;
    let pin = json!({ "name": "Pinned", "providerVersion": "1.0.0" });
    let pinned = daemon.subscribe_with(PROVIDER, &receiver, pin).await;
    (daemon, receiver, format!("/api/v1/subscriptions/{pinned}"))
}

async fn a_pinned_version_delivers_whatever_is_in_force(engine: Engine) {
    let (mut daemon, _receiver, pinned) = with_pin(engine, "").await;
    assert_eq!(builds_by_name(&daemon).await, expect("1.0.0", "1.0.0"));
    daemon.offer(REPAIRED).await.success();
    assert_eq!(builds_by_name(&daemon).await, expect("1.0.0", "1.0.1"));
    daemon.terminate().await;
    daemon.restart().await;
    assert_eq!(builds_by_name(&daemon).await, expect("1.0.0", "1.0.1"), "after a restart");
    let builds = daemon.api.items(&format!("{PATH}/versions")).await;
    assert_eq!(builds.iter().map(|build| build["pinnedBy"].clone()).collect::<Vec<_>>(), [json!(0), json!(1)]);

    // The way back, and forth.
    daemon.api.post(&format!("{PATH}/rollback"), Value::Null).await;
    assert_eq!(builds_by_name(&daemon).await, expect("1.0.0", "1.0.0"));
    daemon.api.post(&format!("{PATH}/rollback"), Value::Null).await;
    assert_eq!(builds_by_name(&daemon).await, expect("1.0.0", "1.0.1"));
    assert_eq!(daemon.api.patch(&pinned, json!({ "providerVersion": null })).await["name"], "Pinned");
    assert_eq!(builds_by_name(&daemon).await, expect("1.0.1", "1.0.1"));
    daemon.api.patch(&pinned, json!({ "providerVersion": "1.0.0" })).await;
    assert_eq!(builds_by_name(&daemon).await, expect("1.0.0", "1.0.1"));

    let refused = daemon.api.call(Method::PATCH, &pinned, json!({ "providerVersion": "7.0.0" })).await.problem(422, "invalid");
    assert!(refused["errors"][0]["path"] == "/providerVersion" && refused.to_string().contains("1.0.1, 1.0.0"), "{refused}");
    let refused = daemon.api.call(Method::PATCH, &pinned, json!({ "providerVersion": "one" })).await;
    assert_eq!(refused.problem(422, "invalid")["errors"][0]["path"], "/providerVersion");
    // What an operator pauses is paused as a whole.
    daemon.api.post(&format!("{PATH}/disable"), Value::Null).await;
    assert!(daemon.api.get(&pinned).await["problem"].as_str().unwrap().contains("is disabled"));
    daemon.api.post(&format!("{PATH}/enable"), Value::Null).await;
    assert_eq!(builds_by_name(&daemon).await, expect("1.0.0", "1.0.1"));
}

async fn what_is_pinned_is_kept_however_many_come_after_it(engine: Engine) {
    let (mut daemon, _receiver, pinned) = with_pin(engine, "[providers]\nkeep-builds = 1").await;
    daemon.offer(REPAIRED).await.success();
    daemon.offer(GREEDY).await.success();
    daemon.api.post(&format!("{PATH}/approve"), Value::Null).await;
    assert_eq!(kept(&daemon).await, pairs(&[("1.2.0", "in-force"), ("1.0.0", "kept")]));
    daemon.kill_9();
    daemon.restart().await;
    assert_eq!(builds_by_name(&daemon).await, expect("1.0.0", "1.2.0"));
    daemon.api.delete(&pinned).await;
    daemon.offer(REPAIRED).await.success();
    assert_eq!(kept(&daemon).await, pairs(&[("1.0.1", "in-force")]));
    assert_eq!(components(&daemon).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pinned_settings_stay_of_their_version_and_are_brought_forward_when_the_pin_goes() {
    let daemon = builder().start().await;
    daemon.register_incidents().await;
    daemon.add_provider("test.migrating", FIRST).await;
    let receiver = Receiver::start().await;
    let connection = json!({
        "name": "The chat", "providerId": "test.migrating", "settings": { "baseUrl": receiver.url(), "token": "t0ken" },
    });
    let connection = id(&daemon.api.post("/api/v1/connections", connection).await["id"]);
    let body = json!({
        "name": "Pinned", "providerId": "test.migrating", "connectionId": connection, "events": [INCIDENT_CREATED],
        "providerVersion": "1.0.0", "providerConfig": { "room": "ops", "password": "passw0rd" },
    });
    let path = format!("/api/v1/subscriptions/{}", id(&daemon.api.post("/api/v1/subscriptions", body).await["id"]));
    assert_eq!(daemon.offer(RENAMED).await.success()["version"], "2.0.0");
    let shown = daemon.api.get(&path).await;
    assert_eq!((&shown["configVersion"], &shown["providerConfig"]["room"]), (&json!(1), &json!("ops")), "{shown:#}");
    // Its connection went on: it is shared, and has one version.
    let delivery = daemon.with_status(&daemon.emit("Pinned to what the connection is no longer").await, "failed").await;
    assert!(delivery["error"].as_str().unwrap().contains("which this subscription pins"), "{delivery:#}");

    let changed = daemon.api.patch(&path, json!({ "providerVersion": null })).await;
    assert_eq!((&changed["configVersion"], &changed["providerConfig"]["channel"]), (&json!(2), &json!("ops")), "{changed:#}");
    assert_eq!(daemon.settled(&daemon.emit("Not pinned").await).await["status"], "success");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_with_the_program_has_one_version() {
    let (daemon, receiver, _) = with_tracker(Engine::Sled).await;
    let version = daemon.api.get("/api/v1/providers/postern.webhook").await["version"].clone();
    let body = json!({
        "name": "x", "providerId": "postern.webhook", "events": [INCIDENT_CREATED], "providerVersion": version,
        "providerConfig": { "url": receiver.url() },
    });
    let refused = daemon.api.call(Method::POST, "/api/v1/subscriptions", body).await.problem(422, "invalid");
    assert!(refused.to_string().contains("cannot be pinned"), "{refused}");
}
