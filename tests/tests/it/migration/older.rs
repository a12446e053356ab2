//! An older build is put in force again.

use super::{at_revision, connect, subscribe, unmigrated, upgrade, with_first};
use postern_tests::migrating::{FIRST, PLAIN, RENAMED};
use postern_tests::{Engine, Receiver, on_each_engine};
use serde_json::json;

on_each_engine!(settings_that_an_older_build_does_not_take_wait_untouched_for_a_newer_one);

async fn settings_that_an_older_build_does_not_take_wait_untouched_for_a_newer_one(engine: Engine) {
    let mut daemon = with_first(engine).await;
    let mut receiver = Receiver::start().await;
    let connection = connect(&daemon, &receiver, "").await;
    let subscription = subscribe(&daemon, &connection, "ops").await;
    upgrade(&daemon, RENAMED).await;
    for path in [&connection, &subscription] {
        at_revision(&daemon, path, "\"2\"").await;
    }
    let (stored, stored_connection) = (daemon.api.get(&subscription).await, daemon.api.get(&connection).await);

    upgrade(&daemon, FIRST).await;
    let event = daemon.emit("To the older build").await;
    let delivery = daemon.with_status(&event, "retrying").await;
    for restarted in [false, true] {
        if restarted {
            daemon.kill_9();
            daemon.restart().await;
        }
        for path in [&subscription, &connection] {
            let shown = daemon.api.get(path).await;
            let problem = shown["problem"].as_str().unwrap_or_default();
            for text in ["version 2", "test.migrating 1.0.0", "version 1", "older", "newer build"] {
                assert!(problem.contains(text), "`{text}` is not in: {problem}");
            }
            assert_eq!(daemon.api.etag(path).await, "\"2\"");
        }
        assert_eq!(unmigrated(&daemon).await, 2);
    }
    assert!(delivery["error"].as_str().unwrap().contains("older"), "{delivery:#}");
    assert_eq!(daemon.api.get(&subscription).await["providerConfig"], stored["providerConfig"]);

    upgrade(&daemon, RENAMED).await;
    assert_eq!((daemon.api.get(&subscription).await, daemon.api.get(&connection).await), (stored, stored_connection));
    assert_eq!(receiver.next().await.json()["build"], "2.0.0", "the delivery waited for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_build_takes_newer_settings_that_fit_and_leaves_them_as_they_are_stored() {
    let daemon = with_first(Engine::Sled).await;
    let mut receiver = Receiver::start().await;
    let connection = connect(&daemon, &receiver, "").await;
    let subscription = subscribe(&daemon, &connection, "ops").await;
    upgrade(&daemon, PLAIN).await;
    at_revision(&daemon, &subscription, "\"2\"").await;
    upgrade(&daemon, FIRST).await;
    let shown = daemon.api.get(&subscription).await;
    assert_eq!((&shown["configVersion"], shown.get("problem")), (&json!(2), None), "{shown}");
    daemon.emit("To the older build").await;
    let received = receiver.next().await.json();
    assert_eq!((&received["build"], &received["password"]), (&json!("1.0.0"), &json!(super::PASSWORD)));
    assert_eq!(daemon.api.etag(&subscription).await, "\"2\"");
    let edited = daemon.api.patch(&subscription, json!({ "providerConfig": { "room": "others" } })).await;
    assert_eq!(edited["configVersion"], 1, "what is saved is of the build in force");
}
