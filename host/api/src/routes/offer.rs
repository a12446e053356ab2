//! What callers send to emit: headers, Postern's own form, CloudEvents.

use crate::access::{Emit, Tenancy};
use crate::body::{Body, LARGEST, too_large};
use crate::cloud_events::{self, CloudEvent, Mode};
use crate::document;
use crate::problem::Problem;
use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::Operation;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use postern_core::{EventTypeId, Json, TenantId, Timestamp};
use postern_delivery::{Emission, EmissionKey};
use schemars::{JsonSchema, json_schema};
use serde::Deserialize;
use serde_json::Value;

/// The largest number of emissions in one request.
pub(super) const MOST: usize = 100;

/// The headers of an emission.
#[derive(Debug)]
pub(super) struct Stamp {
    /// `Idempotency-Key`.
    pub(super) key: Option<EmissionKey>,
    /// `Postern-Tenant`.
    pub(super) tenant: Option<TenantId>,
}

impl<S: Send + Sync> FromRequestParts<S> for Stamp {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let tenant = match parts.headers.get("postern-tenant") {
            None => None,
            Some(value) => Some(super::parse(value.to_str().unwrap_or_default())?),
        };
        Ok(Self { key: idempotency_key(&parts.headers)?, tenant })
    }
}

impl OperationInput for Stamp {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        document_key(operation);
        let schema = document::request_schema::<TenantId>();
        document::header(operation, "Postern-Tenant", "Whose the event is. Default: the token's tenant, or `default`.", schema);
        document::fails(operation, &[StatusCode::BAD_REQUEST]);
    }
}

fn document_key(operation: &mut Operation) {
    let schema = json_schema!({ "type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": 256 });
    let description = "Makes a repetition known for 24 hours: it gets the first one's answer and emits nothing.";
    document::header(operation, "Idempotency-Key", description, schema);
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<EmissionKey>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "bad-header", "Idempotency-Key is no text"))?;
    Ok(Some(EmissionKey::Idempotency(text.to_owned())))
}

/// An emission in Postern's own form.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "type": "incident.incident.created", "payload": { "title": "Down" } }))]
struct EmissionInput {
    /// The event type.
    #[serde(rename = "type")]
    event_type: EventTypeId,
    /// What happened: any JSON that fits the event type's schema, at most 1 MiB.
    payload: Json,
    /// When it happened. Default: now.
    #[serde(default)]
    timestamp: Option<Timestamp>,
    /// Whose it is. Default: the token's tenant, or `default`.
    #[serde(default)]
    tenant: Option<TenantId>,
    /// As the header `Idempotency-Key`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256))]
    idempotency_key: Option<String>,
}

/// Emissions in one of the forms that are understood, not yet judged.
#[derive(Debug)]
pub(super) struct Offer {
    form: Form,
    key: Option<EmissionKey>,
}

#[derive(Debug)]
enum Form {
    CloudEvents(Vec<CloudEvent>, Mode),
    Own(Value),
}

impl<S: Send + Sync> FromRequest<S> for Offer {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let key = idempotency_key(request.headers())?;
        let form = match cloud_events::mode(request.headers()) {
            None => Form::Own(Body::<Value>::from_request(request, state).await?.0),
            Some(mode) => {
                let headers = request.headers().clone();
                let bytes = Bytes::from_request(request, state).await.map_err(|rejection| too_large(&rejection, LARGEST))?;
                Form::CloudEvents(cloud_events::read(mode, &headers, &bytes)?, mode)
            }
        };
        Ok(Self { form, key })
    }
}

impl OperationInput for Offer {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        document_key(operation);
        let one = document::request_schema::<EmissionInput>();
        let own = json_schema!({
            "anyOf": [one, { "type": "array", "items": one, "minItems": 1, "maxItems": MOST }],
            "examples": [{ "type": "incident.incident.created", "payload": { "title": "Down" } }],
        });
        let event = cloud_events::schema();
        let batch = json_schema!({ "type": "array", "items": event, "minItems": 1, "maxItems": MOST, "examples": [[cloud_events::example()]] });
        document::body(
            operation,
            [
                ("application/json", Some(own)),
                ("application/cloudevents+json", Some(event)),
                ("application/cloudevents-batch+json", Some(batch)),
            ],
        );
        let statuses = [
            StatusCode::BAD_REQUEST,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            StatusCode::UNPROCESSABLE_ENTITY,
        ];
        document::fails(operation, &statuses);
    }
}

impl Offer {
    /// The emissions, and whether they came as a list.
    ///
    /// # Errors
    /// One is not of the form, or for another tenant than the token's; or there are none, or too many.
    pub(super) fn emissions(self, access: &Emit) -> Result<(Vec<Emission>, bool), Problem> {
        let (emissions, many) = match self.form {
            Form::Own(body) => own(access, self.key.as_ref(), body)?,
            Form::CloudEvents(events, mode) => {
                let emissions = events.into_iter().map(|event| from_cloud_event(access, event));
                (emissions.collect::<Result<Vec<_>, _>>()?, mode == Mode::Batched)
            }
        };
        if emissions.is_empty() || emissions.len() > MOST {
            return Err(Problem::invalid(format!("1 to {MOST} emissions are taken at once")));
        }
        Ok((emissions, many))
    }
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
fn own(access: &Emit, header: Option<&EmissionKey>, body: Value) -> Result<(Vec<Emission>, bool), Problem> {
    let (inputs, many) = match body {
        Value::Array(inputs) => (inputs, true),
        one => (vec![one], false),
    };
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
            key: input.idempotency_key.map(EmissionKey::Idempotency).or_else(|| header.cloned()),
        })
    };
    Ok((inputs.into_iter().enumerate().map(emission).collect::<Result<_, Problem>>()?, many))
}
