//! Subscriptions.

use super::{page, parse};
use crate::App;
use crate::access::{Admin, Read};
use crate::body::{Body, Paging, Params};
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use postern_core::{Subscription, SubscriptionId};
use postern_delivery::catalog::SubscriptionInput;
use serde_json::{Value, json};

pub(super) async fn create(
    _: Admin,
    State(app): State<App>,
    Body(input): Body<SubscriptionInput>,
) -> Result<(StatusCode, Json<Subscription>), Problem> {
    Ok((StatusCode::CREATED, Json(app.catalog.create_subscription(input).await?)))
}

pub(super) async fn list(_: Read, State(app): State<App>, Params(paging): Params<Paging>) -> Result<Json<Value>, Problem> {
    let limit = paging.limit()?;
    let after = paging.cursor.as_deref().map(parse::<SubscriptionId>).transpose()?;
    let mut found = app.catalog.subscriptions(after, limit + 1);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.subscription.id.to_string());
    Ok(page(found.iter().map(|prepared| json!(prepared.subscription)).collect(), next))
}

pub(super) async fn show(_: Read, State(app): State<App>, Path(id): Path<String>) -> Result<Json<Subscription>, Problem> {
    Ok(Json(app.catalog.subscription(parse(&id)?)?.subscription.clone()))
}

pub(super) async fn update(
    _: Admin,
    State(app): State<App>,
    Path(id): Path<String>,
    Body(patch): Body<Value>,
) -> Result<Json<Subscription>, Problem> {
    if !patch.is_object() {
        return Err(Problem::invalid("a change is a JSON object with the fields to change"));
    }
    Ok(Json(app.catalog.update_subscription(parse(&id)?, patch).await?))
}

pub(super) async fn remove(_: Admin, State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    app.catalog.delete_subscription(parse(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
