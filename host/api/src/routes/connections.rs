//! Connections.

use super::providers::tested;
use super::{page, parse};
use crate::App;
use crate::access::{Admin, Read};
use crate::body::{Body, Paging, Params};
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use postern_core::{Connection, ConnectionId, ProviderId, TenantId};
use postern_delivery::Trial;
use postern_delivery::catalog::{ConnectionInput, PreparedConnection};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) async fn create(
    _: Admin,
    State(app): State<App>,
    Body(input): Body<ConnectionInput>,
) -> Result<(StatusCode, Json<Connection>), Problem> {
    Ok((StatusCode::CREATED, Json(app.catalog.create_connection(input).await?)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    provider: Option<ProviderId>,
    tenant: Option<TenantId>,
    limit: Option<usize>,
    cursor: Option<String>,
}

fn view(prepared: &PreparedConnection) -> Value {
    let mut view = json!(prepared.connection);
    if let Some(problem) = &prepared.problem {
        view["problem"] = json!(problem);
    }
    view
}

pub(super) async fn list(_: Read, State(app): State<App>, Params(listing): Params<Listing>) -> Result<Json<Value>, Problem> {
    let limit = Paging { limit: listing.limit, cursor: None }.limit()?;
    let after = listing.cursor.as_deref().map(parse::<ConnectionId>).transpose()?;
    let mut found = app.catalog.connections(after, limit + 1, listing.provider.as_ref(), listing.tenant.as_ref());
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.connection.id.to_string());
    Ok(page(found.iter().map(|prepared| view(prepared)).collect(), next))
}

/// One connection, with the subscriptions that use it.
pub(super) async fn show(_: Read, State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let id: ConnectionId = parse(&id)?;
    let mut view = view(&*app.catalog.connection(id)?);
    let users = app.catalog.users_of_connection(id);
    view["usedBy"] = users.iter().map(|user| json!({ "id": user.subscription.id, "name": user.subscription.name })).collect();
    Ok(Json(view))
}

pub(super) async fn update(
    _: Admin,
    State(app): State<App>,
    Path(id): Path<String>,
    Body(patch): Body<Value>,
) -> Result<Json<Connection>, Problem> {
    if !patch.is_object() {
        return Err(Problem::invalid("a change is a JSON object with the fields to change"));
    }
    Ok(Json(app.catalog.update_connection(parse(&id)?, patch).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Removal {
    #[serde(default)]
    force: bool,
}

pub(super) async fn remove(
    _: Admin,
    State(app): State<App>,
    Path(id): Path<String>,
    Params(removal): Params<Removal>,
) -> Result<StatusCode, Problem> {
    app.catalog.delete_connection(parse(&id)?, removal.force).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tries a saved connection.
pub(super) async fn test(_: Admin, State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let id: ConnectionId = parse(&id)?;
    let provider = app.catalog.connection(id)?.connection.provider_id.clone();
    let trial = Trial { connection_id: Some(id), ..Trial::default() };
    Ok(Json(tested(app.catalog.test_connection(&provider, trial).await?)))
}
