//! Events, steps and documents as records.
//!
//! Headers are MessagePack with field names, so that a later version can add fields.

use crate::idempotency::Remembered;
use crate::record::{Damage, Record, RecordTooLarge, Whole};
use crate::{AuditEntry, Document, Error, Kind, NewEvent};
use postern_core::delivery::{Attempt, Route, Run, State, Step};
use postern_core::{Event, EventId, EventTypeId, Json, SubscriptionId, TenantId, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// An event without its payload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EventHeader {
    pub(crate) event_type: EventTypeId,
    pub(crate) tenant: TenantId,
    pub(crate) timestamp: Timestamp,
    pub(crate) routes: Vec<Route>,
}

/// What the queue needs of an event's header.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Destinations {
    pub(crate) routes: Vec<Destination>,
}

/// What the queue needs of a route.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Destination {
    pub(crate) subscription: SubscriptionId,
    #[serde(default)]
    pub(crate) entity: Option<String>,
}

/// A step without its attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StepHeader {
    pub(crate) state: State,
    pub(crate) attempts: u32,
    pub(crate) at: Timestamp,
    #[serde(default, skip_serializing_if = "is_first")]
    pub(crate) run: Run,
}

/// Most steps belong to a first run that has used up nothing, and say nothing of it.
fn is_first(run: &Run) -> bool {
    *run == Run::default()
}

/// A document without its body.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DocumentHeader {
    pub(crate) id: String,
    pub(crate) revision: u64,
}

/// An audit record without its detail.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct AuditHeader {
    at: Timestamp,
    actor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    object: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
}

/// Reads a header.
pub(crate) fn header<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, Damage> {
    rmp_serde::from_slice(bytes).map_err(|error| Damage::content(what, error))
}

/// Any value as MessagePack with field names.
pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    rmp_serde::to_vec_named(value).map_err(|error| Error::Failed(format!("a record cannot be written: {error}")))
}

fn text<'a>(what: &str, bytes: &'a [u8]) -> Result<&'a str, Damage> {
    std::str::from_utf8(bytes).map_err(|error| Damage::content(what, error))
}

/// An event with its routes.
pub(crate) fn event_record(new: &NewEvent) -> Result<Record, Error> {
    let Event { event_type, tenant, timestamp, payload, .. } = &*new.event;
    let header =
        EventHeader { event_type: event_type.clone(), tenant: tenant.clone(), timestamp: *timestamp, routes: new.routes.clone() };
    Ok(Record::new(&encode(&header)?, payload.as_str().as_bytes())?)
}

/// The event and its routes in a record.
pub(crate) fn event(id: EventId, whole: &Whole) -> Result<(Event, Vec<Route>), Damage> {
    let EventHeader { event_type, tenant, timestamp, routes } = header("an event", whole.header())?;
    let payload = Json::parse(text("a payload", whole.bulk())?).map_err(|error| Damage::content("a payload", error))?;
    Ok((Event { id, event_type, tenant, timestamp, payload }, routes))
}

/// A step with its attempt.
pub(crate) fn step_record(step: &Step) -> Result<Record, Error> {
    let header = StepHeader { state: step.state.clone(), attempts: step.attempts, at: step.at, run: step.run };
    let bulk = step.attempt.as_ref().map(encode).transpose()?.unwrap_or_default();
    Ok(Record::new(&encode(&header)?, &bulk)?)
}

/// The step in a record.
pub(crate) fn step(whole: &Whole) -> Result<Step, Damage> {
    let StepHeader { state, attempts, at, run } = header("a step", whole.header())?;
    let attempt: Option<Attempt> = match whole.bulk() {
        [] => None,
        bulk => Some(header("an attempt", bulk)?),
    };
    Ok(Step { state, attempts, at, attempt: attempt.map(Arc::new), run })
}

/// A document.
pub(crate) fn document_record(id: &str, revision: u64, body: &str) -> Result<Record, Error> {
    let header = DocumentHeader { id: id.to_owned(), revision };
    Record::new(&encode(&header)?, body.as_bytes()).map_err(|error: RecordTooLarge| error.into())
}

/// The document in a record.
pub(crate) fn document(whole: &Whole) -> Result<Document, Damage> {
    let DocumentHeader { id, revision } = header("a document", whole.header())?;
    Ok(Document { id, revision, body: text("a document", whole.bulk())?.to_owned() })
}

/// An audit record.
pub(crate) fn audit_record(entry: &AuditEntry) -> Result<Record, Error> {
    let AuditEntry { at, actor, token, address, action, kind, object, tenant, detail } = entry.clone();
    let header = encode(&AuditHeader { at, actor, token, address, action, kind, object, tenant })?;
    Ok(Record::new(&header, detail.as_ref().map_or("", Json::as_str).as_bytes())?)
}

/// The audit entry in a record.
pub(crate) fn audit(whole: &Whole) -> Result<AuditEntry, Damage> {
    let AuditHeader { at, actor, token, address, action, kind, object, tenant } = header("an audit record", whole.header())?;
    let detail = match text("an audit record's detail", whole.bulk())? {
        "" => None,
        text => Some(Json::parse(text).map_err(|error| Damage::content("an audit record's detail", error))?),
    };
    Ok(AuditEntry { at, actor, token, address, action, kind, object, tenant, detail })
}

/// What is remembered of an idempotent emission: 28 bytes, since there is one for each.
pub(crate) fn remembered_bytes(remembered: &Remembered) -> [u8; 28] {
    let mut bytes = [0; 28];
    bytes[..16].copy_from_slice(&remembered.event.to_bytes());
    bytes[16..24].copy_from_slice(&remembered.until.as_millis().to_be_bytes());
    bytes[24..].copy_from_slice(&remembered.deliveries.to_be_bytes());
    bytes
}

/// Reads [`remembered_bytes`].
pub(crate) fn remembered(bytes: &[u8]) -> Result<Remembered, Damage> {
    let parts = bytes.split_first_chunk::<16>().and_then(|(event, rest)| {
        let (until, rest) = rest.split_first_chunk::<8>()?;
        Some((event, until, <&[u8; 4]>::try_from(rest).ok()?))
    });
    let (event, until, deliveries) = parts.ok_or_else(|| Damage::content("an idempotency key", "it has a wrong length"))?;
    Ok(Remembered {
        event: EventId::from_bytes(*event),
        until: Timestamp::from_millis(i64::from_be_bytes(*until)),
        deliveries: u32::from_be_bytes(*deliveries),
    })
}
