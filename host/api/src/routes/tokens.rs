//! Tokens.

use crate::App;
use crate::access::{Admin, Tenancy};
use crate::answer::{Created, Page};
use crate::body::{Body, Paging, Params, part};
use crate::path::{Id, Path};
use crate::problem::Problem;
use crate::token::{Scope, Token};
use axum::Json;
use axum::extract::State;
use axum::response::NoContent;
use postern_core::{TenantId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an administrator says of a token.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "name": "The platform", "scopes": ["emit:incident"] }))]
pub(super) struct TokenInput {
    /// What it is for, 1 to 100 characters.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"\S"))]
    name: String,
    /// What it may do.
    #[schemars(length(min = 1))]
    scopes: Vec<Scope>,
    /// The tenant that it is limited to. Default: none.
    #[serde(default)]
    tenant: Option<TenantId>,
}

/// A token, which is shown this once.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NewToken {
    #[serde(flatten)]
    kept: Token,
    /// What requests carry: `Authorization: Bearer TOKEN`.
    token: String,
}

pub(super) async fn create(
    access: Admin,
    State(app): State<App>,
    Body(input): Body<TokenInput>,
) -> Result<Created<Json<NewToken>>, Problem> {
    access.everything()?;
    if !(1..=100).contains(&input.name.trim().chars().count()) || input.scopes.is_empty() {
        return Err(Problem::invalid("a token needs a name of 1 to 100 characters and at least one scope"));
    }
    let (secret, token) = app.tokens.create(input.name, input.scopes, input.tenant, Timestamp::now()).await?;
    Ok(Created(Json(NewToken { kept: (*token).clone(), token: secret })))
}

pub(super) async fn list(
    access: Admin,
    State(app): State<App>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<Token>>, Problem> {
    access.everything()?;
    let (found, next) = part(app.tokens.list(), |token| token.id.clone(), &paging)?;
    Ok(Page::of(found, next, |token| (*token).clone()))
}

pub(super) async fn revoke(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<String>>,
) -> Result<NoContent, Problem> {
    access.everything()?;
    if app.tokens.revoke(&id, Timestamp::now()).await? { Ok(NoContent) } else { Err(Problem::not_found("token", id)) }
}
