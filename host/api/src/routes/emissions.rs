//! Emitting events, and looking at what was emitted.

use super::{deliveries, page, parse};
use crate::App;
use crate::access::{Emit, Read, Tenancy};
use crate::body::{Body, Paging, Params};
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use postern_core::{Delivery, Event, EventTypeId, HookId, Json as Text, PluginId, TenantId, Timestamp};
use postern_delivery::{Emission, Emitted};
use postern_store::EventFilter;
use serde::Deserialize;
use serde_json::{Value, json};

/// The largest payload: 1 MiB.
const LARGEST_PAYLOAD: usize = 1 << 20;

/// The largest number of emissions in one request.
const MOST: usize = 100;

fn answer(emitted: Emitted) -> Value {
    json!({ "event": emitted.event, "deliveries": emitted.deliveries })
}

/// Judges every emission before the first is stored.
async fn emit_all(app: &App, access: &Emit, emissions: Vec<Emission>) -> Result<Vec<Value>, Problem> {
    for emission in &emissions {
        let size = emission.payload.as_str().len();
        if size > LARGEST_PAYLOAD {
            let detail = format!("the payload has {size} bytes; at most {LARGEST_PAYLOAD} are allowed");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail));
        }
        let plugin = emission.event_type.as_str().split('.').next().unwrap_or_default();
        access.of(&parse::<PluginId>(plugin)?)?;
    }
    Ok(app.catalog.emit(emissions).await?.into_iter().map(answer).collect())
}

fn no_idempotency_key(given: bool) -> Result<(), Problem> {
    if given {
        let detail = "idempotency keys are not supported by this version; nothing was emitted";
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "idempotency-unsupported", detail));
    }
    Ok(())
}

pub(super) async fn emit_hook(
    access: Emit,
    State(app): State<App>,
    Path((plugin, hook)): Path<(String, String)>,
    headers: HeaderMap,
    Body(payload): Body<Text>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (plugin, hook) = (parse::<PluginId>(&plugin)?, parse::<HookId>(&hook)?);
    no_idempotency_key(headers.contains_key("idempotency-key"))?;
    let tenant = match headers.get("postern-tenant") {
        None => None,
        Some(value) => Some(parse(value.to_str().unwrap_or_default())?),
    };
    let tenant = access.tenant(tenant)?.unwrap_or_default();
    let emission = Emission { event_type: EventTypeId::new(&plugin, &hook), payload, timestamp: None, tenant };
    Ok((StatusCode::ACCEPTED, Json(emit_all(&app, &access, vec![emission]).await?.remove(0))))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EmissionInput {
    #[serde(rename = "type")]
    event_type: EventTypeId,
    payload: Text,
    #[serde(default)]
    timestamp: Option<Timestamp>,
    #[serde(default)]
    tenant: Option<TenantId>,
    #[serde(default)]
    idempotency_key: Option<String>,
}

pub(super) async fn emit(
    access: Emit,
    State(app): State<App>,
    Body(body): Body<Value>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (inputs, many) = match body {
        Value::Array(inputs) => (inputs, true),
        one => (vec![one], false),
    };
    if inputs.is_empty() || inputs.len() > MOST {
        return Err(Problem::invalid(format!("1 to {MOST} emissions are taken at once")));
    }
    let mut emissions = Vec::with_capacity(inputs.len());
    for input in inputs {
        let input: EmissionInput = crate::body::parse(input.to_string().as_bytes())?;
        no_idempotency_key(input.idempotency_key.is_some())?;
        let tenant = access.tenant(input.tenant)?.unwrap_or_default();
        emissions.push(Emission { event_type: input.event_type, payload: input.payload, timestamp: input.timestamp, tenant });
    }
    let mut answers = emit_all(&app, &access, emissions).await?;
    let answer = if many { Value::Array(answers) } else { answers.remove(0) };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listing {
    event_type: Option<EventTypeId>,
    tenant: Option<TenantId>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: Option<usize>,
    cursor: Option<String>,
}

fn view(event: &Event, deliveries: &[Delivery]) -> Value {
    let mut view = json!(event);
    view["deliveries"] = deliveries.iter().map(deliveries::view).collect();
    view
}

pub(super) async fn list(access: Read, State(app): State<App>, Params(listing): Params<Listing>) -> Result<Json<Value>, Problem> {
    let request = Paging { limit: listing.limit, cursor: listing.cursor }.request()?;
    let filter = EventFilter {
        tenant: access.tenant(listing.tenant)?,
        event_type: listing.event_type,
        since: listing.since,
        until: listing.until,
    };
    let found = app.store.list_events(filter, request).await?;
    Ok(page(found.items.iter().map(|(event, deliveries)| view(event, deliveries)).collect(), found.next))
}

pub(super) async fn show(access: Read, State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let found = app.store.event(parse(&id)?).await?.filter(|(event, _)| access.sees(&event.tenant));
    let (event, deliveries) = found.ok_or_else(|| Problem::not_found("event", id))?;
    Ok(Json(view(&event, &deliveries)))
}
