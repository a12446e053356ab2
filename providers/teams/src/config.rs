//! The settings of a Teams subscription. All are optional: with none, cards are as they should be.

use postern_provider::prelude::*;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "What is posted.", extend("allOf" = conditions()))]
pub struct Config {
    /// The message in Markdown, in place of the usual card: `**{{ payload.title }}** is {{ payload.status }}`. Teams knows bold,
    /// italic, lists and links.
    #[schemars(title = "Message template")]
    pub(crate) message_template: Option<Template<template::Markdown>>,

    /// The Adaptive Card as JSON, in place of the usual one. Values stand in it as they are: put them into a `TextRun`, where
    /// nothing is read as Markdown.
    #[schemars(title = "Card template")]
    pub(crate) card_template: Option<Template<template::Json>>,
}

/// Two templates for one message would leave one of them without effect.
fn conditions() -> serde_json::Value {
    serde_json::json!([{ "not": { "required": ["messageTemplate", "cardTemplate"] } }])
}
