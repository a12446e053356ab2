//! Emitting events.

use super::event_types::Hook;
use super::offer::{Offer, Stamp};
use super::parse;
use crate::App;
use crate::access::{Emit, Tenancy};
use crate::answer::Accepted;
use crate::body::Body;
use crate::path::Path;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_core::{EventId, EventTypeId, Json as Text, PluginId};
use postern_delivery::{Emission, Emitted};
use schemars::JsonSchema;
use serde::Serialize;

/// The largest payload: 1 MiB.
const LARGEST_PAYLOAD: usize = 1 << 20;

/// What became of an emission.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Emitted")]
pub(super) struct Receipt {
    /// The event's id. A repetition gets that of the first.
    event: EventId,
    /// How many deliveries it made.
    deliveries: usize,
}

impl From<Emitted> for Receipt {
    fn from(emitted: Emitted) -> Self {
        Self { event: emitted.event, deliveries: emitted.deliveries }
    }
}

/// One receipt, or a list of them for a list.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Receipts {
    Single(Receipt),
    Several(Vec<Receipt>),
}

pub(super) async fn emit_hook(
    access: Emit,
    State(app): State<App>,
    Path(Hook { plugin, hook }): Path<Hook>,
    stamp: Stamp,
    Body(payload): Body<Text>,
) -> Result<Accepted<Json<Receipt>>, Problem> {
    let emission = Emission {
        event_type: EventTypeId::new(&plugin, &hook),
        payload,
        timestamp: None,
        tenant: access.tenant(stamp.tenant)?.unwrap_or_default(),
        key: stamp.key,
    };
    Ok(Accepted(Json(emit_all(&app, &access, vec![emission]).await?.remove(0))))
}

pub(super) async fn emit(access: Emit, State(app): State<App>, offer: Offer) -> Result<Accepted<Json<Receipts>>, Problem> {
    let (emissions, many) = offer.emissions(&access)?;
    let mut receipts = emit_all(&app, &access, emissions).await?;
    Ok(Accepted(Json(if many { Receipts::Several(receipts) } else { Receipts::Single(receipts.remove(0)) })))
}

/// Judges every emission before the first is stored.
async fn emit_all(app: &App, access: &Emit, emissions: Vec<Emission>) -> Result<Vec<Receipt>, Problem> {
    for emission in &emissions {
        let size = emission.payload.as_str().len();
        if size > LARGEST_PAYLOAD {
            let detail = format!("the payload has {size} bytes; at most {LARGEST_PAYLOAD} are allowed");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail));
        }
        let plugin = emission.event_type.as_str().split('.').next().unwrap_or_default();
        access.of(&parse::<PluginId>(plugin)?)?;
    }
    Ok(app.catalog.emit(emissions).await?.into_iter().map(Receipt::from).collect())
}
