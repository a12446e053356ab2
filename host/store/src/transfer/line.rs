//! The lines of an export.

use super::Transferred;
use crate::{Document, Kind};
use postern_core::delivery::{Route, Step};
use postern_core::{DeliveryId, Event, EventId, EventTypeId, SubscriptionId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One line: an object with one member, whose name says what it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Line {
    /// The first one.
    PosternExport {
        format: u32,
    },
    Vault(VaultLine),
    Document(DocumentLine),
    Component(ComponentLine),
    IdempotencyKey(IdempotencyLine),
    Audit(AuditLine),
    Event(EventLine),
    Step(StepLine),
    Hold(HoldLine),
    ExternalId(ExternalLine),
    /// The last one.
    End(Transferred),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VaultLine {
    /// The file as it is.
    pub(crate) content: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ComponentLine {
    /// SHA-256 of the component, in hex.
    pub(crate) digest: String,
    /// The component in base64.
    pub(crate) content: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DocumentLine {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) revision: u64,
    pub(crate) body: String,
}

impl DocumentLine {
    pub(crate) fn new(kind: Kind, document: Document) -> Self {
        let Document { id, revision, body } = document;
        Self { kind, id, revision, body }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IdempotencyLine {
    /// The hash in hex.
    pub(crate) key: String,
    pub(crate) event: EventId,
    pub(crate) deliveries: u32,
    pub(crate) until: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditLine {
    pub(crate) at: Timestamp,
    /// Its place among those of the same time, written as ids are.
    pub(crate) order: EventId,
    pub(crate) actor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
    pub(crate) action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<Kind>,
    pub(crate) object: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<TenantId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventLine {
    pub(crate) id: EventId,
    pub(crate) event_type: EventTypeId,
    pub(crate) tenant: TenantId,
    pub(crate) timestamp: Timestamp,
    pub(crate) routes: Vec<Route>,
    pub(crate) payload: String,
}

impl EventLine {
    pub(crate) fn new(event: Event, routes: Vec<Route>) -> Self {
        let Event { id, event_type, tenant, timestamp, payload } = event;
        Self { id, event_type, tenant, timestamp, routes, payload: payload.as_str().to_owned() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepLine {
    pub(crate) delivery: DeliveryId,
    pub(crate) sequence: u16,
    pub(crate) step: Step,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HoldLine {
    pub(crate) subscription: SubscriptionId,
    /// The beginning of the entity's hash in hex.
    pub(crate) entity: String,
    /// The delivery that holds it.
    pub(crate) delivery: DeliveryId,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExternalLine {
    pub(crate) subscription: SubscriptionId,
    /// The entity's hash in hex.
    pub(crate) entity: String,
    pub(crate) id: String,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
}
