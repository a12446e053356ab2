//! The settings of a Webex subscription: the space, and what may be changed about its messages.

use postern_provider::prelude::*;

/// An id of the API: Base64 of a text in ASCII that ends with a UUID, so that neither `+` nor `/` is in it.
const ID: &str = "^[A-Za-z0-9_-]{20,120}=*$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "Where and how messages are posted.")]
pub struct Config {
    /// The space that messages go to, by its id. The bot must be in it.
    #[schemars(title = "Space", regex(pattern = ID), extend("x-options" = "rooms"))]
    pub(crate) room_id: String,

    /// What an event of an entity does that has a message already (the subscription's entity key says which events belong
    /// together): `thread` replies to that message, `edit` replaces its text, `separate` posts a new one. Webex takes ten edits
    /// of a message; what comes after them replies.
    #[serde(default)]
    #[schemars(title = "Later events")]
    pub(crate) later_events: LaterEvents,

    /// The message in Markdown, in place of the usual one: `**{{ payload.title }}** is {{ payload.status }}`. `<@all>` and
    /// `<@personEmail:ada@example.com>` mention people; a value never does.
    #[schemars(title = "Message template")]
    pub(crate) message_template: Option<Template<template::Markdown>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LaterEvents {
    #[default]
    Thread,
    Edit,
    Separate,
}
