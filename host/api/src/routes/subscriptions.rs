//! Subscriptions.

use super::{deliveries, page, parse};
use crate::App;
use crate::access::{Admin, Read, Tenancy};
use crate::body::{Body, Paging, Params};
use crate::etag::{IfMatch, Tagged};
use crate::path::Path;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_core::{SubscriptionId, TenantId};
use postern_delivery::TestEvent;
use postern_delivery::catalog::{Prepared, SubscriptionInput};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

fn view(prepared: &Prepared) -> Value {
    let mut view = json!(prepared.subscription);
    if let Some(problem) = &prepared.problem {
        view["problem"] = json!(problem);
    }
    view
}

fn tagged(prepared: &Prepared) -> Tagged {
    Tagged(prepared.revision, view(prepared))
}

pub(super) async fn create(
    access: Admin,
    State(app): State<App>,
    Body(mut input): Body<SubscriptionInput>,
) -> Result<(StatusCode, Tagged), Problem> {
    input.tenant = access.tenant(input.tenant)?;
    Ok((StatusCode::CREATED, tagged(&*app.catalog.create_subscription(input).await?)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    tenant: Option<TenantId>,
    limit: Option<usize>,
    cursor: Option<String>,
}

pub(super) async fn list(access: Read, State(app): State<App>, Params(listing): Params<Listing>) -> Result<Json<Value>, Problem> {
    let limit = Paging { limit: listing.limit, cursor: None }.limit()?;
    let tenant = access.tenant(listing.tenant)?;
    let after = listing.cursor.as_deref().map(parse::<SubscriptionId>).transpose()?;
    let mut found = app.catalog.subscriptions(after, limit + 1, tenant.as_ref());
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.subscription.id.to_string());
    Ok(page(found.iter().map(|prepared| view(prepared)).collect(), next))
}

pub(super) async fn show(access: Read, State(app): State<App>, Path(id): Path<String>) -> Result<Tagged, Problem> {
    Ok(tagged(&*find(&access, &app, &id)?))
}

pub(super) async fn update(
    access: Admin,
    State(app): State<App>,
    Path(id): Path<String>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<Value>,
) -> Result<Tagged, Problem> {
    if !patch.is_object() {
        return Err(Problem::invalid("a change is a JSON object with the fields to change"));
    }
    let id = find(&access, &app, &id)?.subscription.id;
    Ok(tagged(&*app.catalog.update_subscription(id, patch, expected).await?))
}

pub(super) async fn remove(
    access: Admin,
    State(app): State<App>,
    Path(id): Path<String>,
    IfMatch(expected): IfMatch,
) -> Result<StatusCode, Problem> {
    let id = find(&access, &app, &id)?.subscription.id;
    app.catalog.delete_subscription(id, expected).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a test event and answers with what came of it.
pub(super) async fn send_test(
    access: Admin,
    State(app): State<App>,
    Path(id): Path<String>,
    Body(test): Body<TestEvent>,
) -> Result<Json<Value>, Problem> {
    let id = find(&access, &app, &id)?.subscription.id;
    let delivery = app.catalog.send_test(id, test).await?;
    deliveries::whole(&app, delivery).await
}

/// The settings as they would be rendered; nothing is sent.
pub(super) async fn preview(
    access: Read,
    State(app): State<App>,
    Path(id): Path<String>,
    Body(test): Body<TestEvent>,
) -> Result<Json<Value>, Problem> {
    let id = find(&access, &app, &id)?.subscription.id;
    Ok(Json(json!({ "providerConfig": app.catalog.preview(id, test)? })))
}

/// One of another tenant is not there.
fn find(access: &impl Tenancy, app: &App, id: &str) -> Result<Arc<Prepared>, Problem> {
    let found = app.catalog.subscription(parse(id)?)?;
    if access.sees(&found.subscription.tenant) { Ok(found) } else { Err(Problem::not_found("subscription", id)) }
}
