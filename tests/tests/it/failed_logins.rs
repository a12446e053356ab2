//! Too many failed credentials from one address.

use postern_tests::{Answer, Api, Daemon};
use reqwest::Method;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/subscriptions";
/// What the configuration says by default.
const LIMIT: usize = 10;

async fn call(api: &Api, forwarded: &[(&str, &str)]) -> Answer {
    api.call_with(Method::GET, PATH, forwarded, Value::Null).await
}

/// Fails as often as is allowed, and once more.
async fn exhaust(api: &Api, forwarded: &[(&str, &str)]) -> Answer {
    for _ in 0..LIMIT {
        call(api, forwarded).await.problem(401, "unauthorized");
    }
    call(api, forwarded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_failed_too_often_waits_and_a_valid_token_does_not() {
    let daemon = Daemon::start().await;
    let wrong = format!("postern_{}", "A".repeat(43));
    let stranger = daemon.api.with_token(Some(&wrong));
    let refused = exhaust(&stranger, &[]).await;
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    let problem = refused.problem(429, "too-many-failures");
    assert!(!problem.to_string().contains(&wrong), "{problem}");

    for token in [wrong.as_str(), "postern_short", "x", ""] {
        call(&daemon.api.with_token(Some(token)), &[]).await.problem(429, "too-many-failures");
    }
    let basic = [("Authorization", "Basic eDp5")];
    call(&daemon.api.with_token(None), &basic).await.problem(429, "too-many-failures");
    call(&daemon.api.with_token(None), &[]).await.problem(401, "unauthorized");
    call(&daemon.api, &[]).await.success();
    let made = daemon.api.post("/api/v1/tokens", json!({ "name": "T", "scopes": ["read"] })).await;
    call(&daemon.api.with_token(made["token"].as_str()), &[]).await.success();
    assert_eq!(stranger.call(Method::GET, "/healthz", Value::Null).await.status, 200);

    let records = daemon.api.items("/api/v1/audit?actor=unknown").await;
    assert_eq!(records.len(), 1, "{records:#?}");
    assert_eq!((&records[0]["action"], &records[0]["object"]), (&json!("authentication.refuse"), &json!("127.0.0.1")));
    assert_eq!(records[0]["address"], "127.0.0.1");
    assert!(!daemon.stderr().contains(&wrong));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_trusted_proxy_each_client_counts_for_itself() {
    let daemon = Daemon::builder().config("[server]\ntrusted-proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]").start().await;
    let stranger = daemon.api.with_token(Some("postern_wrong"));
    let from = |addresses: &'static str| [("X-Forwarded-For", addresses)];
    exhaust(&stranger, &from("198.51.100.7")).await.problem(429, "too-many-failures");
    call(&stranger, &from("198.51.100.8")).await.problem(401, "unauthorized");
    // What a client makes up stands before what the proxies add.
    call(&stranger, &from("203.0.113.9, 198.51.100.7, 10.2.0.1")).await.problem(429, "too-many-failures");
    call(&stranger, &[]).await.problem(401, "unauthorized");
    call(&daemon.api, &from("198.51.100.7")).await.success();
    // A network of 64 bits is one client's.
    exhaust(&stranger, &from("2001:db8::1")).await.problem(429, "too-many-failures");
    call(&stranger, &from("2001:db8::2")).await.problem(429, "too-many-failures");
    call(&stranger, &from("2001:db8:0:1::1")).await.problem(401, "unauthorized");

    daemon
        .api
        .call_with(Method::POST, "/api/v1/tokens", &from("192.0.2.33"), json!({ "name": "T", "scopes": ["read"] }))
        .await
        .success();
    let addresses: Vec<_> = daemon
        .api
        .items("/api/v1/audit")
        .await
        .iter()
        .map(|record| (record["object"].clone(), record["address"].clone()))
        .collect();
    assert_eq!(addresses[0].1, "192.0.2.33");
    assert_eq!(addresses[1], (json!("2001:db8::/64"), json!("2001:db8::1")));
    assert_eq!(addresses[2], (json!("198.51.100.7"), json!("198.51.100.7")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_is_believed_about_where_a_request_comes_from() {
    let daemon = Daemon::builder().config("[server]\nfailed-logins-per-minute = 2").start().await;
    let stranger = daemon.api.with_token(Some("postern_wrong"));
    for (address, status) in [("198.51.100.1", 401), ("198.51.100.2", 401), ("198.51.100.3", 429)] {
        assert_eq!(call(&stranger, &[("X-Forwarded-For", address)]).await.status, status);
    }
}
