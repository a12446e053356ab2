//! The workflow's webhook, shared by many subscriptions.

use postern_provider::prelude::*;

/// A workflow's URL, with the signature in its query that lets anyone call it.
///
/// Its hosts, by cloud (public, GCC, GCC High, DoD, China), are those of
/// <https://learn.microsoft.com/power-automate/ip-address-configuration>, "When an HTTP request is received" trigger. All speak
/// HTTPS, and URLs name its port, 443.
const WEBHOOK: &str = concat!(
    r"^https://([A-Za-z0-9-]+\.)+(",
    r"api\.powerplatform\.com|logic\.azure\.com",
    r"|api\.gov\.powerplatform\.microsoft\.us|api\.high\.powerplatform\.microsoft\.us|api\.appsplatform\.us|logic\.azure\.us",
    r"|api\.powerplatform\.partner\.microsoftonline\.cn|logic\.azure\.cn",
    r")(:443)?/[^\s#?]+\?([^\s#]+&)?sig=[^\s#&]+(&[^\s#]*)?$"
);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "The workflow that posts the cards.")]
pub struct Connection {
    /// The whole URL that the workflow shows, with everything behind the `?`. Whoever has it can post. The workflow must let anyone
    /// trigger it; only then does its URL end with a signature (`sig=…`).
    #[schemars(title = "Webhook URL", url, regex(pattern = WEBHOOK), length(max = 4096))]
    pub(crate) webhook_url: Secret,
}
