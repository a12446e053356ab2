//! Failed deliveries: what they have in common, and trying them again.

use super::deliveries::{Detail, find, whole};
use crate::App;
use crate::access::{Admin, Read, Tenancy};
use crate::answer::{Accepted, Page};
use crate::body::{Body, Paging, Params};
use crate::path::{Id, Path};
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use postern_core::delivery::{Class, Reason};
use postern_core::{DeliveryId, EventTypeId, ProviderId, SubscriptionId, TenantId, Timestamp};
use postern_delivery::replay::{Replay, ReplayInput};
use postern_store::{FailureFilter, FailureGroup};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Choice {
    /// Those of this tenant.
    tenant: Option<TenantId>,
    /// Those of this subscription.
    subscription: Option<SubscriptionId>,
    /// Those of this provider.
    provider: Option<ProviderId>,
    /// Those of events of this type.
    event_type: Option<EventTypeId>,
    /// Those about the thing with this key.
    entity: Option<String>,
    /// Those that failed for this reason. Default: any but `cancelled`.
    reason: Option<Class>,
    /// Those whose last answer had this HTTP status.
    http_status: Option<u16>,
    /// Those whose event was accepted at this time or later.
    since: Option<Timestamp>,
    /// Those whose event was accepted before this time.
    until: Option<Timestamp>,
}

/// Failed deliveries that have their cause in common.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    tenant: TenantId,
    /// Where they were to go.
    subscription: SubscriptionId,
    /// What people call it; none if it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_name: Option<String>,
    /// Who was to deliver them.
    provider: ProviderId,
    /// Why they failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// How many they are.
    count: usize,
    /// When the first of them failed.
    first: Timestamp,
    /// When the last of them failed.
    last: Timestamp,
    /// The one that failed last.
    latest: DeliveryId,
}

/// The failed deliveries by what they have in common, most first.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inbox {
    items: Vec<Group>,
    /// Whether there are more than are counted, so that older ones are not.
    cut: bool,
}

pub(super) async fn failures(
    access: Read,
    State(app): State<App>,
    Params(choice): Params<Choice>,
) -> Result<Json<Inbox>, Problem> {
    let filter = FailureFilter {
        tenant: access.tenant(choice.tenant)?,
        subscription: choice.subscription,
        provider: choice.provider,
        event_type: choice.event_type,
        entity: choice.entity,
        class: choice.reason,
        without: if choice.reason.is_none() { Some(Class::Cancelled) } else { None },
        http_status: choice.http_status,
        since: choice.since,
        until: choice.until,
    };
    let found = app.store.failures(filter).await?;
    let view = |group: FailureGroup| {
        let FailureGroup { tenant, subscription, provider, reason, count, first, last, latest } = group;
        let subscription_name = app.catalog.subscription(subscription).ok().map(|known| known.subscription.name.clone());
        Group { tenant, subscription, subscription_name, provider, reason, count, first, last, latest }
    };
    Ok(Json(Inbox { items: found.groups.into_iter().map(view).collect(), cut: found.cut }))
}

/// Tries one again, as a new run.
pub(super) async fn retry(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<DeliveryId>>,
) -> Result<Accepted<Json<Detail>>, Problem> {
    let (delivery, _) = find(&access, &app, id).await?;
    app.catalog.retry_delivery(&delivery).await?;
    app.schedule.probe(Some(delivery.route.subscription));
    Ok(Accepted(whole(&app, id).await?))
}

/// Gives one up that waits.
pub(super) async fn cancel(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<DeliveryId>>,
) -> Result<Json<Detail>, Problem> {
    let (delivery, _) = find(&access, &app, id).await?;
    app.catalog.cancel_delivery(&delivery).await?;
    whole(&app, id).await
}

/// Orders a replay.
pub(super) async fn replay(
    access: Admin,
    State(app): State<App>,
    Body(mut order): Body<ReplayInput>,
) -> Result<Accepted<Json<Replay>>, Problem> {
    order.tenant = access.tenant(order.tenant)?;
    let subscription = order.subscription;
    let replay = app.catalog.replay(order).await?;
    app.schedule.probe(subscription);
    Ok(Accepted(Json(replay)))
}

pub(super) async fn replays(
    access: Read,
    State(app): State<App>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<Replay>>, Problem> {
    let limit = paging.limit()?;
    let after = |replay: &Replay| paging.cursor.as_ref().is_none_or(|cursor| replay.id < *cursor);
    let mut found: Vec<_> =
        app.catalog.replays().into_iter().filter(|replay| sees(&access, replay) && after(replay)).take(limit + 1).collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.id.clone());
    Ok(Page::of(found, next, |replay| replay))
}

pub(super) async fn show_replay(
    access: Read,
    State(app): State<App>,
    Path(Id { id }): Path<Id<String>>,
) -> Result<Json<Replay>, Problem> {
    Ok(Json(find_replay(&access, &app, &id)?))
}

/// Stops a replay; what it began goes on.
pub(super) async fn stop_replay(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<String>>,
) -> Result<Json<Replay>, Problem> {
    find_replay(&access, &app, &id)?;
    Ok(Json(app.catalog.stop_replay(&id).await?))
}

fn find_replay(access: &impl Tenancy, app: &App, id: &str) -> Result<Replay, Problem> {
    let found = app.catalog.replay_of(id)?;
    if sees(access, &found) { Ok(found) } else { Err(Problem::not_found("replay", id)) }
}

/// One over all tenants belongs to none.
fn sees(access: &impl Tenancy, replay: &Replay) -> bool {
    match &replay.order.tenant {
        Some(tenant) => access.sees(tenant),
        None => access.everything().is_ok(),
    }
}
