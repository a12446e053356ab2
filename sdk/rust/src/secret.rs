//! A secret that a provider holds without knowing it.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A secret field of a config or connection.
///
/// The schema marks it `writeOnly`, so the host encrypts it and never shows it. What stands in here is a placeholder, new
/// for every call. Use it as if it were the secret: in a URL, a header, [basic credentials](crate::http::Request::basic) or
/// a body. The host puts the secret in its place when the request goes to a host that it may go to. For a signature see
/// [`secrets`](crate::secrets).
///
/// One of a connection goes to the hosts that the manifest names or takes from the connection, never to one that comes from
/// the config. The schema's `x-hosts` narrows that; see the contract for it and for `x-oauth2`:
///
/// ```
/// # use postern_provider::prelude::*;
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// struct Connection {
///     #[schemars(extend("x-hosts" = ["api.example.com"]))]
///     token: Secret,
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret with this placeholder; for tests.
    pub fn from_placeholder(placeholder: impl Into<String>) -> Self {
        Self(placeholder.into())
    }

    /// The text that stands for the secret.
    pub fn placeholder(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Secret {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    /// The placeholder, so that a secret can be put into a URL or a header with `format!`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true })
    }
}
