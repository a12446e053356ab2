//! Who may do what.

use super::{assert_detail, everything};
use postern_tests::platform::{id, incident};
use postern_tests::{Api, Daemon};
use reqwest::Method;
use serde_json::{Value, json};

/// Makes a token with these scopes, and speaks with it.
async fn speaking(daemon: &Daemon, scopes: &[&str]) -> Api {
    let made = daemon.api.post("/api/v1/tokens", json!({ "name": "T", "scopes": scopes })).await;
    daemon.api.with_token(made["token"].as_str())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_valid_token_nothing_but_the_probes_is_open() {
    let daemon = Daemon::builder().config("[server]\nfailed-logins-per-minute = 100").start().await;
    let nobody = daemon.api.with_token(None);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(nobody.call(Method::GET, path, Value::Null).await.status, 200, "{path}");
    }
    for token in [None, Some("postern_wrong"), Some("x")] {
        let api = daemon.api.with_token(token);
        for (method, path) in [
            (Method::GET, "/api/v1/event-types"),
            (Method::GET, "/api/v1/subscriptions"),
            (Method::GET, "/api/v1/deliveries"),
            (Method::GET, "/api/v1/tokens"),
            (Method::GET, "/api/v1/audit"),
            (Method::POST, "/api/v1/events"),
            (Method::POST, "/api/v1/providers?plugin=x"),
            (Method::DELETE, "/api/v1/providers/postern.webhook"),
        ] {
            let answer = api.call(method, path, Value::Null).await;
            assert_eq!(answer.headers.get("www-authenticate").map(|value| value.to_str().unwrap()), Some("Bearer"), "{path}");
            answer.problem(401, "unauthorized");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_may_do_what_its_scopes_say_and_nothing_else() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let (read, emit) = (speaking(&daemon, &["read"]).await, speaking(&daemon, &["emit"]).await);
    let before = everything(&daemon).await;
    for what in ["event-types", "subscriptions", "providers", "events", "deliveries"] {
        let path = format!("/api/v1/{what}");
        read.get(&path).await;
        assert_detail(&emit.call(Method::GET, &path, Value::Null).await.problem(403, "forbidden"), &["`read`", "emit"]);
    }
    let changes = [
        (Method::POST, "/api/v1/subscriptions"),
        (Method::PUT, "/api/v1/plugins/incident/events/x"),
        (Method::PUT, "/api/v1/providers/postern.webhook/grant"),
        (Method::POST, "/api/v1/providers/postern.webhook/approve"),
        (Method::POST, "/api/v1/tokens"),
        (Method::DELETE, "/api/v1/event-types/incident.incident.created"),
        (Method::GET, "/api/v1/tokens"),
        (Method::GET, "/api/v1/audit"),
    ];
    for (method, path) in changes {
        for api in [&read, &emit] {
            assert_detail(&api.call(method.clone(), path, json!({})).await.problem(403, "forbidden"), &["`admin`"]);
        }
    }
    let hook = "/api/v1/plugins/incident/hooks/incident.created";
    read.call(Method::POST, hook, incident("By a reader")).await.problem(403, "forbidden");
    assert_eq!(everything(&daemon).await, before);
    emit.post(hook, incident("By an emitter")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_one_plugin_cannot_emit_for_another() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    daemon.api.put("/api/v1/plugins/audit/events/logged", json!({ "displayName": "Logged", "payloadSchema": {} })).await;
    let api = speaking(&daemon, &["emit:audit"]).await;
    api.post("/api/v1/plugins/audit/hooks/logged", json!({})).await;
    let refused = api.call(Method::POST, "/api/v1/plugins/incident/hooks/incident.created", incident("Not theirs")).await;
    assert_detail(&refused.problem(403, "forbidden"), &["emit:incident", "emit:audit"]);
    let many = json!([
        { "type": "audit.logged", "payload": {} },
        { "type": "incident.incident.created", "payload": incident("Not theirs either") },
    ]);
    api.call(Method::POST, "/api/v1/events", many).await.problem(403, "forbidden");
    assert_eq!(daemon.api.items("/api/v1/events").await.len(), 1, "none of a batch is emitted unless all may be");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_is_worth_nothing_before_and_after_a_restart() {
    let mut daemon = Daemon::start().await;
    let made = daemon.api.post("/api/v1/tokens", json!({ "name": "Short-lived", "scopes": ["read"] })).await;
    let token = id(&made["token"]);
    daemon.api.with_token(Some(&token)).get("/api/v1/events").await;
    for listed in daemon.api.items("/api/v1/tokens").await {
        assert!(listed.get("token").is_none() && listed.get("hash").is_none(), "{listed}");
    }
    daemon.api.delete(&format!("/api/v1/tokens/{}", id(&made["id"]))).await;
    daemon.api.with_token(Some(&token)).call(Method::GET, "/api/v1/events", Value::Null).await.problem(401, "unauthorized");
    daemon.kill_9();
    daemon.restart().await;
    daemon.api.with_token(Some(&token)).call(Method::GET, "/api/v1/events", Value::Null).await.problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_needs_a_name_and_scopes_that_exist() {
    let daemon = Daemon::start().await;
    for body in [
        json!({ "name": "", "scopes": ["read"] }),
        json!({ "name": "T", "scopes": [] }),
        json!({ "name": "T", "scopes": ["everything"] }),
        json!({ "name": "T", "scopes": ["emit:a.b"] }),
        json!({ "name": "T" }),
    ] {
        daemon.api.call(Method::POST, "/api/v1/tokens", body).await.problem(422, "invalid");
    }
    assert_eq!(daemon.api.items("/api/v1/tokens").await.len(), 1, "the first admin token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_token_and_the_master_key_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let daemon = Daemon::start().await;
    for name in ["admin-token", "master-key"] {
        let mode = std::fs::metadata(daemon.data().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
