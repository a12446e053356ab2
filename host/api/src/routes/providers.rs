//! Providers: what there is, adding one, and what each may do.

use super::{page, parse};
use crate::App;
use crate::access::{Admin, Read, Tenancy};
use crate::body::{Body, Paging, Params, part, too_large};
use crate::path::Path;
use crate::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::StatusCode;
use postern_core::grant::Grant;
use postern_core::{ConnectionId, PluginId, ProviderId};
use postern_delivery::catalog::Provider;
use postern_delivery::{OptionItem, Question, Report, Trial};
use serde::Deserialize;
use serde_json::{Value, json};

/// The largest component that is read at all; the sandbox's own bound then judges it.
const LARGEST_COMPONENT: usize = 64 << 20;

fn view(provider: &Provider) -> Value {
    let mut view = json!({
        "id": provider.manifest.id,
        "displayName": provider.manifest.display_name,
        "version": provider.manifest.version,
        "digest": provider.digest,
        "size": provider.size,
        "contract": provider.contract(),
        "bundled": provider.bundled,
        "grant": *provider.grant,
        "asks": provider.asks(),
        "pending": provider.pending.as_ref().map(|pending| json!({ "version": pending.manifest.version, "digest": pending.digest })),
        "manifest": provider.manifest,
    });
    if let (Value::Object(view), Ok(Value::Object(state))) = (&mut view, serde_json::to_value(&provider.state)) {
        view.extend(state);
    }
    view
}

pub(super) async fn list(_: Read, State(app): State<App>, Params(paging): Params<Paging>) -> Result<Json<Value>, Problem> {
    let (found, next) = part(app.catalog.providers(), |provider| provider.manifest.id.to_string(), &paging)?;
    Ok(page(found.iter().map(|provider| view(provider)).collect(), next))
}

pub(super) async fn show(_: Read, State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(view(&*app.catalog.provider(&parse(&id)?)?)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Adding {
    plugin: PluginId,
}

pub(super) async fn add(
    access: Admin,
    State(app): State<App>,
    Params(adding): Params<Adding>,
    mut request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    access.everything()?;
    DefaultBodyLimit::max(LARGEST_COMPONENT).apply(&mut request);
    let bytes = Bytes::from_request(request, &()).await.map_err(|rejection| too_large(&rejection, LARGEST_COMPONENT))?;
    let added = app.catalog.add_provider(&adding.plugin, bytes.to_vec()).await?;
    let provider = app.catalog.provider(&added.id)?;
    Ok((if added.new { StatusCode::CREATED } else { StatusCode::OK }, Json(view(&provider))))
}

pub(super) async fn approve(access: Admin, State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    access.everything()?;
    let id: ProviderId = parse(&id)?;
    app.catalog.approve_provider(&id).await?;
    Ok(Json(view(&*app.catalog.provider(&id)?)))
}

pub(super) async fn grant(_: Read, State(app): State<App>, Path(id): Path<String>) -> Result<Json<Grant>, Problem> {
    Ok(Json((*app.catalog.provider(&parse(&id)?)?.grant).clone()))
}

pub(super) async fn set_grant(
    access: Admin,
    State(app): State<App>,
    Path(id): Path<String>,
    Body(grant): Body<Grant>,
) -> Result<Json<Grant>, Problem> {
    access.everything()?;
    Ok(Json((*app.catalog.set_grant(&parse(&id)?, grant).await?.grant).clone()))
}

pub(super) async fn remove(access: Admin, State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    access.everything()?;
    app.catalog.remove_provider(&parse(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn test_connection(
    access: Admin,
    State(app): State<App>,
    Path(id): Path<String>,
    Body(trial): Body<Trial>,
) -> Result<Json<Value>, Problem> {
    own_connection(&access, &app, trial.connection_id)?;
    Ok(Json(tested(app.catalog.test_connection(&parse(&id)?, trial).await?)))
}

/// A connection of another tenant is not there.
fn own_connection(access: &Admin, app: &App, id: Option<ConnectionId>) -> Result<(), Problem> {
    match id {
        Some(id) if !access.sees(&app.catalog.connection(id)?.connection.tenant) => Err(Problem::not_found("connection", id)),
        _ => Ok(()),
    }
}

/// What a test came to.
pub(super) fn tested(report: Report<Result<String, String>>) -> Value {
    let (success, message) = match report.result {
        Ok(Ok(message)) => (true, message),
        Ok(Err(message)) => (false, message),
        Err(error) => (false, error.to_string()),
    };
    json!({ "success": success, "message": message, "exchanges": report.exchanges, "log": report.log })
}

pub(super) async fn options(
    access: Admin,
    State(app): State<App>,
    Path(id): Path<String>,
    Body(question): Body<Question>,
) -> Result<Json<Value>, Problem> {
    own_connection(&access, &app, question.connection_id)?;
    let report = app.catalog.options(&parse(&id)?, question).await?;
    let failed = |message| Problem::new(StatusCode::BAD_GATEWAY, "provider-failed", message);
    let items = report.result.map_err(|error| failed(error.to_string()))?.map_err(failed)?;
    let view = |item: OptionItem| json!({ "value": item.value, "label": item.label, "description": item.description });
    Ok(page(items.into_iter().map(view).collect(), None))
}
