//! The settings of an Opsgenie subscription. All are optional: with none, alerts are as they should be.

use crate::action::Action;
use postern_provider::notice::Severity;
use postern_provider::prelude::*;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "Who is alerted, what events do to alerts, and what stands in them.")]
pub struct Config {
    /// Teams to alert, by name or ID. Without any responders, the integration's own settings say who is.
    #[serde(default)]
    #[schemars(title = "Teams", length(max = 50))]
    pub(crate) teams: Vec<Team>,

    /// Users to alert, by email address or ID.
    #[serde(default)]
    #[schemars(title = "Users", length(max = 50))]
    pub(crate) users: Vec<User>,

    /// Schedules whose users on call are alerted, by name or ID.
    #[serde(default)]
    #[schemars(title = "Schedules", length(max = 50))]
    pub(crate) schedules: Vec<Schedule>,

    /// Escalations to follow, by name or ID.
    #[serde(default)]
    #[schemars(title = "Escalations", length(max = 50))]
    pub(crate) escalations: Vec<Escalation>,

    /// What certain events do, in place of the usual: what begins creates an alert, what changes adds a note, what was
    /// acknowledged acknowledges it, and what is over closes it. The first entry that fits the event counts.
    #[serde(default)]
    #[schemars(title = "Actions", length(max = 50))]
    pub(crate) actions: Vec<EventRule<Action>>,

    /// Which priority an alert has by the event's severity.
    #[serde(default)]
    #[schemars(title = "Priorities")]
    pub(crate) priorities: Priorities,

    /// Tags of the alert, at most 50 characters each: `{{ payload.region }}`. Rules of Opsgenie can route by them.
    #[serde(default)]
    #[schemars(title = "Tags", length(max = 20))]
    pub(crate) tags: Vec<Template<template::Text>>,

    /// The alert's message, in place of the usual one. What is longer than 130 characters is shortened. Opsgenie shows HTML in
    /// it as such, also that of values.
    #[schemars(title = "Message template")]
    pub(crate) message_template: Option<Template<template::Text>>,

    /// The alert's description, in place of the usual one with the payload's fields. At most 15,000 characters; HTML is shown
    /// as such.
    #[schemars(title = "Description template")]
    pub(crate) description_template: Option<Template<template::Text>>,

    /// The note that later events leave, in place of the usual one.
    #[schemars(title = "Note template")]
    pub(crate) note_template: Option<Template<template::Text>>,

    /// What the alert is about, a host or system, in place of what the payload names.
    #[schemars(title = "Entity template")]
    pub(crate) entity_template: Option<Template<template::Text>>,

    /// The alert's extra properties as a JSON object, in place of the payload's fields: `{"runbook": "{{ payload.runbook }}"}`.
    #[schemars(title = "Details template")]
    pub(crate) details_template: Option<Template<template::Json>>,
}

/// A text that a drop-down offers values for.
macro_rules! chosen {
    ($name:ident, $options:literal) => {
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(inline, extend("x-options" = $options))]
        pub(crate) struct $name(#[schemars(length(min = 1, max = 200))] pub(crate) String);
    };
}

chosen!(Team, "teams");
chosen!(User, "users");
chosen!(Schedule, "schedules");
chosen!(Escalation, "escalations");

/// Opsgenie's own default is P3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields, default)]
pub(crate) struct Priorities {
    /// For something important that does not work.
    #[schemars(title = "Critical")]
    critical: Priority,
    /// For something that does not work.
    #[schemars(title = "Error")]
    error: Priority,
    /// For something that somebody should look at.
    #[schemars(title = "Warning")]
    warning: Priority,
    /// For everything else, and where the payload does not say how bad it is.
    #[schemars(title = "Info")]
    info: Priority,
}

/// <https://docs.opsgenie.com/docs/alert-api>, "Create Alert": P1 is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Priority {
    P1,
    P2,
    P3,
    P4,
    P5,
}

impl Default for Priorities {
    fn default() -> Self {
        Self { critical: Priority::P1, error: Priority::P2, warning: Priority::P3, info: Priority::P5 }
    }
}

impl Priorities {
    pub(crate) fn of(self, severity: Severity) -> Priority {
        match severity {
            Severity::Critical => self.critical,
            Severity::Error => self.error,
            Severity::Warning => self.warning,
            Severity::Info => self.info,
        }
    }
}
