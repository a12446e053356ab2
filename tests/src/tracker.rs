//! The provider that keeps issues, and events about entities. A [`Receiver`] plays its tracker.

use crate::platform::{INCIDENT_CREATED, id, incident};
use crate::{Daemon, Receiver, Reply};
use serde_json::{Value, json};

/// The provider, as it is added.
pub const PROVIDER: &str = "test.tracker";

/// The build 1.0.0.
pub static BUILD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern-fixture-tracker.wasm"));
/// The build 1.0.1, which does not panic.
pub static REPAIRED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern-fixture-tracker-repaired.wasm"));
/// The build 1.1.0, which may be called once an hour.
pub static PACED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern-fixture-tracker-paced.wasm"));

/// The build 1.2.0, which asks for `more.example` too.
pub static GREEDY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern-fixture-tracker-greedy.wasm"));

/// The tracker's answer: what it calls the issue.
pub fn issue(id: &str) -> Reply {
    Reply::Full(200, vec![("Content-Type", "application/json".into())], json!({ "id": id }).to_string())
}

/// What a subscription's creation sends, with changes of its own.
///
/// # Panics
/// The changes are no object.
pub fn subscription(provider: &str, receiver: &Receiver, changes: Value) -> Value {
    let mut body = json!({
        "name": "A test's", "providerId": provider, "events": [INCIDENT_CREATED], "providerConfig": { "url": receiver.url() },
    });
    for (name, value) in changes.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

impl Daemon {
    /// Adds and approves the provider.
    pub async fn add_tracker(&self) {
        self.add_provider(PROVIDER, BUILD).await;
    }

    /// Subscribes a provider with the config `{"url": …}` to [`INCIDENT_CREATED`]; answers with the subscription's id.
    pub async fn subscribe_with(&self, provider: &str, receiver: &Receiver, changes: Value) -> String {
        id(&self.api.post("/api/v1/subscriptions", subscription(provider, receiver, changes)).await["id"])
    }

    /// Emits an incident about this thing; answers with the event's id.
    pub async fn emit_about(&self, entity: &str, title: &str) -> String {
        let mut payload = incident(title);
        payload["incidentId"] = json!(entity);
        id(&self.api.post("/api/v1/plugins/incident/hooks/incident.created", payload).await["event"])
    }
}
