//! The webhook, shared by many subscriptions.

use postern_provider::prelude::*;

/// A webhook's URL as Discord's settings show it, perhaps with a version of the API:
/// <https://docs.discord.com/developers/resources/webhook#execute-webhook>. The paths of other services (`/slack`, `/github`)
/// take other messages.
const WEBHOOK: &str = r"^https://discord(app)?\.com/api/(v[0-9]+/)?webhooks/[0-9]+/[A-Za-z0-9_-]+$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "The webhook that messages go through.")]
pub struct Connection {
    /// The whole URL, `https://discord.com/api/webhooks/…`. Whoever has it can post and edit.
    #[schemars(title = "Webhook URL", url, regex(pattern = WEBHOOK), length(max = 512), extend("x-hosts" = ["discord.com", "discordapp.com"]))]
    pub(crate) webhook_url: Secret,
}

impl Connection {
    /// The webhook itself, with a query.
    pub(crate) fn execute(&self, query: &str) -> String {
        format!("{}{query}", self.base())
    }

    /// One of its messages. `message` is a number, so it needs no escape.
    pub(crate) fn message(&self, message: &str, query: &str) -> String {
        format!("{}/messages/{message}{query}", self.base())
    }

    /// What stands for a URL ends with `/`, the URL itself does not.
    fn base(&self) -> &str {
        self.webhook_url.placeholder().trim_end_matches('/')
    }
}
