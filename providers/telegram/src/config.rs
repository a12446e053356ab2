//! The settings of a Telegram subscription: the chat, and what may be changed about its messages.

use postern_provider::notice::Severity;
use postern_provider::prelude::*;

/// A chat's number, of at most 52 bits (<https://core.telegram.org/bots/api#chat>), or a public name.
const CHAT: &str = "^(-?[1-9][0-9]{0,15}|@[A-Za-z][A-Za-z0-9_]{3,31})$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "Where and how messages are posted.")]
pub struct Config {
    /// The chat's number (`-1001234567890` for a group or channel) or the `@name` of a public one. The list holds the chats that
    /// the bot heard of in the last 24 hours: add it to the group, or send it a message, and look again.
    #[schemars(title = "Chat", regex(pattern = CHAT), extend("x-options" = "chats"))]
    pub(crate) chat_id: String,

    /// In a group with topics: the topic's number. It stands in the link to a message of the topic, behind the group:
    /// `t.me/c/1234567890/TOPIC/45`. Without it, messages go to "General".
    #[schemars(title = "Topic", range(min = 1, max = 2_147_483_647))]
    pub(crate) topic: Option<i64>,

    /// What an event of an entity does that has a message already (the subscription's entity key says which events belong
    /// together): `reply` answers that message, `edit` replaces its text, of which Telegram notifies nobody, `separate` posts
    /// a new one.
    #[serde(default)]
    #[schemars(title = "Later events")]
    pub(crate) later_events: LaterEvents,

    /// From which severity on a message makes a sound. Below it, messages arrive silently.
    #[serde(default)]
    #[schemars(title = "Sound from")]
    pub(crate) sound_from: SoundFrom,

    /// The message in Markdown, in place of the usual one: `**{{ payload.title }}** is {{ payload.status }}`.
    #[schemars(title = "Message template")]
    pub(crate) message_template: Option<Template<template::Markdown>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LaterEvents {
    #[default]
    Reply,
    Edit,
    Separate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SoundFrom {
    Info,
    #[default]
    Warning,
    Error,
    Critical,
    Never,
}

impl SoundFrom {
    /// Whether a message of this severity arrives without a sound.
    pub(crate) fn is_silent(self, severity: Severity) -> bool {
        severity
            < match self {
                Self::Info => Severity::Info,
                Self::Warning => Severity::Warning,
                Self::Error => Severity::Error,
                Self::Critical => Severity::Critical,
                Self::Never => return true,
            }
    }
}
