//! The events that every provider should deliver well.
//!
//! They are those of the documents that Postern was made from: the seven that the platform registers, with the variants that
//! change what they mean, and the shorter payloads that the documents show.

use super::TestDelivery;
use serde_json::{Value, json};

/// An event to try a provider with.
#[derive(Clone, Debug)]
pub struct SeedEvent {
    /// A short name, for files: `incident-created`.
    pub name: &'static str,
    /// The event type's id.
    pub event_type: &'static str,
    /// What an administrator would choose as the entity's key: the incident's id, the system's id.
    pub entity_key: &'static str,
    /// The payload.
    pub payload: Value,
}

impl SeedEvent {
    /// A delivery of it. Connection and entity are left to the test.
    pub fn delivery(&self, config: Value) -> TestDelivery {
        TestDelivery::new(config).event_type(self.event_type).payload(&self.payload)
    }
}

/// All of them.
pub fn seed_events() -> Vec<SeedEvent> {
    let event = |name, event_type, entity_key, payload| SeedEvent { name, event_type, entity_key, payload };
    let degraded = "healthcheck.healthcheck.system.degraded";
    let healthy = "healthcheck.healthcheck.system.healthy";
    let (created, updated, resolved) = ("incident.incident.created", "incident.incident.updated", "incident.incident.resolved");
    let (planned, replanned) = ("maintenance.maintenance.created", "maintenance.maintenance.updated");
    let window = |action: &str, status: &str| {
        json!({
            "maintenanceId": "mnt-31",
            "systemIds": ["checkout", "payments"],
            "title": "Database upgrade",
            "description": "PostgreSQL 17 → 18. Payments are queued meanwhile.",
            "status": status,
            "startAt": "2026-01-10T22:00:00.000Z",
            "endAt": "2026-01-11T00:30:00.000Z",
            "action": action
        })
    };
    let without_action = |mut payload: Value| {
        payload.as_object_mut().and_then(|payload| payload.remove("action"));
        payload
    };
    vec![
        event(
            "healthcheck-degraded",
            degraded,
            "checkout",
            json!({
                "systemId": "checkout",
                "systemName": "Checkout",
                "previousStatus": "healthy",
                "newStatus": "degraded",
                "healthyChecks": 3,
                "totalChecks": 5,
                "timestamp": "2026-01-02T03:04:05.000Z"
            }),
        ),
        // The name is optional.
        event(
            "healthcheck-unhealthy-unnamed",
            degraded,
            "checkout",
            json!({
                "systemId": "checkout",
                "previousStatus": "degraded",
                "newStatus": "unhealthy",
                "healthyChecks": 0,
                "totalChecks": 5,
                "timestamp": "2026-01-02T03:09:05.000Z"
            }),
        ),
        event(
            "healthcheck-healthy",
            healthy,
            "checkout",
            json!({
                "systemId": "checkout",
                "systemName": "Checkout",
                "previousStatus": "degraded",
                "healthyChecks": 5,
                "totalChecks": 5,
                "timestamp": "2026-01-02T03:34:05.000Z"
            }),
        ),
        event(
            "incident-created",
            created,
            "inc-4711",
            json!({
                "incidentId": "inc-4711",
                "systemIds": ["checkout", "payments"],
                "title": "Payments fail with <timeout> & retries",
                "description": "Since 03:00 every third payment fails.\nThe *provider* sees no requests from `eu-1`.",
                "severity": "critical",
                "status": "investigating",
                "createdAt": "2026-01-02T03:04:05.000Z"
            }),
        ),
        event(
            "incident-updated",
            updated,
            "inc-4711",
            json!({
                "incidentId": "inc-4711",
                "systemIds": ["checkout", "payments"],
                "title": "Payments fail with <timeout> & retries",
                "description": "A firewall rule of last night is the cause.",
                "severity": "major",
                "status": "identified",
                "statusChange": "identified"
            }),
        ),
        event(
            "incident-resolved",
            resolved,
            "inc-4711",
            json!({
                "incidentId": "inc-4711",
                "systemIds": ["checkout", "payments"],
                "title": "Payments fail with <timeout> & retries",
                "severity": "major",
                "resolvedAt": "2026-01-02T04:10:00.000Z"
            }),
        ),
        event("maintenance-created", planned, "mnt-31", without_action(window("", "scheduled"))),
        event("maintenance-updated", replanned, "mnt-31", window("updated", "in_progress")),
        event("maintenance-closed", replanned, "mnt-31", window("closed", "completed")),
        // As the documents show them, with less.
        event(
            "incident-created-brief",
            created,
            "inc-4711",
            json!({
                "incidentId": "inc-4711", "systemIds": ["checkout"], "title": "Checkout is slow", "severity": "minor"
            }),
        ),
        event(
            "incident-updated-brief",
            updated,
            "inc-4711",
            json!({
                "incidentId": "inc-4711", "systemIds": ["checkout"], "statusChange": "monitoring"
            }),
        ),
        event(
            "incident-resolved-brief",
            resolved,
            "inc-4711",
            json!({
                "incidentId": "inc-4711", "systemIds": ["checkout"]
            }),
        ),
        // What the documents' transform makes of an incident.
        event(
            "incident-created-transformed",
            created,
            "inc-4711",
            json!({
                "id": "inc-4711",
                "type": "INCIDENT_CREATED",
                "severity": "CRITICAL",
                "affected_systems": 2,
                "system_ids": ["checkout", "payments"],
                "title": "Checkout is down",
                "timestamp": "2026-01-02T03:04:05.000Z"
            }),
        ),
    ]
}
