//! Who may see the figures.

use super::scrape;
use postern_tests::Daemon;
use postern_tests::platform::id;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_token_that_may_read_everything_sees_the_figures() {
    let daemon = Daemon::start().await;
    let with = |token: Value| async {
        let made = daemon.api.post("/api/v1/tokens", token).await;
        daemon.api.with_token(Some(&id(&made["token"])))
    };
    let call = |api: postern_tests::Api| async move { api.call(Method::GET, "/metrics", Value::Null).await };
    call(daemon.api.with_token(None)).await.problem(401, "unauthorized");
    call(daemon.api.with_token(Some("of-nobody"))).await.problem(401, "unauthorized");
    call(with(json!({ "name": "Emitter", "scopes": ["emit"] })).await).await.problem(403, "forbidden");
    call(with(json!({ "name": "Of one", "scopes": ["read"], "tenant": "acme" })).await).await.problem(403, "forbidden");
    scrape(&with(json!({ "name": "Collector", "scopes": ["read"] })).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_may_open_the_figures_and_nothing_else() {
    let daemon = Daemon::builder().config("[server]\nopen-metrics = true").start().await;
    let nobody = daemon.api.with_token(None);
    scrape(&nobody).await;
    scrape(&daemon.api.with_token(Some("of-nobody"))).await;
    nobody.call(Method::GET, "/api/v1/stats", Value::Null).await.problem(401, "unauthorized");
}
