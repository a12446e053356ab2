//! The settings of a Slack subscription. All are optional: with none, messages are as they should be.

use postern_provider::prelude::*;

/// An emoji's name between colons.
const EMOJI: &str = "^:[^:\\s]+:$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "Where and how messages are posted.", extend("allOf" = conditions()))]
pub struct Config {
    /// In place of the connection's channel: its ID (`C0123456789`) or `#name`. Webhooks of Slack apps post to their own channel
    /// whatever stands here.
    #[schemars(title = "Channel", length(min = 1, max = 80), extend("x-options" = "channels"))]
    pub(crate) channel: Option<String>,

    /// What an event of an entity does that has a message already (the subscription's entity key says which events belong
    /// together): `thread` replies to that message, `update` replaces its text, `separate` posts a new one.
    #[serde(default)]
    #[schemars(title = "Later events")]
    pub(crate) later_events: LaterEvents,

    /// The name that messages are posted under, in place of the app's. A bot token needs the scope `chat:write.customize` for
    /// it; webhooks of Slack apps ignore it.
    #[schemars(title = "User name", length(min = 1, max = 80))]
    pub(crate) username: Option<String>,

    /// The icon of messages, in place of the app's: an emoji such as `:rotating_light:`. It needs the same scope.
    #[schemars(title = "Icon", regex(pattern = EMOJI), length(max = 100))]
    pub(crate) icon_emoji: Option<String>,

    /// The message in Markdown, in place of the usual one: `**{{ payload.title }}** is {{ payload.status }}`.
    #[schemars(title = "Message template")]
    pub(crate) message_template: Option<Template<template::Markdown>>,

    /// The message as a JSON list of Block Kit blocks, in place of the usual one. Values stand in it as they are: put them
    /// into `plain_text`, where nothing is read as a mention.
    #[schemars(title = "Blocks template")]
    pub(crate) blocks_template: Option<Template<template::Json>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LaterEvents {
    #[default]
    Thread,
    Update,
    Separate,
}

/// Two templates for one message would leave one of them without effect.
fn conditions() -> serde_json::Value {
    serde_json::json!([{ "not": { "required": ["messageTemplate", "blocksTemplate"] } }])
}
