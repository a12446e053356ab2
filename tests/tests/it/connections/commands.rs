//! Connections and tenants' tokens on the command line.

use postern_tests::Daemon;
use postern_tests::Receiver;
use postern_tests::chat::{MARK, PROVIDER, builder, says};
use postern_tests::platform::{INCIDENT_CREATED, id};
use serde_json::{Value, json};

const TOKEN: &str = "t0ken-of-the-chat";

/// What a command that succeeds prints.
async fn ok(daemon: &Daemon, arguments: &[&str]) -> String {
    let printed = daemon.command(arguments).await;
    assert!(printed.success && printed.stderr.is_empty(), "postern {}: {printed:?}", arguments.join(" "));
    assert!(!printed.stdout.contains(TOKEN), "{printed:?}");
    printed.stdout.trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_can_be_made_tried_used_changed_and_removed_by_command() {
    let daemon = builder().start().await.with_chat().await;
    let mut receiver = Receiver::that(says(&json!({ "name": "Ada" }))).await;
    let settings = json!({ "baseUrl": receiver.url(), "token": TOKEN }).to_string();
    let create = ["connection", "create", "--name", "The chat", "--provider", PROVIDER, "--settings", &settings];
    let created = ok(&daemon, &create).await;
    let connection = created.strip_prefix("created ").unwrap().to_owned();
    let listed = ok(&daemon, &["connection", "list"]).await;
    assert!(listed.lines().count() == 2 && listed.contains(&connection) && listed.contains(PROVIDER), "{listed}");
    assert_eq!(ok(&daemon, &["connection", "list", "--provider", "postern.webhook"]).await, "(none)");
    assert_eq!(ok(&daemon, &["connection", "test", &connection]).await, "signed in as Ada");
    assert_eq!(receiver.next().await.header("authorization"), format!("Bearer {TOKEN}"));

    let subscribe = ["subscription", "create", "--name", "ops", "--provider", PROVIDER, "--connection", &connection];
    let what = ["--config", r#"{"room": "ops"}"#, "--event", INCIDENT_CREATED];
    let subscription = ok(&daemon, &[subscribe.as_slice(), &what].concat()).await;
    let change = json!({ "description": "Shared", "settings": { "token": MARK } }).to_string();
    assert_eq!(ok(&daemon, &["connection", "update", &connection, "--change", &change]).await, format!("updated {connection}"));
    let shown: Value = serde_json::from_str(&ok(&daemon, &["connection", "show", &connection]).await).unwrap();
    assert_eq!((&shown["settings"]["token"], &shown["description"]), (&json!(MARK), &json!("Shared")));
    assert_eq!(id(&shown["usedBy"][0]["id"]), subscription.strip_prefix("created ").unwrap());
    daemon.settled(&daemon.emit("By command").await).await;
    assert_eq!(receiver.next().await.header("authorization"), format!("Bearer {TOKEN}"));

    let refused = daemon.command(&["connection", "delete", &connection]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.starts_with("error: ") && refused.stderr.contains("`ops`"), "{refused:?}");
    receiver.script([postern_tests::Reply::Status(401)]);
    let failed = daemon.command(&["connection", "test", &connection]).await;
    assert!(failed.code == Some(1) && failed.stderr.contains("the test failed: ") && failed.stderr.contains("401"), "{failed:?}");
    assert_eq!(ok(&daemon, &["connection", "delete", "--force", &connection]).await, format!("deleted {connection}"));
    assert_eq!(ok(&daemon, &["connection", "list"]).await, "(none)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_one_tenant_can_be_made_by_command() {
    let daemon = Daemon::start().await;
    let create = ["token", "create", "--name", "Of acme", "--scope", "read", "--tenant", "acme"];
    let token = ok(&daemon, &create).await;
    daemon.register_incidents().await;
    daemon.emit("Not theirs").await;
    assert!(daemon.api.with_token(Some(&token)).items("/api/v1/events").await.is_empty());
    let listed: Value = serde_json::from_str(&ok(&daemon, &["token", "list", "--json"]).await).unwrap();
    assert!(listed.as_array().unwrap().iter().any(|listed| listed["tenant"] == "acme"), "{listed}");
}
