//! The bot, shared by many subscriptions.

use postern_provider::prelude::*;

/// What a bearer token consists of: RFC 6750, section 2.1.
const TOKEN: &str = "^[A-Za-z0-9._~+/-]+=*$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "The bot that posts.")]
pub struct Connection {
    /// The bot's access token, which Webex shows once, when the bot is made.
    #[schemars(
        title = "Bot token",
        regex(pattern = TOKEN),
        length(max = 500),
        extend("x-hosts" = ["webexapis.com", "api-usgov.webex.com"])
    )]
    pub(crate) bot_token: Secret,

    /// Whether the organization is on Webex for Government (FedRAMP).
    #[serde(default)]
    #[schemars(title = "Webex for Government")]
    pub(crate) government: bool,
}
