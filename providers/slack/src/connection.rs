//! How messages get to Slack, shared by many subscriptions.

use postern_provider::prelude::*;

/// A bot's or a user's token, perhaps one that expires (`xoxe.`): <https://docs.slack.dev/authentication/tokens>.
const TOKEN: &str = r"^(xoxe\.)?xox[bp]-[A-Za-z0-9-]+$";

/// The URL of an incoming webhook: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>. Those of
/// workflows (`/triggers/`, `/workflows/`) take other messages.
const WEBHOOK: &str = r"^https://hooks\.slack(-gov)?\.com/services/[A-Za-z0-9/]+$";

/// What a token can do that a webhook cannot: choose channels, reply in threads, update messages. So it comes first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "How messages get to Slack.", extend("allOf" = conditions()))]
pub struct Connection {
    /// With a bot token, messages go to any channel that the app is in, and later events of an entity reply or update. An
    /// incoming webhook only posts new messages to its own channel.
    #[serde(default)]
    #[schemars(title = "Method")]
    pub(crate) method: Method,

    /// For `bot`: the "Bot User OAuth Token", which starts with `xoxb-`.
    #[schemars(title = "Bot token", regex(pattern = TOKEN), extend("x-hosts" = ["slack.com", "slack-gov.com"]))]
    pub(crate) bot_token: Option<Secret>,

    /// For `bot`: where messages go unless the subscription names another channel: its ID (`C0123456789`) or `#name`.
    #[schemars(title = "Default channel", length(min = 1, max = 80), extend("x-options" = "channels"))]
    pub(crate) channel: Option<String>,

    /// For `webhook`: the whole URL, `https://hooks.slack.com/services/…`. Whoever has it can post.
    #[schemars(title = "Webhook URL", url, regex(pattern = WEBHOOK), extend("x-hosts" = ["hooks.slack.com", "hooks.slack-gov.com"]))]
    pub(crate) webhook_url: Option<Secret>,

    /// For `bot`: whether the workspace is on GovSlack (slack-gov.com).
    #[serde(default)]
    #[schemars(title = "GovSlack")]
    pub(crate) government: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Method {
    #[default]
    Bot,
    Webhook,
}

impl Connection {
    /// The bot's token. The schema lets nobody save a connection without it.
    pub(crate) fn bot_token(&self) -> Result<&Secret, Failure> {
        needed(self.bot_token.as_ref(), "bot", "botToken")
    }

    /// The webhook's URL, likewise.
    pub(crate) fn webhook_url(&self) -> Result<&Secret, Failure> {
        needed(self.webhook_url.as_ref(), "webhook", "webhookUrl")
    }
}

fn needed<'a, T>(field: Option<&'a T>, method: &str, name: &str) -> Result<&'a T, Failure> {
    field.ok_or_else(|| Failure::never(format!("the connection's method is `{method}` but {name} is missing: set it there")))
}

/// What each method needs, so that an incomplete connection is refused when it is saved. The default method needs its fields
/// also where the form leaves `method` out.
fn conditions() -> serde_json::Value {
    serde_json::json!([{
        "if": { "properties": { "method": { "const": "webhook" } }, "required": ["method"] },
        "then": { "required": ["webhookUrl"] },
        "else": { "required": ["botToken", "channel"] }
    }])
}
