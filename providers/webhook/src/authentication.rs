//! How the receiver knows the sender.

use crate::config::{AuthType, Config};
use postern_provider::http::Request;
use postern_provider::prelude::*;

/// Adds what `authType` says.
///
/// The schema lets nobody save a config without the fields that its `authType` needs. A config that got here without them
/// fails: a request without credentials would be worse than none.
pub(crate) fn add(request: Request, config: &Config) -> Result<Request, Failure> {
    Ok(match config.auth_type {
        AuthType::None => request,
        AuthType::Bearer => request.bearer(needed(config.bearer_token.as_ref(), "bearer", "bearerToken")?),
        AuthType::Basic => {
            let name = needed(config.basic_username.as_ref(), "basic", "basicUsername")?;
            request.basic(name, needed(config.basic_password.as_ref(), "basic", "basicPassword")?)
        }
        AuthType::Header => {
            let name = needed(config.auth_header_name.as_ref(), "header", "authHeaderName")?;
            request.header(name, needed(config.auth_header_value.as_ref(), "header", "authHeaderValue")?)
        }
    })
}

/// The name of the header that `authType` sets.
pub(crate) fn header_name(config: &Config) -> Option<&str> {
    match config.auth_type {
        AuthType::None => None,
        AuthType::Bearer | AuthType::Basic => Some("Authorization"),
        AuthType::Header => config.auth_header_name.as_deref(),
    }
}

fn needed<'a, T>(field: Option<&'a T>, kind: &str, name: &str) -> Result<&'a T, Failure> {
    field.ok_or_else(|| Failure::never(format!("authType is `{kind}` but {name} is missing: set it in the subscription")))
}
