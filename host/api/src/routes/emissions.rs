//! Emitting events, and looking at what was emitted.

use super::{deliveries, page, parse};
use crate::App;
use crate::access::{Emit, Read, Tenancy};
use crate::body::{Body, LARGEST, Paging, Params, too_large};
use crate::cloud_events::{self, CloudEvent, Mode};
use crate::path::Path;
use crate::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode};
use postern_core::{Delivery, Event, EventTypeId, HookId, Json as Text, PluginId, TenantId, Timestamp};
use postern_delivery::{Emission, EmissionKey, Emitted};
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

/// The `Idempotency-Key` of a request.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<EmissionKey>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "bad-header", "Idempotency-Key is no text"))?;
    Ok(Some(EmissionKey::Idempotency(text.to_owned())))
}

pub(super) async fn emit_hook(
    access: Emit,
    State(app): State<App>,
    Path((plugin, hook)): Path<(String, String)>,
    headers: HeaderMap,
    Body(payload): Body<Text>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (plugin, hook) = (parse::<PluginId>(&plugin)?, parse::<HookId>(&hook)?);
    let tenant = match headers.get("postern-tenant") {
        None => None,
        Some(value) => Some(parse(value.to_str().unwrap_or_default())?),
    };
    let tenant = access.tenant(tenant)?.unwrap_or_default();
    let emission = Emission {
        event_type: EventTypeId::new(&plugin, &hook),
        payload,
        timestamp: None,
        tenant,
        key: idempotency_key(&headers)?,
    };
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
    headers: HeaderMap,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (emissions, many) = match cloud_events::mode(&headers) {
        Some(mode) => {
            let bytes = Bytes::from_request(request, &()).await.map_err(|rejection| too_large(&rejection, LARGEST))?;
            let events = cloud_events::read(mode, &headers, &bytes)?;
            (
                events.into_iter().map(|event| from_cloud_event(&access, event)).collect::<Result<Vec<_>, _>>()?,
                mode == Mode::Batched,
            )
        }
        None => {
            let Body(body) = Body::<Value>::from_request(request, &()).await?;
            own_form(&access, &headers, body)?
        }
    };
    if emissions.is_empty() || emissions.len() > MOST {
        return Err(Problem::invalid(format!("1 to {MOST} emissions are taken at once")));
    }
    let mut answers = emit_all(&app, &access, emissions).await?;
    let answer = if many { Value::Array(answers) } else { answers.remove(0) };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

fn from_cloud_event(access: &Emit, event: CloudEvent) -> Result<Emission, Problem> {
    let (source, id) = event.identity;
    Ok(Emission {
        event_type: event.event_type,
        payload: event.payload,
        timestamp: event.timestamp,
        tenant: access.tenant(event.tenant)?.unwrap_or_default(),
        key: Some(EmissionKey::CloudEvent { source, id }),
    })
}

/// Postern's own form: one emission, or a list of them.
fn own_form(access: &Emit, headers: &HeaderMap, body: Value) -> Result<(Vec<Emission>, bool), Problem> {
    let (inputs, many) = match body {
        Value::Array(inputs) => (inputs, true),
        one => (vec![one], false),
    };
    let header = idempotency_key(headers)?;
    if many && header.is_some() {
        return Err(Problem::invalid("an Idempotency-Key header is for one emission; give each of several its `idempotencyKey`"));
    }
    let emission = |(index, input): (usize, Value)| {
        let input: EmissionInput = postern_events::read_form(input).map_err(|(mut violation, _)| {
            if many {
                violation.path = format!("/{index}{}", violation.path);
            }
            Problem::invalid("the body does not have the form that is needed; nothing was emitted").at(vec![violation])
        })?;
        Ok(Emission {
            event_type: input.event_type,
            payload: input.payload,
            timestamp: input.timestamp,
            tenant: access.tenant(input.tenant)?.unwrap_or_default(),
            key: input.idempotency_key.map(EmissionKey::Idempotency).or_else(|| header.clone()),
        })
    };
    Ok((inputs.into_iter().enumerate().map(emission).collect::<Result<_, Problem>>()?, many))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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
