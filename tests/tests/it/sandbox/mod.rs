//! What a provider that misbehaves can do: fail, with a reason, while its neighbours' deliveries go on.

mod caching;
mod compiling;
mod granted;
mod manifests;
mod misdeeds;
pub(crate) mod raw;
mod requests;
mod surroundings;
mod written_by_hand;

use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK, id, incident, incident_type, log, outcome};
use postern_tests::{Answer, Daemon, Receiver};
use reqwest::Method;
use serde_json::{Value, json};

/// One attempt each, and less computing than usual, so that a loop ends soon.
const QUICK: &str = "[delivery]\nretry = []\n[sandbox]\ncompute-milliseconds = 2000";

/// A daemon, and a neighbour whose deliveries must go on whatever the others do.
struct Scene {
    daemon: Daemon,
    neighbour: Receiver,
}

impl Scene {
    async fn new(config: &str) -> Self {
        let daemon = Daemon::builder().config(config).start().await;
        daemon.register_incidents().await;
        let neighbour = Receiver::start().await;
        daemon.api.put("/api/v1/plugins/calm/events/happened", incident_type()).await;
        daemon.subscribe(WEBHOOK, &["calm.happened"], json!({ "url": neighbour.url() })).await;
        Self { daemon, neighbour }
    }

    /// Likewise with the fixture that misbehaves.
    async fn with_hostile(config: &str) -> Self {
        let scene = Self::new(config).await;
        scene.daemon.add_hostile().await;
        scene
    }

    /// Offers a component.
    async fn offer(&self, component: Vec<u8>) -> Answer {
        let path = "/api/v1/providers?plugin=test";
        self.daemon.api.send(Method::POST, path, "application/wasm", component).await.expect("an answer")
    }

    /// The neighbour's delivery, which succeeds at the first attempt.
    async fn neighbour_delivers(&self) {
        let emitted = self.daemon.api.post("/api/v1/plugins/calm/hooks/happened", incident("Calm")).await;
        let delivery = self.daemon.settled(&id(&emitted["event"])).await;
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("success"), &json!(1)), "{delivery:#}");
    }

    /// The delivery of one event by a provider with this config, and the neighbour's meanwhile.
    async fn misbehave_by(&self, provider: &str, config: Value) -> Value {
        let subscription = self.daemon.subscribe(provider, &[INCIDENT_CREATED], config).await;
        let event = self.daemon.emit("Misbehave").await;
        self.neighbour_delivers().await;
        let delivery = self.daemon.settled(&event).await;
        self.daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
        delivery
    }

    /// Likewise by the fixture.
    async fn misbehave(&self, config: Value) -> Value {
        self.misbehave_by("test.hostile", config).await
    }
}

/// Checks that the delivery failed for this cause with a reason that has all of these texts.
#[track_caller]
fn assert_failed(delivery: &Value, cause: &str, texts: &[&str]) {
    assert_eq!(delivery["status"], "failed", "{delivery:#}");
    assert_eq!(outcome(delivery)["cause"], cause, "{delivery:#}");
    let error = delivery["error"].as_str().expect("an error");
    for text in texts {
        assert!(error.contains(text), "`{text}` is not in: {error}");
    }
}
