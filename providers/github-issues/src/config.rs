//! The settings of a GitHub subscription. The repository is needed; with no more, issues are as they should be.

use postern_provider::prelude::*;

/// Owner and name. A name of dots alone would lead elsewhere.
const REPOSITORY: &str = r"^[A-Za-z0-9_-]{1,100}/[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$";

/// A milestone's number in its repository.
const MILESTONE: &str = "^[1-9][0-9]{0,8}$";

/// A user's login.
const LOGIN: &str = "^[A-Za-z0-9_-]+$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "Where issues are made, what they say, and what later events do to them.")]
pub struct Config {
    /// The repository that issues are made in: `acme/operations`.
    #[schemars(title = "Repository", regex(pattern = REPOSITORY), length(max = 200), extend("x-options" = "repositories"))]
    pub(crate) repository: String,

    /// Labels of new issues. Labels, milestone and assignees need an account with the role "Triage"; GitHub leaves them out
    /// otherwise.
    #[serde(default)]
    #[schemars(title = "Labels", length(max = 20))]
    pub(crate) labels: Vec<Label>,

    /// The number of the milestone of new issues.
    #[schemars(title = "Milestone", regex(pattern = MILESTONE), extend("x-options" = "milestones"))]
    pub(crate) milestone: Option<String>,

    // "You can assign up to 10 people": https://docs.github.com/en/issues/tracking-your-work-with-issues
    /// Who new issues are assigned to, by login.
    #[serde(default)]
    #[schemars(title = "Assignees", length(max = 10))]
    pub(crate) assignees: Vec<Assignee>,

    /// The title, in place of the usual one: `{{ payload.title }} ({{ payload.severity }})`.
    #[schemars(title = "Title template")]
    pub(crate) title_template: Option<Template<template::Text>>,

    /// The issue's text in Markdown, in place of the usual one: `**{{ payload.title }}**, see @acme/operations`. `@name` notifies
    /// people; a value never does.
    #[schemars(title = "Body template")]
    pub(crate) body_template: Option<Template<template::Markdown>>,

    /// What an event of an entity does that has an issue already (the subscription's entity key says which events belong
    /// together): `comment` adds a comment, `update` writes title and text anew, `nothing` leaves them. The issue is closed and
    /// reopened in any case as said below.
    #[serde(default)]
    #[schemars(title = "Later events")]
    pub(crate) later_events: LaterEvents,

    /// The comment in Markdown, in place of the usual one.
    #[schemars(title = "Comment template")]
    pub(crate) comment_template: Option<Template<template::Markdown>>,

    /// What happens to the issue when its entity is over: it is closed as `completed` or as `notPlanned`, or stays `open`.
    #[serde(default)]
    #[schemars(title = "When it is over")]
    pub(crate) when_resolved: WhenResolved,

    /// What happens when an entity begins again whose issue is closed: a `new` issue, or the old one is opened again (`reopen`).
    #[serde(default)]
    #[schemars(title = "When it begins again")]
    pub(crate) when_reopened: WhenReopened,
}

/// A label's name.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("x-options" = "labels"))]
pub(crate) struct Label(#[schemars(length(min = 1, max = 50))] pub(crate) String);

/// A user's login.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("x-options" = "assignees"))]
pub(crate) struct Assignee(#[schemars(regex(pattern = LOGIN), length(max = 100))] pub(crate) String);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LaterEvents {
    #[default]
    Comment,
    Update,
    Nothing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum WhenResolved {
    #[default]
    Completed,
    NotPlanned,
    Open,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WhenReopened {
    #[default]
    New,
    Reopen,
}
