//! The settings of a webhook subscription. The schema makes the form and lets the host refuse what is incomplete.

use postern_provider::prelude::*;

/// What a header's name consists of: RFC 9110's `token`.
const HEADER_NAME: &str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

/// Names that the signature owns.
const SIGNATURE_HEADER: &str = "^[Ww][Ee][Bb][Hh][Oo][Oo][Kk]-";

/// Base64 of 24 to 64 bytes, as Standard Webhooks wants it.
const SIGNING_SECRET: &str = "^(whsec_)?[A-Za-z0-9+/]{32,86}={0,2}$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "How events become requests.", extend("allOf" = conditions()))]
pub struct Config {
    /// Where requests go. Values may be filled into its path and query: `https://example.com/hooks/{{ payload.id }}`.
    #[schemars(title = "URL", length(max = 8192))]
    pub(crate) url: Template<template::Url>,

    /// The request's method.
    #[serde(default)]
    #[schemars(title = "Method")]
    pub(crate) method: Method,

    /// How the message is sent: as JSON, or as a form with the JSON in its field `payload`.
    #[serde(default)]
    #[schemars(title = "Content type")]
    pub(crate) content_type: ContentType,

    /// How the receiver knows the sender, apart from the signature.
    #[serde(default)]
    #[schemars(title = "Authentication")]
    pub(crate) auth_type: AuthType,

    /// For `bearer`: sent as `Authorization: Bearer …`.
    #[schemars(title = "Bearer token", length(min = 1))]
    pub(crate) bearer_token: Option<Secret>,

    /// For `basic`: the user's name, without a colon.
    #[schemars(title = "User name", regex(pattern = "^[^:]+$"))]
    pub(crate) basic_username: Option<String>,

    /// For `basic`: the password, which may be empty.
    #[schemars(title = "Password")]
    pub(crate) basic_password: Option<Secret>,

    /// For `header`: the header's name, `X-Api-Key` say.
    #[schemars(title = "Header name", regex(pattern = HEADER_NAME), extend("not" = { "pattern": SIGNATURE_HEADER }))]
    pub(crate) auth_header_name: Option<String>,

    /// For `header`: the header's value.
    #[schemars(title = "Header value", length(min = 1))]
    pub(crate) auth_header_value: Option<Secret>,

    /// Headers to add, or to replace the usual ones by. They are no place for credentials: everybody who may read the
    /// subscription sees them.
    #[serde(default)]
    #[schemars(title = "Custom headers", length(max = 40))]
    pub(crate) custom_headers: Vec<CustomHeader>,

    /// The message as JSON, in place of the usual one: `{"text": "{{ payload.title }}"}`.
    #[schemars(title = "Body template")]
    pub(crate) body_template: Option<Template<template::Json>>,

    /// How long to wait for the answer, in milliseconds.
    #[serde(default = "ten_seconds")]
    #[schemars(title = "Timeout", range(min = 1000, max = 60_000))]
    pub(crate) timeout: u32,

    /// Statuses after which to try again, besides 408, 425, 429 and 500 to 599.
    #[serde(default)]
    #[schemars(title = "Retry on status", inner(range(min = 300, max = 599)), length(max = 50))]
    pub(crate) retry_on_status: Vec<u16>,

    /// Signs each request as Standard Webhooks has it: `whsec_` and the Base64 of 24 to 64 random bytes.
    #[schemars(title = "Signing secret", regex(pattern = SIGNING_SECRET))]
    pub(crate) signing_secret: Option<Secret>,

    /// Secrets that are being replaced. Requests are signed with these too, so that the receiver can change over in its
    /// own time.
    #[serde(default)]
    #[schemars(title = "Previous signing secrets", inner(regex(pattern = SIGNING_SECRET)), length(max = 3))]
    pub(crate) previous_signing_secrets: Vec<Secret>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Method {
    #[default]
    Post,
    Put,
    Patch,
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) enum ContentType {
    #[default]
    #[serde(rename = "application/json")]
    Json,
    #[serde(rename = "application/x-www-form-urlencoded")]
    Form,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthType {
    #[default]
    None,
    Bearer,
    Basic,
    Header,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomHeader {
    /// The header's name. Names that start with `webhook-` belong to the signature.
    #[schemars(title = "Name", regex(pattern = HEADER_NAME), extend("not" = { "pattern": SIGNATURE_HEADER }))]
    pub(crate) name: String,
    /// The header's value; values may be filled in.
    #[schemars(title = "Value")]
    pub(crate) value: Template<template::Header>,
}

fn ten_seconds() -> u32 {
    10_000
}

/// What each kind of authentication needs, so that an incomplete config is refused when it is saved.
fn conditions() -> serde_json::Value {
    let authentication = |kind: &str, fields: &[&str]| {
        serde_json::json!({
            "if": { "properties": { "authType": { "const": kind } }, "required": ["authType"] },
            "then": { "required": fields }
        })
    };
    serde_json::json!([
        authentication("bearer", &["bearerToken"]),
        authentication("basic", &["basicUsername", "basicPassword"]),
        authentication("header", &["authHeaderName", "authHeaderValue"]),
        {
            "if": { "properties": { "previousSigningSecrets": { "minItems": 1 } }, "required": ["previousSigningSecrets"] },
            "then": { "required": ["signingSecret"] }
        }
    ])
}
