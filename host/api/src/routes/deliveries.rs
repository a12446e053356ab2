//! Deliveries, their attempts and their exchanges.

use crate::App;
use crate::access::{Read, Tenancy};
use crate::answer::Page;
use crate::body::{Paging, Params};
use crate::path::{Id, Path};
use crate::problem::Problem;
use axum::Json;
use axum::extract::State as Shared;
use postern_core::delivery::{State, Status, Step};
use postern_core::{Attempt, Delivery, DeliveryId, EventId, EventTypeId, ProviderId, SubscriptionId, TenantId, Timestamp};
use postern_store::DeliveryFilter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Listing {
    /// Those of this tenant.
    tenant: Option<TenantId>,
    /// Those of this subscription.
    subscription: Option<SubscriptionId>,
    /// Those that are so far.
    status: Option<Status>,
    /// Those of events of this type.
    event_type: Option<EventTypeId>,
    /// Those that this provider makes.
    provider: Option<ProviderId>,
    /// Those of this event.
    event: Option<EventId>,
    /// Those about the thing with this key.
    entity: Option<String>,
    /// Those whose event was accepted at this time or later.
    since: Option<Timestamp>,
    /// Those whose event was accepted before this time.
    until: Option<Timestamp>,
    /// At most so many, 1 to 500. Default: 50.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// The `nextCursor` of the part before.
    cursor: Option<String>,
}

/// A delivery: one event for one subscription.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
pub(super) struct View {
    #[serde(flatten)]
    delivery: Delivery,
    /// The event.
    event: EventId,
}

/// A delivery with its history.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DeliveryDetail")]
pub(super) struct Detail {
    #[serde(flatten)]
    view: View,
    /// What it waits for, if its next attempt is due and something keeps it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
    /// Each change of its state, oldest first.
    history: Vec<Step>,
}

/// A delivery as callers see it.
pub(super) fn view(delivery: Delivery) -> View {
    View { event: delivery.id.event, delivery }
}

pub(super) async fn list(
    access: Read,
    Shared(app): Shared<App>,
    Params(listing): Params<Listing>,
) -> Result<Json<Page<View>>, Problem> {
    let request = Paging { limit: listing.limit, cursor: listing.cursor }.request()?;
    let filter = DeliveryFilter {
        tenant: access.tenant(listing.tenant)?,
        subscription: listing.subscription,
        provider: listing.provider,
        event: listing.event,
        event_type: listing.event_type,
        status: listing.status,
        entity: listing.entity,
        since: listing.since,
        until: listing.until,
    };
    let found = app.store.list_deliveries(filter, request).await?;
    Ok(Page::of(found.items, found.next, view))
}

pub(super) async fn show(
    access: Read,
    Shared(app): Shared<App>,
    Path(Id { id }): Path<Id<DeliveryId>>,
) -> Result<Json<Detail>, Problem> {
    let (delivery, history) = find(&access, &app, id).await?;
    Ok(Json(detail(&app, delivery, history)))
}

/// A delivery with its history.
pub(super) async fn whole(app: &App, id: DeliveryId) -> Result<Json<Detail>, Problem> {
    let (delivery, history) = app.store.delivery(id).await?.ok_or_else(|| Problem::not_found("delivery", id))?;
    Ok(Json(detail(app, delivery, history)))
}

fn detail(app: &App, delivery: Delivery, history: Vec<Step>) -> Detail {
    let route = &delivery.route;
    let waits_for = match (&delivery.state, &route.entity) {
        (state, _) if state.is_final() => None,
        (_, Some(entity)) => app
            .store
            .waits_for(route.subscription, entity, delivery.id)
            .map(|other| format!("the delivery {other} about the same entity comes before it")),
        _ => None,
    };
    let is_due = match &delivery.state {
        State::Pending => true,
        State::Retrying { next_attempt_at, .. } => *next_attempt_at <= Timestamp::now(),
        State::Success { .. } | State::Failed { .. } => false,
    };
    let waits_for = waits_for.or_else(|| if is_due { app.schedule.waits_for(route.subscription) } else { None });
    Detail { view: view(delivery), waits_for, history }
}

/// Which attempt.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Place {
    /// The delivery.
    id: DeliveryId,
    /// From 1.
    #[schemars(range(min = 1, max = u32::MAX))]
    number: u32,
}

pub(super) async fn attempt(
    access: Read,
    Shared(app): Shared<App>,
    Path(Place { id, number }): Path<Place>,
) -> Result<Json<Arc<Attempt>>, Problem> {
    let (_, steps) = find(&access, &app, id).await?;
    let attempt = steps.into_iter().filter_map(|step| step.attempt).find(|attempt| attempt.number == number);
    attempt.map(Json).ok_or_else(|| Problem::not_found("attempt", format!("{id}/{number}")))
}

pub(super) async fn find(access: &impl Tenancy, app: &App, id: DeliveryId) -> Result<(Delivery, Vec<Step>), Problem> {
    let found = app.store.delivery(id).await?.filter(|(delivery, _)| access.sees(&delivery.tenant));
    found.ok_or_else(|| Problem::not_found("delivery", id))
}
