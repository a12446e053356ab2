//! Subscriptions.

use super::deliveries::{self, Detail};
use crate::App;
use crate::access::{Admin, Read, Tenancy};
use crate::answer::{Created, Page};
use crate::body::{Body, Paging, Params, Patch, cursor};
use crate::etag::{IfMatch, Tagged};
use crate::path::{Id, Path};
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::response::NoContent;
use postern_core::{EventTypeId, ProviderId, Subscription, SubscriptionId, TenantId};
use postern_delivery::TestEvent;
use postern_delivery::catalog::{Prepared, SubscriptionFilter, SubscriptionInput};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// A subscription; `[secret]` stands in the places of secrets.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Subscription")]
pub(super) struct View {
    #[serde(flatten)]
    subscription: Subscription,
    /// Why it cannot deliver, or why its deliveries wait for its provider, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

fn view(app: &App, prepared: &Prepared) -> View {
    let problem = app.catalog.waits(&prepared.subscription).or_else(|| prepared.problem.clone());
    View { subscription: prepared.subscription.clone(), problem }
}

fn tagged(app: &App, prepared: &Prepared) -> Tagged<View> {
    Tagged(prepared.revision, view(app, prepared))
}

pub(super) async fn create(
    access: Admin,
    State(app): State<App>,
    Body(mut input): Body<SubscriptionInput>,
) -> Result<Created<Tagged<View>>, Problem> {
    input.tenant = access.tenant(input.tenant)?;
    Ok(Created(tagged(&app, &*app.catalog.create_subscription(input).await?)))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    /// Those of this tenant.
    tenant: Option<TenantId>,
    /// Those of this provider.
    provider: Option<ProviderId>,
    /// Those that are enabled, or not.
    enabled: Option<bool>,
    /// Those that name this event type, or a prefix of it.
    event: Option<EventTypeId>,
    /// At most so many, 1 to 500. Default: 50.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// The `nextCursor` of the part before.
    cursor: Option<String>,
}

pub(super) async fn list(
    access: Read,
    State(app): State<App>,
    Params(listing): Params<Listing>,
) -> Result<Json<Page<View>>, Problem> {
    let limit = Paging { limit: listing.limit, cursor: None }.limit()?;
    let filter = SubscriptionFilter {
        tenant: access.tenant(listing.tenant)?,
        provider: listing.provider,
        enabled: listing.enabled,
        event_type: listing.event,
    };
    let after = cursor(listing.cursor.as_deref())?;
    let mut found = app.catalog.subscriptions(after, limit + 1, &filter);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.subscription.id.to_string());
    Ok(Page::of(found, next, |prepared| view(&app, &prepared)))
}

pub(super) async fn show(
    access: Read,
    State(app): State<App>,
    Path(Id { id }): Path<Id<SubscriptionId>>,
) -> Result<Tagged<View>, Problem> {
    Ok(tagged(&app, &*find(&access, &app, id)?))
}

pub(super) async fn update(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<SubscriptionId>>,
    IfMatch(expected): IfMatch,
    patch: Patch<SubscriptionInput>,
) -> Result<Tagged<View>, Problem> {
    find(&access, &app, id)?;
    Ok(tagged(&app, &*app.catalog.update_subscription(id, patch.change, expected).await?))
}

pub(super) async fn remove(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<SubscriptionId>>,
    IfMatch(expected): IfMatch,
) -> Result<NoContent, Problem> {
    find(&access, &app, id)?;
    app.catalog.delete_subscription(id, expected).await?;
    Ok(NoContent)
}

/// Sends a test event and answers with what came of it.
pub(super) async fn send_test(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<SubscriptionId>>,
    Body(test): Body<TestEvent>,
) -> Result<Json<Detail>, Problem> {
    find(&access, &app, id)?;
    app.schedule.probe(Some(id));
    let delivery = app.catalog.send_test(id, test).await?;
    deliveries::whole(&app, delivery).await
}

/// A subscription's settings as they would be rendered for an event.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Preview {
    /// Secrets stay masked.
    provider_config: Value,
}

/// The settings as they would be rendered; nothing is sent.
pub(super) async fn preview(
    access: Read,
    State(app): State<App>,
    Path(Id { id }): Path<Id<SubscriptionId>>,
    Body(test): Body<TestEvent>,
) -> Result<Json<Preview>, Problem> {
    find(&access, &app, id)?;
    Ok(Json(Preview { provider_config: app.catalog.preview(id, test)? }))
}

/// One of another tenant is not there.
fn find(access: &impl Tenancy, app: &App, id: SubscriptionId) -> Result<Arc<Prepared>, Problem> {
    let found = app.catalog.subscription(id)?;
    if access.sees(&found.subscription.tenant) { Ok(found) } else { Err(Problem::not_found("subscription", id)) }
}
