//! The webhook, shared by many subscriptions.

use postern_provider::prelude::*;

/// The URL of an incoming webhook, whose server may be mounted below a path:
/// <https://developers.mattermost.com/integrate/webhooks/incoming/>. Those of commands (`/hooks/commands/…`) answer a user.
const WEBHOOK: &str = r"^https?://[^\s/?#@\\]+(/[^\s?#]*)?/hooks/[A-Za-z0-9]+$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "How messages get to Mattermost.")]
pub struct Connection {
    /// The whole URL of the incoming webhook: `https://mattermost.example.com/hooks/…`. Whoever has it can post.
    #[schemars(
        title = "Webhook URL",
        url,
        regex(pattern = WEBHOOK),
        length(max = 2000),
        extend("x-hosts" = ["{connection.webhookUrl}"])
    )]
    pub(crate) webhook_url: Secret,
}
