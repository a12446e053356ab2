//! Connections.

use super::providers::tested;
use super::{page, parse};
use crate::App;
use crate::access::{Admin, Read, Tenancy};
use crate::body::{Body, Paging, Params};
use crate::etag::{IfMatch, Tagged};
use crate::path::Path;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_core::{ConnectionId, ProviderId, TenantId};
use postern_delivery::Trial;
use postern_delivery::catalog::{ConnectionInput, PreparedConnection};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn create(
    access: Admin,
    State(app): State<App>,
    Body(mut input): Body<ConnectionInput>,
) -> Result<(StatusCode, Tagged), Problem> {
    input.tenant = access.tenant(input.tenant)?;
    Ok((StatusCode::CREATED, tagged(&*app.catalog.create_connection(input).await?)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    provider: Option<ProviderId>,
    tenant: Option<TenantId>,
    limit: Option<usize>,
    cursor: Option<String>,
}

fn tagged(prepared: &PreparedConnection) -> Tagged {
    Tagged(prepared.revision, view(prepared))
}

fn view(prepared: &PreparedConnection) -> Value {
    let mut view = json!(prepared.connection);
    if let Some(problem) = &prepared.problem {
        view["problem"] = json!(problem);
    }
    view
}

pub(super) async fn list(access: Read, State(app): State<App>, Params(listing): Params<Listing>) -> Result<Json<Value>, Problem> {
    let limit = Paging { limit: listing.limit, cursor: None }.limit()?;
    let after = listing.cursor.as_deref().map(parse::<ConnectionId>).transpose()?;
    let tenant = access.tenant(listing.tenant)?;
    let mut found = app.catalog.connections(after, limit + 1, listing.provider.as_ref(), tenant.as_ref());
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.connection.id.to_string());
    Ok(page(found.iter().map(|prepared| view(prepared)).collect(), next))
}

/// One connection, with the subscriptions that use it.
pub(super) async fn show(access: Read, State(app): State<App>, Path(id): Path<String>) -> Result<Tagged, Problem> {
    let found = find(&access, &app, &id)?;
    let mut tagged = tagged(&found);
    let users = app.catalog.users_of_connection(found.connection.id);
    tagged.1["usedBy"] = users.iter().map(|user| json!({ "id": user.subscription.id, "name": user.subscription.name })).collect();
    Ok(tagged)
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
    let id = find(&access, &app, &id)?.connection.id;
    Ok(tagged(&*app.catalog.update_connection(id, patch, expected).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Removal {
    #[serde(default)]
    force: bool,
}

pub(super) async fn remove(
    access: Admin,
    State(app): State<App>,
    Path(id): Path<String>,
    Params(removal): Params<Removal>,
    IfMatch(expected): IfMatch,
) -> Result<StatusCode, Problem> {
    let id = find(&access, &app, &id)?.connection.id;
    app.catalog.delete_connection(id, removal.force, expected).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tries a saved connection.
pub(super) async fn test(access: Admin, State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let found = find(&access, &app, &id)?;
    let trial = Trial { connection_id: Some(found.connection.id), ..Trial::default() };
    Ok(Json(tested(app.catalog.test_connection(&found.connection.provider_id, trial).await?)))
}

/// One of another tenant is not there.
fn find(access: &impl Tenancy, app: &App, id: &str) -> Result<Arc<PreparedConnection>, Problem> {
    let found = app.catalog.connection(parse(id)?)?;
    if access.sees(&found.connection.tenant) { Ok(found) } else { Err(Problem::not_found("connection", id)) }
}
