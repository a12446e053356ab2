//! Connections.

use super::providers::Tested;
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
use postern_core::{Connection, ConnectionId, ProviderId, SubscriptionId, TenantId};
use postern_delivery::Trial;
use postern_delivery::catalog::{ConnectionInput, PreparedConnection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(super) async fn create(
    access: Admin,
    State(app): State<App>,
    Body(mut input): Body<ConnectionInput>,
) -> Result<Created<Tagged<View>>, Problem> {
    input.tenant = access.tenant(input.tenant)?;
    Ok(Created(tagged(&*app.catalog.create_connection(input).await?)))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    /// Those of this provider.
    provider: Option<ProviderId>,
    /// Those of this tenant.
    tenant: Option<TenantId>,
    /// At most so many, 1 to 500. Default: 50.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// The `nextCursor` of the part before.
    cursor: Option<String>,
}

/// A connection; `[secret]` stands in the places of secrets.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Connection")]
pub(super) struct View {
    #[serde(flatten)]
    connection: Connection,
    /// Why it cannot be used, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// A connection with the subscriptions that use it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ConnectionDetail")]
pub(super) struct Detail {
    #[serde(flatten)]
    view: View,
    /// The subscriptions that use it.
    used_by: Vec<User>,
}

/// A subscription that uses a connection.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ConnectionUser")]
struct User {
    id: SubscriptionId,
    name: String,
}

fn tagged(prepared: &PreparedConnection) -> Tagged<View> {
    Tagged(prepared.revision, view(prepared))
}

fn view(prepared: &PreparedConnection) -> View {
    View { connection: prepared.connection.clone(), problem: prepared.problem.clone() }
}

pub(super) async fn list(
    access: Read,
    State(app): State<App>,
    Params(listing): Params<Listing>,
) -> Result<Json<Page<View>>, Problem> {
    let limit = Paging { limit: listing.limit, cursor: None }.limit()?;
    let after = cursor(listing.cursor.as_deref())?;
    let tenant = access.tenant(listing.tenant)?;
    let mut found = app.catalog.connections(after, limit + 1, listing.provider.as_ref(), tenant.as_ref());
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.connection.id.to_string());
    Ok(Page::of(found, next, |prepared| view(&prepared)))
}

/// One connection, with the subscriptions that use it.
pub(super) async fn show(
    access: Read,
    State(app): State<App>,
    Path(Id { id }): Path<Id<ConnectionId>>,
) -> Result<Tagged<Detail>, Problem> {
    let found = find(&access, &app, id)?;
    let users = app.catalog.users_of_connection(id);
    let used_by = users.iter().map(|user| User { id: user.subscription.id, name: user.subscription.name.clone() }).collect();
    Ok(Tagged(found.revision, Detail { view: view(&found), used_by }))
}

pub(super) async fn update(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<ConnectionId>>,
    IfMatch(expected): IfMatch,
    patch: Patch<ConnectionInput>,
) -> Result<Tagged<View>, Problem> {
    find(&access, &app, id)?;
    Ok(tagged(&*app.catalog.update_connection(id, patch.change, expected).await?))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Removal {
    /// Whether to remove it although subscriptions use it: their deliveries then fail. Default: no.
    #[serde(default)]
    force: bool,
}

pub(super) async fn remove(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<ConnectionId>>,
    Params(removal): Params<Removal>,
    IfMatch(expected): IfMatch,
) -> Result<NoContent, Problem> {
    find(&access, &app, id)?;
    app.catalog.delete_connection(id, removal.force, expected).await?;
    Ok(NoContent)
}

/// Tries a saved connection.
pub(super) async fn test(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<ConnectionId>>,
) -> Result<Json<Tested>, Problem> {
    let found = find(&access, &app, id)?;
    let trial = Trial { connection_id: Some(id), ..Trial::default() };
    Ok(Json(Tested::from(app.catalog.test_connection(&found.connection.provider_id, trial).await?)))
}

/// One of another tenant is not there.
fn find(access: &impl Tenancy, app: &App, id: ConnectionId) -> Result<Arc<PreparedConnection>, Problem> {
    let found = app.catalog.connection(id)?;
    if access.sees(&found.connection.tenant) { Ok(found) } else { Err(Problem::not_found("connection", id)) }
}
