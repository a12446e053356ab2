//! What cannot be brought forward stays as it is, says why, and is brought forward as soon as that is possible.

use super::{KEY, PASSWORD, TOKEN, at_revision, connect, delivery_of, subscribe, unmigrated, upgrade, with_first};
use postern_tests::migrating::{RENAMED, REPAIRED};
use postern_tests::platform::outcome;
use postern_tests::wait::until;
use postern_tests::{Daemon, Engine, Receiver, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

on_each_engine!(
    what_cannot_be_brought_forward_stays_says_why_and_a_repaired_build_saves_its_deliveries,
    a_connection_that_cannot_be_brought_forward_holds_its_subscriptions_up,
);

/// A room that makes the build 2.0.0 misbehave, and what the problem says of it.
const ROOMS: [(&str, &[&str]); 7] = [
    ("fail", &["the provider says: cannot migrate [secret]"]),
    ("trap", &["crashed", "cannot migrate [secret]"]),
    ("expose", &["/channel", "/password", "not secret"]),
    ("inside", &["/auth/password", "/password", "longer text"]),
    ("forge", &["/auth/password", "none is stored"]),
    ("unfit", &["colour"]),
    ("template", &["/providerConfig/text", "colour"]),
];

#[track_caller]
fn assert_tells(problem: &str, texts: &[&str]) {
    for text in texts.iter().chain(&["version 1", "test.migrating 2.0.0", "version 2"]) {
        assert!(problem.contains(text), "`{text}` is not in: {problem}");
    }
    for hidden in [TOKEN, PASSWORD, KEY, "sealed-"] {
        assert!(!problem.contains(hidden), "{problem}");
    }
}

async fn all_delivered(daemon: &Daemon, event: &str, count: usize) {
    until("the deliveries to succeed", || async {
        let found = daemon.deliveries(event).await;
        (found.iter().filter(|delivery| delivery["status"] == "success").count() == count).then_some(())
    })
    .await;
}

async fn what_cannot_be_brought_forward_stays_says_why_and_a_repaired_build_saves_its_deliveries(engine: Engine) {
    let mut daemon = with_first(engine).await;
    let mut receiver = Receiver::start().await;
    let connection = connect(&daemon, &receiver, "").await;
    let fine = subscribe(&daemon, &connection, "fine").await;
    let mut stuck = Vec::new();
    for (room, _) in ROOMS {
        let path = subscribe(&daemon, &connection, room).await;
        let before = daemon.api.get(&path).await;
        stuck.push((path, before));
    }
    upgrade(&daemon, RENAMED).await;
    at_revision(&daemon, &fine, "\"2\"").await;
    let event = daemon.emit("Now").await;
    assert_eq!(receiver.next().await.json()["build"], "2.0.0");
    for restarted in [false, true] {
        if restarted {
            daemon.kill_9();
            daemon.restart().await;
        }
        assert_eq!(unmigrated(&daemon).await, ROOMS.len());
        for ((path, before), (room, texts)) in stuck.iter().zip(ROOMS) {
            let mut shown = daemon.api.get(path).await;
            let problem = shown["problem"].take();
            let problem = problem.as_str().unwrap_or_else(|| panic!("{room} has no problem: {shown}"));
            assert_tells(problem, texts);
            shown.as_object_mut().unwrap().remove("problem");
            assert_eq!((&shown, daemon.api.etag(path).await), (before, "\"1\"".to_owned()), "{room}");
            let waits = until("an attempt that tells the problem", || async {
                let delivery = delivery_of(&daemon, &event, path).await;
                (delivery["status"] == "retrying").then_some(delivery)
            })
            .await;
            assert_eq!((&waits["error"], &outcome(&waits)["cause"]), (&json!(problem), &json!("config")), "{waits:#}");
        }
    }
    assert!(receiver.drain().is_empty(), "nothing was sent for what is stuck");

    upgrade(&daemon, REPAIRED).await;
    all_delivered(&daemon, &event, ROOMS.len() + 1).await;
    let mut rooms: Vec<_> = receiver.drain().iter().map(|received| received.target.clone()).collect();
    rooms.sort_unstable();
    let mut expected: Vec<_> = ROOMS.iter().map(|(room, _)| format!("/rooms/{room}")).collect();
    expected.sort_unstable();
    assert_eq!(rooms, expected);
    for (path, _) in &stuck {
        at_revision(&daemon, path, "\"2\"").await;
        let shown = daemon.api.get(path).await;
        assert_eq!((&shown["configVersion"], shown.get("problem")), (&json!(2), None), "{shown}");
    }
    assert_eq!((unmigrated(&daemon).await, daemon.api.etag(&fine).await), (json!(0), "\"2\"".to_owned()));
    for secret in [TOKEN, PASSWORD, KEY] {
        assert!(!daemon.stderr().contains(secret), "{}", daemon.stderr());
    }
}

async fn a_connection_that_cannot_be_brought_forward_holds_its_subscriptions_up(engine: Engine) {
    let daemon = with_first(engine).await;
    let receiver = Receiver::start().await;
    let failing = connect(&daemon, &receiver, "/fail").await;
    let leading = connect(&daemon, &receiver, "/elsewhere").await;
    let subscription = subscribe(&daemon, &failing, "ops").await;
    upgrade(&daemon, RENAMED).await;
    for (path, texts) in [(&failing, ["the provider says", "cannot migrate"]), (&leading, ["/baseUrl", "host"])] {
        let shown = daemon.api.get(path).await;
        assert_tells(shown["problem"].as_str().unwrap_or_default(), &texts);
        assert_eq!(shown["settingsVersion"], 1);
    }
    assert_eq!(daemon.api.get(&subscription).await.get("problem"), None, "its own settings are fine");
    let event = daemon.emit("Held up").await;
    let delivery = daemon.with_status(&event, "retrying").await;
    let error = delivery["error"].as_str().unwrap();
    assert!(error.contains("`The chat`") && error.contains("cannot migrate the connection"), "{error}");
    assert!(receiver.is_untouched());
    upgrade(&daemon, REPAIRED).await;
    all_delivered(&daemon, &event, 1).await;
    assert_eq!(daemon.api.get(&leading).await["settings"]["baseUrl"], receiver.url() + "/elsewhere");
}

/// An event type whose payload has a colour.
fn coloured() -> Value {
    let schema = json!({ "type": "object", "properties": { "colour": { "type": "string" } } });
    json!({ "displayName": "Dried", "payloadSchema": schema })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_repairs_what_is_stuck_and_other_fields_can_be_changed_meanwhile() {
    let daemon = with_first(Engine::Sled).await;
    let mut receiver = Receiver::start().await;
    let connection = connect(&daemon, &receiver, "").await;
    let path = subscribe(&daemon, &connection, "unfit").await;
    let failing = connect(&daemon, &receiver, "/fail").await;
    let templated = subscribe(&daemon, &connection, "template").await;
    daemon.api.patch(&templated, json!({ "enabled": false })).await;
    upgrade(&daemon, RENAMED).await;
    let event = daemon.emit("Before the edit").await;
    daemon.with_status(&event, "retrying").await;

    let before = daemon.api.get(&path).await;
    let renamed = daemon.api.patch(&path, json!({ "name": "Renamed", "description": "Stuck" })).await;
    assert_eq!((&renamed["name"], &renamed["problem"]), (&json!("Renamed"), &before["problem"]));
    assert_eq!((&renamed["providerConfig"], &renamed["configVersion"]), (&before["providerConfig"], &json!(1)));
    // Settings that are changed must fit as they will be.
    let refused = json!({ "providerConfig": { "channel": "ops" } });
    daemon.api.call(Method::PATCH, &path, refused).await.problem(422, "invalid");

    let nothing = Value::Null;
    let config = json!({
        "room": nothing, "password": nothing, "message": nothing, "named": nothing,
        "channel": "ops", "auth": { "password": "an0ther-password" }, "keys": ["[secret]"],
    });
    let repaired = daemon.api.patch(&path, json!({ "providerConfig": config })).await;
    assert_eq!((&repaired["configVersion"], repaired.get("problem")), (&json!(2), None), "{repaired}");
    let received = receiver.next().await.json();
    assert_eq!((&received["password"], &received["keys"]), (&json!("an0ther-password"), &json!([KEY])), "a mark kept the key");
    all_delivered(&daemon, &event, 1).await;

    // A connection likewise.
    let renamed = daemon.api.patch(&failing, json!({ "name": "Renamed" })).await;
    assert_eq!((&renamed["name"], &renamed["settings"]["token"]), (&json!("Renamed"), &json!("[secret]")));
    assert!(renamed["problem"].as_str().unwrap().contains("cannot migrate the connection"), "{renamed}");
    let settings = json!({ "baseUrl": receiver.url(), "token": nothing, "login": { "token": TOKEN } });
    let repaired = daemon.api.patch(&failing, json!({ "settings": settings })).await;
    assert_eq!((&repaired["settingsVersion"], repaired.get("problem")), (&json!(2), None), "{repaired}");

    // Which names a template may use depends on the events.
    daemon.api.put("/api/v1/plugins/paint/events/dried", coloured()).await;
    daemon.api.patch(&templated, json!({ "events": ["paint.dried"] })).await;
    until("it to be brought forward", || async {
        let shown = daemon.api.get(&templated).await;
        (shown["configVersion"] == 2 && shown.get("problem").is_none()).then_some(())
    })
    .await;
}
