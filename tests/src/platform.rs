//! What most tests need before they come to their point.

use crate::wait::{COMPILING, until, until_within};
use crate::{Answer, Daemon, HOSTILE};
use reqwest::Method;
use serde_json::{Value, json};

/// The event type of the seed document's first event.
pub const INCIDENT_CREATED: &str = "incident.incident.created";

/// The provider that comes with the daemon.
pub const WEBHOOK: &str = "postern.webhook";

/// The fixture, as it is added.
pub const FIXTURE: &str = "test.hostile";

/// The registration of [`INCIDENT_CREATED`].
pub fn incident_type() -> Value {
    json!({
        "displayName": "Incident Created",
        "description": "Fires when a new incident is created",
        "category": "Incidents",
        "payloadSchema": {
            "type": "object",
            "required": ["incidentId", "systemIds", "title", "severity"],
            "properties": {
                "incidentId": { "type": "string" },
                "systemIds": { "type": "array", "items": { "type": "string" } },
                "title": { "type": "string" },
                "severity": { "type": "string", "enum": ["minor", "major", "critical"] },
                "createdAt": { "type": "string", "format": "date-time" },
            },
        },
    })
}

/// A payload that fits it.
pub fn incident(title: &str) -> Value {
    json!({ "incidentId": "inc-7", "systemIds": ["checkout"], "title": title, "severity": "critical" })
}

impl Daemon {
    /// Registers [`INCIDENT_CREATED`].
    pub async fn register_incidents(&self) {
        self.api.put("/api/v1/plugins/incident/events/incident.created", incident_type()).await;
    }

    /// The providers, when none of them is being loaded any more.
    ///
    /// # Panics
    /// That takes longer than [`COMPILING`].
    pub async fn loaded(&self) -> Vec<Value> {
        until_within(COMPILING, "all providers to be loaded", || async {
            let providers = self.api.items("/api/v1/providers").await;
            providers.iter().all(|provider| provider["state"] != "loading").then_some(providers)
        })
        .await
    }

    /// Subscribes a provider; answers with the subscription's id.
    pub async fn subscribe(&self, provider: &str, events: &[&str], config: Value) -> String {
        let body = json!({ "name": "A test's", "providerId": provider, "events": events, "providerConfig": config });
        id(&self.api.post("/api/v1/subscriptions", body).await["id"])
    }

    /// Subscribes the webhook provider to [`INCIDENT_CREATED`].
    pub async fn subscribe_webhook(&self, config: Value) -> String {
        self.subscribe(WEBHOOK, &[INCIDENT_CREATED], config).await
    }

    /// Adds and approves the fixture.
    pub async fn add_hostile(&self) {
        self.add_provider(FIXTURE, HOSTILE).await;
    }

    /// Offers a component to the plugin `test`.
    ///
    /// # Panics
    /// There was no answer.
    pub async fn offer(&self, component: &[u8]) -> Answer {
        let path = "/api/v1/providers?plugin=test";
        self.api.send(Method::POST, path, "application/wasm", component.to_vec()).await.expect("an answer")
    }

    /// Adds and approves a provider of the plugin `test`.
    pub async fn add_provider(&self, id: &str, component: &[u8]) {
        assert_eq!(self.offer(component).await.success()["state"], "awaiting-approval");
        assert_eq!(self.api.post(&format!("/api/v1/providers/{id}/approve"), Value::Null).await["state"], "active");
    }

    /// Subscribes the fixture to [`INCIDENT_CREATED`].
    pub async fn subscribe_hostile(&self, config: Value) -> String {
        self.subscribe(FIXTURE, &[INCIDENT_CREATED], config).await
    }

    /// Replaces the hosts that a provider may reach.
    pub async fn grant(&self, provider: &str, hosts: &[&str]) {
        self.api.put(&format!("/api/v1/providers/{provider}/grant"), json!({ "hosts": hosts })).await;
    }

    /// Emits an incident with this title; answers with the event's id.
    pub async fn emit(&self, title: &str) -> String {
        id(&self.api.post("/api/v1/plugins/incident/hooks/incident.created", incident(title)).await["event"])
    }

    /// The deliveries of an event, whole, in the order of its fan-out.
    pub async fn deliveries(&self, event: &str) -> Vec<Value> {
        let mut found = self.api.items(&format!("/api/v1/deliveries?event={event}")).await;
        found.sort_by_key(|delivery| id(&delivery["id"]));
        let mut whole = Vec::new();
        for delivery in found {
            whole.push(self.api.get(&format!("/api/v1/deliveries/{}", id(&delivery["id"]))).await);
        }
        whole
    }

    /// The deliveries of an event once all of them are final.
    pub async fn all_settled(&self, event: &str) -> Vec<Value> {
        let path = format!("/api/v1/deliveries?event={event}");
        until("the deliveries to be final", || async {
            let found = self.api.items(&path).await;
            found.iter().all(|delivery| ["success", "failed"].map(Value::from).contains(&delivery["status"])).then_some(())
        })
        .await;
        self.deliveries(event).await
    }

    /// An event's only delivery once it is final.
    ///
    /// # Panics
    /// The event has none, or several.
    pub async fn settled(&self, event: &str) -> Value {
        let mut settled = self.all_settled(event).await;
        assert_eq!(settled.len(), 1, "{settled:?}");
        settled.remove(0)
    }

    /// An event's only delivery once it has this status.
    pub async fn with_status(&self, event: &str, status: &str) -> Value {
        until(&format!("a delivery that is {status}"), || async {
            self.deliveries(event).await.into_iter().find(|delivery| delivery["status"] == status)
        })
        .await
    }
}

/// The attempts of a whole delivery, in order.
pub fn attempts(delivery: &Value) -> Vec<&Value> {
    let steps = delivery["history"].as_array().expect("a whole delivery");
    steps.iter().map(|step| &step["attempt"]).filter(|attempt| attempt.is_object()).collect()
}

/// The only exchange of a whole delivery's last attempt.
///
/// # Panics
/// There is none, or there are several.
pub fn exchange(delivery: &Value) -> &Value {
    let attempts = attempts(delivery);
    let exchanges = attempts.last().and_then(|attempt| attempt["exchanges"].as_array()).expect("an attempt");
    assert_eq!(exchanges.len(), 1, "{delivery:#}");
    &exchanges[0]
}

/// The outcome of a whole delivery's last attempt.
pub fn outcome(delivery: &Value) -> &Value {
    &attempts(delivery).last().expect("an attempt")["outcome"]
}

/// The lines of a whole delivery's last attempt's log, as one text.
///
/// # Panics
/// There is no attempt.
pub fn log(delivery: &Value) -> String {
    let attempts = attempts(delivery);
    let lines = attempts.last().and_then(|attempt| attempt["log"].as_array()).expect("an attempt");
    lines.iter().map(|line| format!("{}\n", id(&line["message"]))).collect()
}

/// A text that must be there.
///
/// # Panics
/// It is not.
#[track_caller]
pub fn id(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("`{value}` is no text")).to_owned()
}
