//! Tokens.

use super::page;
use crate::App;
use crate::access::Admin;
use crate::body::Body;
use crate::problem::Problem;
use crate::token::Scope;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use postern_core::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenInput {
    name: String,
    scopes: Vec<Scope>,
}

pub(super) async fn create(
    _: Admin,
    State(app): State<App>,
    Body(input): Body<TokenInput>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    if !(1..=100).contains(&input.name.trim().chars().count()) || input.scopes.is_empty() {
        return Err(Problem::invalid("a token needs a name of 1 to 100 characters and at least one scope"));
    }
    let (secret, token) = app.tokens.create(input.name, input.scopes, Timestamp::now()).await?;
    let mut view = json!(*token);
    view["token"] = json!(secret);
    Ok((StatusCode::CREATED, Json(view)))
}

pub(super) async fn list(_: Admin, State(app): State<App>) -> Json<Value> {
    page(app.tokens.list().iter().map(|token| json!(**token)).collect(), None)
}

pub(super) async fn revoke(_: Admin, State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    if app.tokens.revoke(&id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("token", id)) }
}
