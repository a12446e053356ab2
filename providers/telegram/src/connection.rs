//! The bot, shared by many subscriptions.

use postern_provider::prelude::*;

/// The bot's number and its secret: <https://core.telegram.org/bots/api#authorizing-your-bot>.
const TOKEN: &str = "^[0-9]+:[A-Za-z0-9_-]+$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "The bot that posts.")]
pub struct Connection {
    /// What @BotFather gave for the bot: `123456:ABC-DEF…`. Whoever has it is the bot.
    #[schemars(title = "Bot token", regex(pattern = TOKEN), length(max = 200), extend("x-hosts" = ["api.telegram.org"]))]
    pub(crate) bot_token: Secret,
}
