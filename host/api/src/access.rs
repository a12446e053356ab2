//! What a request's token allows.

use crate::App;
use crate::problem::Problem;
use crate::token::{Scope, Token};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use postern_core::PluginId;
use std::sync::Arc;

/// The request may change everything.
#[derive(Debug)]
pub struct Admin;

/// The request may look at everything.
#[derive(Debug)]
pub struct Read;

/// The request may emit events of some plugins; ask [`Emit::of`].
#[derive(Debug)]
pub struct Emit(Arc<Token>);

impl Emit {
    /// Whether events of this plugin may be emitted.
    ///
    /// # Errors
    /// The token is for other plugins.
    pub fn of(&self, plugin: &PluginId) -> Result<(), Problem> {
        let allowed = self.0.scopes.iter().any(|scope| match scope {
            Scope::Admin | Scope::Emit(None) => true,
            Scope::Emit(Some(own)) => own == plugin,
            Scope::Read => false,
        });
        if allowed { Ok(()) } else { Err(forbidden(&self.0, &format!("emit:{plugin}"))) }
    }
}

fn forbidden(token: &Token, needed: &str) -> Problem {
    let scopes: Vec<_> = token.scopes.iter().map(ToString::to_string).collect();
    let detail = format!("this needs the scope `{needed}`; the token `{}` has {}", token.name, scopes.join(", "));
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
}

fn token(parts: &Parts, app: &App) -> Result<Arc<Token>, Problem> {
    let unauthorized = |detail: &str| Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    let value = parts.headers.get(header::AUTHORIZATION).ok_or_else(|| {
        unauthorized(
            "a token is needed: `Authorization: Bearer TOKEN`. The first one is in the file admin-token of the data directory",
        )
    })?;
    let secret = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, secret)| secret.trim())
        .ok_or_else(|| unauthorized("the Authorization header is not `Bearer TOKEN`"))?;
    app.tokens
        .check(secret)
        .ok_or_else(|| unauthorized("the token is not known; it may have been revoked, or belong to another server"))
}

fn allowed(token: &Token, needed: &str, fits: impl Fn(&Scope) -> bool) -> Result<(), Problem> {
    if token.scopes.iter().any(fits) { Ok(()) } else { Err(forbidden(token, needed)) }
}

impl FromRequestParts<App> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        allowed(&*token(parts, app)?, "admin", |scope| *scope == Scope::Admin).map(|()| Self)
    }
}

impl FromRequestParts<App> for Read {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        allowed(&*token(parts, app)?, "read", |scope| matches!(scope, Scope::Admin | Scope::Read)).map(|()| Self)
    }
}

impl FromRequestParts<App> for Emit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = token(parts, app)?;
        allowed(&token, "emit", |scope| matches!(scope, Scope::Admin | Scope::Emit(_)))?;
        Ok(Self(token))
    }
}
