//! Emitting: repeated emissions, and CloudEvents.

mod cloud_events;
mod idempotency;

use postern_tests::{Daemon, Receiver};
use serde_json::json;

/// The path that takes emissions of all kinds.
const EVENTS: &str = "/api/v1/events";

/// Registers incidents and subscribes a receiver to them, for each of these tenants.
pub(crate) async fn subscribed(daemon: &Daemon, receiver: &Receiver, tenants: &[&str]) {
    daemon.register_incidents().await;
    for tenant in tenants {
        let body = json!({
            "name": tenant, "providerId": "postern.webhook", "events": ["incident.*"], "tenant": tenant,
            "providerConfig": { "url": format!("{}/{tenant}", receiver.url()) },
        });
        daemon.api.post("/api/v1/subscriptions", body).await;
    }
}
