//! What a request's token allows.

use crate::App;
use crate::authentication::token;
use crate::problem::Problem;
use crate::token::{Scope, Token};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use postern_core::{PluginId, TenantId};
use std::sync::Arc;

/// The request may change things: everything, or what belongs to one tenant.
#[derive(Debug)]
pub struct Admin(Arc<Token>);

/// The request may look at things: everything, or what belongs to one tenant.
#[derive(Debug)]
pub struct Read(Arc<Token>);

/// The request may emit events of some plugins; ask [`Emit::of`].
#[derive(Debug)]
pub struct Emit(Arc<Token>);

/// What a token that is limited to a tenant may touch.
pub trait Tenancy {
    /// The request's token.
    fn token(&self) -> &Token;

    /// Whether what belongs to `tenant` exists for this request.
    fn sees(&self, tenant: &TenantId) -> bool {
        self.token().tenant.as_ref().is_none_or(|own| own == tenant)
    }

    /// The tenant that is meant where a request names one or none.
    ///
    /// # Errors
    /// It names another than the token's.
    fn tenant(&self, named: Option<TenantId>) -> Result<Option<TenantId>, Problem> {
        match (&self.token().tenant, named) {
            (None, named) => Ok(named),
            (Some(own), None) => Ok(Some(own.clone())),
            (Some(own), Some(named)) if *own == named => Ok(Some(named)),
            (Some(own), Some(named)) => {
                let detail = format!("the token is limited to the tenant `{own}` and cannot act for `{named}`");
                Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
            }
        }
    }

    /// What belongs to no tenant is not for a token that is limited to one.
    ///
    /// # Errors
    /// The token is.
    fn everything(&self) -> Result<(), Problem> {
        match &self.token().tenant {
            None => Ok(()),
            Some(own) => {
                let detail = format!("the token is limited to the tenant `{own}`; this concerns all tenants");
                Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
            }
        }
    }
}

impl Tenancy for Admin {
    fn token(&self) -> &Token {
        &self.0
    }
}

impl Tenancy for Read {
    fn token(&self) -> &Token {
        &self.0
    }
}

impl Tenancy for Emit {
    fn token(&self) -> &Token {
        &self.0
    }
}

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

fn allowed(token: &Token, needed: &str, fits: impl Fn(&Scope) -> bool) -> Result<(), Problem> {
    if token.scopes.iter().any(fits) { Ok(()) } else { Err(forbidden(token, needed)) }
}

impl FromRequestParts<App> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let token = token(parts)?;
        allowed(&token, "admin", |scope| *scope == Scope::Admin)?;
        Ok(Self(token))
    }
}

impl FromRequestParts<App> for Read {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let token = token(parts)?;
        allowed(&token, "read", |scope| matches!(scope, Scope::Admin | Scope::Read))?;
        Ok(Self(token))
    }
}

impl FromRequestParts<App> for Emit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let token = token(parts)?;
        allowed(&token, "emit", |scope| matches!(scope, Scope::Admin | Scope::Emit(_)))?;
        Ok(Self(token))
    }
}
