//! Where the site is, and who we are there.

use postern_provider::prelude::*;

/// A site of Jira Cloud; or, for a token with scopes, Atlassian's gateway with the site's cloud ID:
/// <https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account>.
const SITE: &str = r"^https://([a-z0-9]([a-z0-9-]*[a-z0-9])?\.atlassian\.net|api\.atlassian\.com/ex/jira/[0-9A-Za-z-]{8,64})/?$";

/// Any other place, in case a site is reached through a proxy.
const ELSEWHERE: &str = r"^https?://[^\s/?#{}@\\]+(/[^\s?#{}\\]*)?$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "Where the site is, and the account that makes issues there.", extend("allOf" = conditions()))]
pub struct Connection {
    /// The site's address: `https://your-domain.atlassian.net`. For an API token with scopes it is
    /// `https://api.atlassian.com/ex/jira/` and the site's cloud ID.
    #[schemars(title = "Site", url, length(max = 500))]
    pub(crate) site_url: String,

    /// The email address of the account that the token belongs to. Issues and comments appear in its name.
    #[schemars(title = "Email", email, length(max = 254))]
    pub(crate) email: String,

    /// An API token of this account. It expires after a year at most, so note when it does.
    #[schemars(title = "API token", length(min = 1))]
    pub(crate) api_token: Secret,

    /// Whether the site may be elsewhere than at `*.atlassian.net` and `api.atlassian.com`: behind a proxy of yours, say. The
    /// token is then sent there.
    #[serde(default)]
    #[schemars(title = "Other address")]
    #[expect(dead_code, reason = "only the schema's conditions need it")]
    other_address: bool,
}

impl Connection {
    /// The URL of a resource of the API, version 3.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/rest/api/3/{path}", self.site_url.trim_end_matches('/'))
    }
}

/// An address that is not Atlassian's must be asked for: the token goes there.
fn conditions() -> serde_json::Value {
    let site = |pattern: &str| serde_json::json!({ "properties": { "siteUrl": { "pattern": pattern } } });
    serde_json::json!([{
        "if": { "properties": { "otherAddress": { "const": true } }, "required": ["otherAddress"] },
        "then": site(ELSEWHERE),
        "else": site(SITE)
    }])
}
