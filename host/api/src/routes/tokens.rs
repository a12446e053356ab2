//! Tokens.

use super::page;
use crate::App;
use crate::access::{Admin, Tenancy};
use crate::body::{Body, Paging, Params, part};
use crate::path::Path;
use crate::problem::Problem;
use crate::token::Scope;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_core::{TenantId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenInput {
    name: String,
    scopes: Vec<Scope>,
    #[serde(default)]
    tenant: Option<TenantId>,
}

pub(super) async fn create(
    access: Admin,
    State(app): State<App>,
    Body(input): Body<TokenInput>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    access.everything()?;
    if !(1..=100).contains(&input.name.trim().chars().count()) || input.scopes.is_empty() {
        return Err(Problem::invalid("a token needs a name of 1 to 100 characters and at least one scope"));
    }
    let (secret, token) = app.tokens.create(input.name, input.scopes, input.tenant, Timestamp::now()).await?;
    let mut view = json!(*token);
    view["token"] = json!(secret);
    Ok((StatusCode::CREATED, Json(view)))
}

pub(super) async fn list(access: Admin, State(app): State<App>, Params(paging): Params<Paging>) -> Result<Json<Value>, Problem> {
    access.everything()?;
    let (found, next) = part(app.tokens.list(), |token| token.id.clone(), &paging)?;
    Ok(page(found.iter().map(|token| json!(**token)).collect(), next))
}

pub(super) async fn revoke(access: Admin, State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    access.everything()?;
    if app.tokens.revoke(&id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("token", id)) }
}
