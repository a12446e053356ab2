//! Deliveries, their attempts and their exchanges.

use super::{page, parse};
use crate::App;
use crate::access::{Read, Tenancy};
use crate::body::{Paging, Params};
use crate::path::Path;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use postern_core::delivery::{Status, Step};
use postern_core::{Delivery, DeliveryId, EventId, EventTypeId, ProviderId, SubscriptionId, TenantId, Timestamp};
use postern_store::DeliveryFilter;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Listing {
    tenant: Option<TenantId>,
    subscription: Option<SubscriptionId>,
    status: Option<Status>,
    event_type: Option<EventTypeId>,
    provider: Option<ProviderId>,
    event: Option<EventId>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A delivery as callers see it.
pub(super) fn view(delivery: &Delivery) -> Value {
    let mut view = json!(delivery);
    view["event"] = json!(delivery.id.event);
    view
}

pub(super) async fn list(access: Read, State(app): State<App>, Params(listing): Params<Listing>) -> Result<Json<Value>, Problem> {
    let request = Paging { limit: listing.limit, cursor: listing.cursor }.request()?;
    let filter = DeliveryFilter {
        tenant: access.tenant(listing.tenant)?,
        subscription: listing.subscription,
        provider: listing.provider,
        event: listing.event,
        event_type: listing.event_type,
        status: listing.status,
        since: listing.since,
        until: listing.until,
    };
    let found = app.store.list_deliveries(filter, request).await?;
    Ok(page(found.items.iter().map(view).collect(), found.next))
}

pub(super) async fn show(access: Read, State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let (delivery, steps) = find(&access, &app, &id).await?;
    Ok(with_history(&delivery, &steps))
}

/// A delivery with its history.
pub(super) async fn whole(app: &App, id: DeliveryId) -> Result<Json<Value>, Problem> {
    let (delivery, steps) = app.store.delivery(id).await?.ok_or_else(|| Problem::not_found("delivery", id))?;
    Ok(with_history(&delivery, &steps))
}

fn with_history(delivery: &Delivery, steps: &[Step]) -> Json<Value> {
    let mut view = view(delivery);
    view["history"] = json!(steps);
    Json(view)
}

pub(super) async fn attempt(
    access: Read,
    State(app): State<App>,
    Path((id, number)): Path<(String, u32)>,
) -> Result<Json<Value>, Problem> {
    let (_, steps) = find(&access, &app, &id).await?;
    let attempt = steps.into_iter().filter_map(|step| step.attempt).find(|attempt| attempt.number == number);
    attempt.map(|attempt| Json(json!(attempt))).ok_or_else(|| Problem::not_found("attempt", format!("{id}/{number}")))
}

async fn find(access: &Read, app: &App, id: &str) -> Result<(Delivery, Vec<Step>), Problem> {
    let parsed: DeliveryId = parse(id)?;
    let found = app.store.delivery(parsed).await?.filter(|(delivery, _)| access.sees(&delivery.tenant));
    found.ok_or_else(|| Problem::not_found("delivery", id))
}
