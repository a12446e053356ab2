//! The settings of a Discord subscription. All are optional: with none, messages are as they should be.

use postern_provider::prelude::*;

/// An ID: <https://docs.discord.com/developers/reference#snowflakes>.
const SNOWFLAKE: &str = "^[0-9]{1,20}$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "Where and how messages are posted.", extend("allOf" = conditions()))]
pub struct Config {
    /// The ID of a thread in the webhook's channel, to post there. Where the channel is a forum, a thread (a post) is needed.
    #[schemars(title = "Thread", regex(pattern = SNOWFLAKE))]
    pub(crate) thread_id: Option<String>,

    /// What an event of an entity does that has a message already (the subscription's entity key says which events belong
    /// together): `update` edits that message, which notifies nobody; `separate` posts a new one.
    #[serde(default)]
    #[schemars(title = "Later events")]
    pub(crate) later_events: LaterEvents,

    /// The name that messages are posted under, in place of the webhook's.
    #[schemars(title = "User name", length(min = 1, max = 80))]
    pub(crate) username: Option<String>,

    /// The picture beside messages, in place of the webhook's.
    #[schemars(title = "Avatar URL", url, regex(pattern = "^https://"), length(max = 2048))]
    pub(crate) avatar_url: Option<String>,

    /// The message in Markdown, in place of the usual one: `**{{ payload.title }}** is {{ payload.status }}`.
    #[schemars(title = "Message template")]
    pub(crate) message_template: Option<Template<template::Markdown>>,

    /// The message as a JSON list of embeds, in place of the usual one. Values stand in it as they are: what looks like Markdown in
    /// a description or a field is read as such.
    #[schemars(title = "Embeds template")]
    pub(crate) embeds_template: Option<Template<template::Json>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LaterEvents {
    #[default]
    Update,
    Separate,
}

/// Two templates for one message would leave one of them without effect.
fn conditions() -> serde_json::Value {
    serde_json::json!([{ "not": { "required": ["messageTemplate", "embedsTemplate"] } }])
}
