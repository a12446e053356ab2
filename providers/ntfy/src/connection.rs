//! The server, and who we are there.

use postern_provider::prelude::*;

/// A server's address. ntfy cannot be served below a path: <https://docs.ntfy.sh/config/>, `base-url`.
const SERVER: &str = r"^https?://[^\s/?#{}@\\]+/?$";

/// What fits into a header.
const TOKEN: &str = "^[!-~]+$";

/// The server of the people who make ntfy.
const PUBLIC: &str = "https://ntfy.sh";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "The server, and who publishes there.", extend("allOf" = conditions()))]
pub struct Connection {
    /// The server's address, without a topic: `https://ntfy.sh`, or that of your own.
    #[serde(default = "public")]
    #[schemars(title = "Server", url, regex(pattern = SERVER), length(max = 500))]
    server_url: String,

    /// How the server knows who publishes: `none` for topics that everybody may write to, `token` for an access token, `password`
    /// for a user's name and password.
    #[serde(default)]
    #[schemars(title = "Authentication")]
    pub(crate) authentication: Authentication,

    /// An access token: `tk_…`.
    #[schemars(title = "Access token", regex(pattern = TOKEN), length(max = 256))]
    pub(crate) token: Option<Secret>,

    /// The user's name.
    #[schemars(title = "User name", regex(pattern = "^[^:]+$"), length(max = 256))]
    pub(crate) username: Option<String>,

    /// The user's password.
    #[schemars(title = "Password", length(min = 1, max = 256))]
    pub(crate) password: Option<Secret>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Authentication {
    #[default]
    None,
    Token,
    Password,
}

fn public() -> String {
    PUBLIC.to_owned()
}

impl Connection {
    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.server_url.trim_end_matches('/'))
    }
}

fn conditions() -> serde_json::Value {
    let needs = |kind: &str, fields: &[&str]| {
        serde_json::json!({
            "if": { "properties": { "authentication": { "const": kind } }, "required": ["authentication"] },
            "then": { "required": fields }
        })
    };
    serde_json::json!([needs("token", &["token"]), needs("password", &["username", "password"])])
}
