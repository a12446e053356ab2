//! What no file declares is deleted only when that is asked for twice, and only as far as the files speak.

use super::{Files, INCIDENTS, apply, ok, refused, state, summary, webhook};
use postern_tests::chat::{PROVIDER, builder};
use postern_tests::platform::id;
use postern_tests::{Daemon, Receiver};
use serde_json::{Value, json};

async fn names(daemon: &Daemon, kind: &str) -> Vec<String> {
    let mut names: Vec<_> = daemon
        .api
        .items(&format!("/api/v1/{kind}"))
        .await
        .iter()
        .filter(|object| object["plugin"] != "postern")
        .map(|object| id(if kind == "event-types" { &object["id"] } else { &object["name"] }))
        .collect();
    names.sort();
    names
}

async fn register(daemon: &Daemon, plugin: &str, hook: &str) {
    let body = json!({ "displayName": hook, "payloadSchema": {} });
    daemon.api.put(&format!("/api/v1/plugins/{plugin}/events/{hook}"), body).await;
}

async fn subscribe(daemon: &Daemon, name: &str, tenant: &str, event: &str) {
    let body = json!({
        "name": name, "tenant": tenant, "providerId": "postern.webhook", "events": [event],
        "providerConfig": { "url": "https://example.com/" },
    });
    daemon.api.post("/api/v1/subscriptions", body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_file_declares_is_listed_and_goes_when_that_is_confirmed() {
    let daemon = builder().start().await.with_chat().await;
    let receiver = Receiver::start().await;
    let connection = daemon.connect(&receiver, "t0ken-of-the-chat").await;
    daemon.subscribe_room(&connection, "by-hand").await;
    register(&daemon, "incident", "by.hand").await;
    let hook = webhook("Declared", "https://example.com/", "");
    let files = Files::new(&[("t.yaml", INCIDENTS), ("s.yaml", &hook), ("c.yaml", "connections: []\n")]);
    assert_eq!(summary(&ok(&daemon, &files, &[]).await), "1 created, 1 updated, 0 deleted, 0 unchanged");
    assert_eq!(names(&daemon, "subscriptions").await, ["Declared", "by-hand"], "without --prune nothing goes");

    let before = state(&daemon).await;
    let listed = apply(&daemon, &files, &["--prune"], &[]).await;
    assert!(refused(&listed).contains("3 object(s) are in no file") && listed.stderr.contains("--yes"), "{listed:?}");
    let lines: Vec<_> = listed.stdout.lines().filter(|line| line.starts_with("- ")).collect();
    let order = ["- subscription  by-hand", "- connection    The chat", "- event type    incident.by.hand"];
    assert_eq!(lines, order, "users go before what they use");
    let dry = apply(&daemon, &files, &["--prune", "--dry-run", "--detailed-exit-code"], &[]).await;
    assert_eq!(dry.code, Some(2), "{dry:?}");
    assert_eq!(state(&daemon).await, before);

    assert_eq!(summary(&ok(&daemon, &files, &["--prune", "--yes"]).await), "0 created, 0 updated, 3 deleted, 2 unchanged");
    assert_eq!(names(&daemon, "subscriptions").await, ["Declared"]);
    assert!(names(&daemon, "connections").await.is_empty());
    assert_eq!(names(&daemon, "event-types").await, ["incident.incident.created"]);
    assert_eq!(summary(&ok(&daemon, &files, &["--prune"]).await), "0 created, 0 updated, 0 deleted, 2 unchanged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pruning_reaches_only_the_kinds_tenants_and_plugins_of_the_files() {
    let daemon = builder().start().await.with_chat().await;
    let receiver = Receiver::start().await;
    daemon.connect(&receiver, "t0ken-of-the-chat").await;
    register(&daemon, "tickets", "opened").await;
    subscribe(&daemon, "Of another tenant", "acme", "tickets.opened").await;
    subscribe(&daemon, "By hand", "default", "tickets.opened").await;
    let hook = webhook("Declared", "https://example.com/", "");
    let files = Files::new(&[("t.yaml", INCIDENTS), ("s.yaml", &hook)]);
    let done = ok(&daemon, &files, &["--prune", "--yes"]).await;
    assert_eq!(summary(&done), "1 created, 1 updated, 1 deleted, 0 unchanged", "{done}");
    assert_eq!(names(&daemon, "connections").await, ["The chat"], "the files have no list of connections");
    assert_eq!(names(&daemon, "subscriptions").await, ["Declared", "Of another tenant"]);
    assert_eq!(names(&daemon, "event-types").await, ["incident.incident.created", "tickets.opened"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_something_still_uses_is_spared_and_named() {
    let daemon = builder().start().await.with_chat().await;
    let receiver = Receiver::start().await;
    daemon.connect(&receiver, "t0ken-of-the-chat").await;
    register(&daemon, "incident", "resolved").await;
    subscribe(&daemon, "Of another tenant", "acme", "incident.resolved").await;
    let declared = format!(
        "connections: []\nsubscriptions:\n  - name: Room\n    providerId: {PROVIDER}\n    connection: The chat\n    \
         events: [incident.*]\n    providerConfig: {{ room: ops }}\n"
    );
    let files = Files::new(&[("t.yaml", INCIDENTS), ("s.yaml", &declared)]);
    let printed = apply(&daemon, &files, &["--prune", "--json"], &[]).await;
    let report: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!((printed.code, &report["summary"]["deleted"]), (Some(0), &json!(0)), "{report:#}");
    let notes = report["notes"].to_string();
    assert!(notes.contains("the connection `The chat` is in no file but stays"), "{notes}");
    assert!(notes.contains("`incident.resolved`") && notes.contains("`Of another tenant` uses it"), "{notes}");
    assert_eq!(names(&daemon, "connections").await, ["The chat"]);
}
