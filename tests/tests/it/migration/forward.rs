//! What a new build brings forward.

use super::{KEY, PASSWORD, TOKEN, at_revision, connect, subscribe, unmigrated, upgrade, with_first};
use postern_tests::migrating::{PLAIN, RENAMED};
use postern_tests::platform::incident;
use postern_tests::{Daemon, Engine, Receiver, on_each_engine};
use serde_json::{Value, json};

on_each_engine!(
    an_upgrade_brings_connections_and_subscriptions_forward_with_their_secrets,
    an_upgrade_that_a_crash_cuts_off_is_finished_after_the_next_start,
);

/// What version 2 makes of the settings of a room.
fn renamed(room: &str) -> Value {
    let auth = json!({ "password": "[secret]" });
    json!({ "channel": room, "auth": auth, "keys": ["[secret]"], "text": "{{ payload.title }}", "volume": 3 })
}

/// Emits, and sees that the delivery carries each secret, in clear.
async fn assert_delivers(daemon: &Daemon, receiver: &mut Receiver, build: &str, room: &str) {
    daemon.api.post("/api/v1/plugins/incident/hooks/incident.created", incident("Hello")).await;
    let received = receiver.next().await;
    assert_eq!(
        (received.target.as_str(), received.header("authorization")),
        (&*format!("/rooms/{room}"), &*format!("Bearer {TOKEN}"))
    );
    assert_eq!(received.json(), json!({ "build": build, "message": "Hello", "password": PASSWORD, "keys": [KEY] }));
}

async fn an_upgrade_brings_connections_and_subscriptions_forward_with_their_secrets(engine: Engine) {
    let mut daemon = with_first(engine).await;
    let mut receiver = Receiver::start().await;
    let connection = connect(&daemon, &receiver, "").await;
    let subscription = subscribe(&daemon, &connection, "ops").await;
    assert_delivers(&daemon, &mut receiver, "1.0.0", "ops").await;
    assert_eq!(unmigrated(&daemon).await, 0);

    upgrade(&daemon, RENAMED).await;
    // They are ready as soon as the build is, and stored a moment later.
    let shown = daemon.api.get(&subscription).await;
    assert_eq!((&shown["providerConfig"], &shown["configVersion"]), (&renamed("ops"), &json!(2)), "{shown}");
    assert_eq!(shown.get("problem"), None);
    let shown = daemon.api.get(&connection).await;
    let settings = json!({ "baseUrl": receiver.url(), "login": { "token": "[secret]" } });
    assert_eq!((&shown["settings"], &shown["settingsVersion"]), (&settings, &json!(2)), "{shown}");
    assert_delivers(&daemon, &mut receiver, "2.0.0", "ops").await;
    for path in [&connection, &subscription] {
        at_revision(&daemon, path, "\"2\"").await;
    }
    assert_eq!(unmigrated(&daemon).await, 0);
    for action in ["connection.migrate", "subscription.migrate"] {
        let records = daemon.api.items("/api/v1/audit?limit=500").await;
        let found: Vec<_> = records.iter().filter(|record| record["action"] == action).collect();
        assert!(matches!(found[..], [record] if record["actor"] == "postern"), "{action}: {records:#?}");
    }
    let before = (daemon.api.get(&connection).await, daemon.api.get(&subscription).await);

    daemon.kill_9();
    daemon.restart().await;
    assert_eq!((daemon.api.get(&connection).await, daemon.api.get(&subscription).await), before);
    assert_eq!(daemon.api.etag(&subscription).await, "\"2\"");
    assert_delivers(&daemon, &mut receiver, "2.0.0", "ops").await;
    // What a form shows can be sent back.
    daemon.api.patch(&subscription, json!({ "providerConfig": before.1["providerConfig"] })).await;
    daemon.api.patch(&connection, json!({ "settings": before.0["settings"] })).await;
    assert_delivers(&daemon, &mut receiver, "2.0.0", "ops").await;
    for secret in [TOKEN, PASSWORD, KEY] {
        assert!(!daemon.stderr().contains(secret), "{}", daemon.stderr());
    }
}

async fn an_upgrade_that_a_crash_cuts_off_is_finished_after_the_next_start(engine: Engine) {
    let mut daemon = with_first(engine).await;
    let mut receiver = Receiver::start().await;
    let connection = connect(&daemon, &receiver, "").await;
    let mut paths = vec![connection.clone()];
    for number in 0..30 {
        paths.push(subscribe(&daemon, &connection, &format!("room-{number}")).await);
    }
    upgrade(&daemon, RENAMED).await;
    // Some are stored by now and some are not.
    daemon.kill_9();
    daemon.restart().await;
    assert_eq!(unmigrated(&daemon).await, 0, "what is left is made ready before anything is delivered");
    for path in &paths {
        at_revision(&daemon, path, "\"2\"").await;
    }
    for (number, path) in paths[1..].iter().enumerate() {
        assert_eq!(daemon.api.get(path).await["providerConfig"], renamed(&format!("room-{number}")));
    }
    daemon.emit("After the crash").await;
    for _ in 0..30 {
        let received = receiver.next().await.json();
        assert_eq!((&received["build"], &received["password"]), (&json!("2.0.0"), &json!(PASSWORD)));
    }
    daemon.kill_9();
    daemon.restart().await;
    for path in &paths {
        assert_eq!(daemon.api.etag(path).await, "\"2\"", "nothing is brought forward twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_without_a_migration_takes_what_fits_as_it_is() {
    let daemon = with_first(Engine::Sled).await;
    let mut receiver = Receiver::start().await;
    let connection = connect(&daemon, &receiver, "").await;
    let short = subscribe(&daemon, &connection, "ops").await;
    let long = subscribe(&daemon, &connection, "operations").await;
    upgrade(&daemon, PLAIN).await;
    let shown = daemon.api.get(&short).await;
    assert_eq!((&shown["configVersion"], &shown["providerConfig"]["room"]), (&json!(2), &json!("ops")), "{shown}");
    let shown = daemon.api.get(&long).await;
    let problem = shown["problem"].as_str().unwrap_or_default();
    for text in ["version 1", "test.migrating 2.1.0", "version 2", "/room", "no migrate-config"] {
        assert!(problem.contains(text), "`{text}` is not in: {problem}");
    }
    assert_eq!((&shown["configVersion"], unmigrated(&daemon).await), (&json!(1), json!(1)));
    assert_eq!(daemon.api.get(&connection).await["settingsVersion"], 1, "its schema is the same");
    daemon.api.patch(&long, json!({ "enabled": false })).await;
    assert_delivers(&daemon, &mut receiver, "2.1.0", "ops").await;
}
