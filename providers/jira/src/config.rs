//! The settings of a Jira subscription. Project and issue type are needed; with no more, issues are as they should be.

use postern_provider::prelude::*;
use std::fmt;

/// A project's key or id.
const PROJECT: &str = "^([A-Z][A-Z0-9_]+|[0-9]+)$";

/// An id as Jira gives it to issue types and priorities.
const ID: &str = "^[0-9]+$";

/// An account's id has at most 128 characters: <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-users/>.
const ACCOUNT: &str = "^[0-9A-Za-z:_-]{1,128}$";

/// A field's id: `duedate`, `customfield_10010`.
const FIELD: &str = "^[A-Za-z][A-Za-z0-9_]*$";

/// Fields that the other settings set, so that no mapping can overwrite them.
pub(crate) const OWN_FIELDS: [&str; 4] = ["project", "issuetype", "summary", "description"];

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "Where issues are made, what they say, and what later events do to them.")]
pub struct Config {
    /// The project that issues are made in: its key.
    #[schemars(title = "Project", regex(pattern = PROJECT), length(max = 255), extend("x-options" = "projects"))]
    pub(crate) project: String,

    /// The issue type's id. Choose the project first.
    #[schemars(title = "Issue type", regex(pattern = ID), length(max = 20), extend("x-options" = "issueTypes"))]
    pub(crate) issue_type: String,

    /// The priority's id. Without one, issues have the project's default. To choose it by the event, map the field `priority`.
    #[schemars(title = "Priority", regex(pattern = ID), length(max = 20), extend("x-options" = "priorities"))]
    pub(crate) priority: Option<String>,

    /// The account that issues are assigned to. Without one, the project's rules decide.
    #[schemars(title = "Assignee", regex(pattern = ACCOUNT), extend("x-options" = "assignees"))]
    pub(crate) assignee: Option<String>,

    /// The summary, in place of the usual one: `{{ payload.title }} ({{ payload.severity }})`.
    #[schemars(title = "Summary template")]
    pub(crate) summary_template: Option<Template<template::Text>>,

    /// The description in Markdown, in place of the usual one: `**{{ payload.title }}** since {{ payload.createdAt }}`.
    #[schemars(title = "Description template")]
    pub(crate) description_template: Option<Template<template::Markdown>>,

    /// Other fields of the issue. Each field once.
    #[serde(default)]
    #[schemars(title = "Fields", length(max = 50))]
    pub(crate) fields: Vec<FieldMapping>,

    /// What an event of an entity does that has an issue already (the subscription's entity key says which events belong
    /// together): `comment` adds a comment, `update` writes summary, description and mapped fields anew, `nothing` leaves
    /// them; the transitions below are made in any case.
    #[serde(default)]
    #[schemars(title = "Later events")]
    pub(crate) later_events: LaterEvents,

    /// The comment in Markdown, in place of the usual one.
    #[schemars(title = "Comment template")]
    pub(crate) comment_template: Option<Template<template::Markdown>>,

    /// Where an issue goes when its entity changed: a transition's or a status's name (`In Progress`), or a status category
    /// (`category:new`, `category:indeterminate`, `category:done`). Nowhere, unless set.
    #[schemars(title = "Transition on change", length(min = 1, max = 255), extend("x-options" = "statuses"))]
    pub(crate) when_changed: Option<String>,

    /// Where an issue goes when its entity is over: resolved, closed, healthy again. `category:done` closes it in every
    /// workflow that lets it. Nowhere, unless set.
    #[schemars(title = "Transition on end", length(min = 1, max = 255), extend("x-options" = "statuses"))]
    pub(crate) when_resolved: Option<String>,

    /// Where an issue that is done goes when its entity begins again: `category:new`, say. Unless set, a new issue is made.
    #[schemars(title = "Transition on return", length(min = 1, max = 255), extend("x-options" = "statuses"))]
    pub(crate) when_reopened: Option<String>,

    /// The resolution's name, `Done` say, for transitions whose screen asks for one.
    #[schemars(title = "Resolution", length(min = 1, max = 255))]
    pub(crate) resolution: Option<String>,

    /// Whether issues get a label by which they are found again (`postern-` and a hash), so that a try whose answer was lost
    /// makes no second issue. The field Labels must then be on the project's create screen.
    #[serde(default = "yes")]
    #[schemars(title = "Label issues")]
    pub(crate) label_issues: bool,
}

fn yes() -> bool {
    true
}

/// One field of the issue and what it gets.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FieldMapping {
    /// The field's id. Choose project and issue type first.
    #[schemars(
        title = "Field",
        regex(pattern = FIELD),
        length(max = 255),
        extend("x-options" = "fields", "not" = { "enum": OWN_FIELDS })
    )]
    pub(crate) field: String,

    /// What the field holds. `automatic` asks Jira for it before an issue is made; any other saves this request. `text` is one
    /// line, `paragraph` several in Markdown; `date` is `2026-01-02` and `dateTime` `2026-01-02T03:04:05Z`; `option` and
    /// `options` are by their values, `cascading` is `parent > child`; `user` and `users` are account ids; `named` and
    /// `namedList` are things by their names, a component say; `json` goes to Jira as it is.
    #[serde(default, rename = "type")]
    #[schemars(title = "Type")]
    pub(crate) kind: FieldType,

    /// The value. Several are separated by commas, or a JSON list. Where it is empty, the field is left out.
    #[schemars(title = "Value")]
    pub(crate) value: Template<template::Text>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FieldType {
    #[default]
    Automatic,
    // One line of text, or a URL.
    Text,
    // Text in several lines; it is read as Markdown.
    Paragraph,
    Number,
    // `2026-01-02`.
    Date,
    // `2026-01-02T03:04:05Z`.
    DateTime,
    // An option of a select list or of radio buttons, by its value.
    Option,
    // Options of a multi-select or of checkboxes.
    Options,
    // A cascading select list: `parent > child`.
    Cascading,
    // A user by the account's id.
    User,
    Users,
    Group,
    Groups,
    Labels,
    // A thing by its name: a priority, a version, a component.
    Named,
    // Several of these.
    NamedList,
    // JSON that goes to Jira as it is.
    Json,
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = serde_json::to_value(self).unwrap_or_default();
        f.write_str(name.as_str().unwrap_or_default())
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LaterEvents {
    #[default]
    Comment,
    Update,
    Nothing,
}
