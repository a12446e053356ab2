//! The settings of a PagerDuty subscription. All are optional: with none, alerts are as they should be.

use crate::action::Action;
use postern_provider::notice::Severity;
use postern_provider::prelude::*;

/// A URL with `https` only, as images need it; else like the pattern of every URL template.
const HTTPS: &str = r"^https://[^\s/?#{}@\\]+([/?#].*)?$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "What events do to alerts, and what stands in them.")]
pub struct Config {
    /// What certain events do, in place of the usual: what begins triggers an alert, what changes triggers it again (which
    /// adds to the open alert), what was acknowledged acknowledges it, and what is over resolves it. The first entry that
    /// fits the event counts.
    #[serde(default)]
    #[schemars(title = "Actions", length(max = 50))]
    pub(crate) actions: Vec<EventRule<Action>>,

    /// Which of PagerDuty's severities stands for which of the event's. A service may notify differently by it.
    #[serde(default)]
    #[schemars(title = "Severities")]
    pub(crate) severities: Severities,

    /// The alert's title, in place of the usual one: `{{ payload.title }} on {{ payload.host }}`. What is longer than 1024
    /// characters is shortened.
    #[schemars(title = "Summary template")]
    pub(crate) summary_template: Option<Template<template::Text>>,

    /// What is affected, a host or system, in place of what the payload names.
    #[schemars(title = "Source template")]
    pub(crate) source_template: Option<Template<template::Text>>,

    /// The part of the source that is broken: `mysql`.
    #[schemars(title = "Component template")]
    pub(crate) component_template: Option<Template<template::Text>>,

    /// What the source belongs to: `app-stack`.
    #[schemars(title = "Group template")]
    pub(crate) group_template: Option<Template<template::Text>>,

    /// The kind of the event, in place of the event type's id. Event orchestrations can route by it.
    #[schemars(title = "Class template")]
    pub(crate) class_template: Option<Template<template::Text>>,

    /// The alert's custom details as a JSON object, in place of the payload's fields: `{"runbook": "{{ payload.runbook }}"}`.
    #[schemars(title = "Details template")]
    pub(crate) details_template: Option<Template<template::Json>>,

    /// Links to attach to the alert, after the payload's own.
    #[serde(default)]
    #[schemars(title = "Links", length(max = 10))]
    pub(crate) links: Vec<Link>,

    /// Images to show in the alert, a graph say. PagerDuty shows only what is served by HTTPS.
    #[serde(default)]
    #[schemars(title = "Images", length(max = 10))]
    pub(crate) images: Vec<Image>,
}

/// The usual ones have the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields, default)]
pub(crate) struct Severities {
    /// For something important that does not work.
    #[schemars(title = "Critical")]
    critical: Level,
    /// For something that does not work.
    #[schemars(title = "Error")]
    error: Level,
    /// For something that somebody should look at.
    #[schemars(title = "Warning")]
    warning: Level,
    /// For everything else, and where the payload does not say how bad it is.
    #[schemars(title = "Info")]
    info: Level,
}

/// <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>, `payload.severity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Critical,
    Error,
    Warning,
    Info,
}

impl Default for Severities {
    fn default() -> Self {
        Self { critical: Level::Critical, error: Level::Error, warning: Level::Warning, info: Level::Info }
    }
}

impl Severities {
    pub(crate) fn of(self, severity: Severity) -> Level {
        match severity {
            Severity::Critical => self.critical,
            Severity::Error => self.error,
            Severity::Warning => self.warning,
            Severity::Info => self.info,
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    /// Where it leads; values may be filled into its path and query.
    #[schemars(title = "URL", length(max = 2048))]
    pub(crate) href: Template<template::Url>,
    /// What it is called.
    #[schemars(title = "Text", length(min = 1, max = 255))]
    pub(crate) text: Option<Template<template::Text>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Image {
    /// The image, with `https://`; values may be filled into its path and query.
    #[schemars(title = "URL", length(max = 2048), regex(pattern = HTTPS))]
    pub(crate) src: Template<template::Url>,
    /// Where a click on it leads.
    #[schemars(title = "Link", length(max = 2048))]
    pub(crate) href: Option<Template<template::Url>>,
    /// What it shows, for those who do not see it.
    #[schemars(title = "Alternative text", length(min = 1, max = 255))]
    pub(crate) alt: Option<Template<template::Text>>,
}
