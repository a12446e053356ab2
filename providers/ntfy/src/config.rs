//! The settings of an ntfy subscription: the topic, and what may be changed about its notifications.

use postern_provider::notice::{Phase, Severity};
use postern_provider::prelude::*;

/// A topic's name: <https://docs.ntfy.sh/api/>, the parameter `topic`.
const TOPIC: &str = "^[-_A-Za-z0-9]{1,64}$";

/// A tag, or the short code of an emoji (<https://docs.ntfy.sh/emojis/>). ntfy parts tags by commas.
const TAG: &str = "^[-+_A-Za-z0-9]+$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "Where and how notifications are published.")]
pub struct Config {
    /// The topic. On a server without access control its name is all that protects it: whoever knows it can read and publish.
    #[schemars(title = "Topic", regex(pattern = TOPIC))]
    pub(crate) topic: String,

    /// How loud notifications are. `severity` gives critical events `max`, errors `high`, warnings `default` and all others
    /// `low`; what is over has `default`.
    #[serde(default)]
    #[schemars(title = "Priority")]
    pub(crate) priority: Priority,

    /// What an event of an entity does that has a notification already (the subscription's entity key says which events belong
    /// together): `replace` puts its own in the place of that, which needs ntfy 2.16 or later, `separate` publishes another.
    #[serde(default)]
    #[schemars(title = "Later events")]
    pub(crate) later_events: LaterEvents,

    /// The title, in place of the usual one: `{{ payload.title }} ({{ payload.severity }})`.
    #[schemars(title = "Title template")]
    pub(crate) title_template: Option<Template<template::Text>>,

    /// The message, in place of the usual one. It is plain text.
    #[schemars(title = "Message template")]
    pub(crate) message_template: Option<Template<template::Text>>,

    /// The page that a tap opens, in place of the payload's: `https://status.example.com/{{ payload.incidentId }}`.
    #[schemars(title = "Click template", length(max = 2000))]
    pub(crate) click_template: Option<Template<template::Url>>,

    // All of them together, with commas between, are far below the 512 bytes that ntfy takes.
    /// Tags that stand below the message, or emojis by their short codes, which stand before the title: `computer`.
    #[serde(default)]
    #[schemars(title = "Tags", length(max = 7), inner(regex(pattern = TAG), length(max = 64)))]
    pub(crate) tags: Vec<String>,

    /// The notification's picture: the URL of a JPEG or PNG file.
    #[schemars(title = "Icon URL", url, regex(pattern = "^https?://"), length(max = 1024))]
    pub(crate) icon_url: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Priority {
    #[default]
    Severity,
    Min,
    Low,
    Default,
    High,
    Max,
}

impl Priority {
    /// ntfy's number: <https://docs.ntfy.sh/publish/#message-priority>.
    pub(crate) fn number(self, notice: &Notice) -> u8 {
        match self {
            Self::Severity if notice.phase == Phase::Resolved => 3,
            Self::Severity => match notice.severity {
                Severity::Critical => 5,
                Severity::Error => 4,
                Severity::Warning => 3,
                Severity::Info => 2,
            },
            Self::Min => 1,
            Self::Low => 2,
            Self::Default => 3,
            Self::High => 4,
            Self::Max => 5,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LaterEvents {
    #[default]
    Replace,
    Separate,
}
