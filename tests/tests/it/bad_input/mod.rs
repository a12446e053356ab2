//! Bad input gets one clear problem with place and reason, and changes nothing.

mod access;
mod components;
mod events;
mod requests;
mod subscriptions;

use postern_tests::Daemon;
use serde_json::Value;

/// Everything that there is, to see that a refusal left it alone.
pub(crate) async fn everything(daemon: &Daemon) -> Vec<Value> {
    let mut all = Vec::new();
    for what in ["event-types", "connections", "subscriptions", "providers", "events", "deliveries", "tokens"] {
        all.extend(daemon.api.items(&format!("/api/v1/{what}")).await);
    }
    all
}

/// The places of a problem, in order.
pub(crate) fn places(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().into_iter().flatten().filter_map(|error| error["path"].as_str()).collect()
}

#[track_caller]
pub(crate) fn assert_detail(problem: &Value, texts: &[&str]) {
    let detail = problem["detail"].as_str().unwrap();
    for text in texts {
        assert!(detail.contains(text), "`{text}` is not in: {detail}");
    }
}
