//! Stock HTTP clients in components, whose requests go through `wasi:http` to the broker.

mod bounds;
mod client;
mod refused;

use postern_tests::platform::{INCIDENT_CREATED, attempts, log};
use postern_tests::{Daemon, STOCK};
use serde_json::{Value, json};

/// The fixture, as it is added.
const PROVIDER: &str = "test.stock";

/// A daemon with the fixture, and one attempt for each delivery.
async fn with_stock(config: &str) -> Daemon {
    let daemon = Daemon::builder().config("[delivery]\nretry = []").config(config).start().await;
    daemon.register_incidents().await;
    daemon.add_provider(PROVIDER, STOCK).await;
    daemon
}

/// Delivers one event with this config.
async fn deliver(daemon: &Daemon, config: Value) -> Value {
    deliver_by(daemon, PROVIDER, config).await
}

async fn deliver_by(daemon: &Daemon, provider: &str, config: Value) -> Value {
    let subscription = daemon.subscribe(provider, &[INCIDENT_CREATED], config).await;
    let delivery = daemon.settled(&daemon.emit("Through a stock client").await).await;
    daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
    delivery
}

/// The exchanges of the last attempt.
fn exchanges(delivery: &Value) -> Vec<Value> {
    attempts(delivery).last().expect("an attempt")["exchanges"].as_array().expect("its exchanges").clone()
}

/// What was decided about each exchange of the last attempt, and what came of it.
fn decisions(delivery: &Value) -> Vec<Value> {
    let shown = |exchange: &Value| {
        json!({
            "decision": exchange["decision"], "code": exchange["code"], "kind": exchange["kind"], "sent": exchange["sent"],
            "status": exchange["status"],
        })
    };
    exchanges(delivery).iter().map(shown).collect()
}

/// Checks that the delivery failed with a message that has this text.
#[track_caller]
fn assert_failed(delivery: &Value, text: &str) {
    assert_eq!(delivery["status"], "failed", "{delivery:#}");
    let error = delivery["error"].as_str().unwrap_or_default();
    assert!(error.contains(text), "`{text}` is not in: {error}\n{delivery:#}");
}
