//! The settings of a Mattermost subscription. All are optional: with none, messages are as they should be.

use postern_provider::notice::{Phase, Severity};
use postern_provider::prelude::*;

/// A channel's name (not the one that is displayed), or `@name` for a person:
/// <https://developers.mattermost.com/integrate/webhooks/incoming/#parameters>.
const CHANNEL: &str = "^[#@]?[a-z0-9][a-z0-9._-]*$";

/// An emoji's name with or without colons.
const EMOJI: &str = "^:?[^:\\s]+:?$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "Where and how messages are posted.", extend("allOf" = conditions()))]
pub struct Config {
    /// In place of the webhook's channel: the name in the channel's URL (`town-square`, not "Town Square"), or `@name` for a
    /// direct message. A webhook that is locked to its channel takes no other.
    #[schemars(title = "Channel", regex(pattern = CHANNEL), length(max = 64))]
    pub(crate) channel: Option<String>,

    /// The name that messages are posted under. The server must allow integrations to override user names.
    #[schemars(title = "User name", length(min = 1, max = 64))]
    pub(crate) username: Option<String>,

    /// The picture of messages: a URL. The server must allow integrations to override profile pictures.
    #[schemars(title = "Icon URL", url, regex(pattern = "^https?://"), length(max = 1024))]
    pub(crate) icon_url: Option<String>,

    /// The picture of messages: an emoji such as `:rotating_light:`, which goes before the icon's URL. The server must allow it
    /// likewise.
    #[schemars(title = "Icon emoji", regex(pattern = EMOJI), length(max = 100))]
    pub(crate) icon_emoji: Option<String>,

    /// The mark that makes a message stand out: `standard` is none, `severity` gives critical events `urgent` and errors
    /// `important`, as long as they are not over.
    #[serde(default)]
    #[schemars(title = "Priority")]
    pub(crate) priority: Priority,

    /// Asks the readers of messages with a priority to acknowledge them.
    #[serde(default)]
    #[schemars(title = "Request acknowledgement")]
    pub(crate) request_acknowledgement: bool,

    /// The message in Markdown, in place of the usual one: `**{{ payload.title }}** is {{ payload.status }}`. `@channel` and
    /// `@name` notify people; a value never does.
    #[schemars(title = "Message template")]
    pub(crate) message_template: Option<Template<template::Markdown>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Priority {
    #[default]
    Standard,
    Important,
    Urgent,
    Severity,
}

impl Priority {
    /// What Mattermost calls it for this notice; none for the standard.
    pub(crate) fn name(self, notice: &Notice) -> Option<&'static str> {
        match self {
            Self::Standard => None,
            Self::Important => Some("important"),
            Self::Urgent => Some("urgent"),
            Self::Severity if notice.phase == Phase::Resolved => None,
            Self::Severity => match notice.severity {
                Severity::Critical => Some("urgent"),
                Severity::Error => Some("important"),
                Severity::Warning | Severity::Info => None,
            },
        }
    }
}

/// Only a message with a priority can ask for an acknowledgement:
/// <https://docs.mattermost.com/developers/integrate/reference/message-priority>.
fn conditions() -> serde_json::Value {
    serde_json::json!([{
        "if": { "properties": { "requestAcknowledgement": { "const": true } }, "required": ["requestAcknowledgement"] },
        "then": { "properties": { "priority": { "enum": ["important", "urgent", "severity"] } }, "required": ["priority"] }
    }])
}
