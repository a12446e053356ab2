//! The drop-downs: projects, and what depends on the project and the issue type that were chosen before.

use crate::api::{self, Bounds, Refusal};
use crate::config::OWN_FIELDS;
use crate::connection::Connection;
use crate::issue::Status;
use crate::metadata::{self, Field};
use crate::transitions::CATEGORY;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, one_line};

/// The contract's bound on a drop-down.
const MOST: usize = 1000;

/// A page of projects has 50 (JRACLOUD-84803).
const PROJECTS: Bounds = Bounds { pages: 8, page_size: 50 };

/// A page of issue types has at most 200.
const ISSUE_TYPES: Bounds = Bounds { pages: 4, page_size: 200 };

const PRIORITIES: Bounds = Bounds { pages: 6, page_size: 50 };

/// The status categories that a status can be of:
/// <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-workflow-status-categories/>.
const CATEGORIES: [(&str, &str); 3] =
    [("done", "Any status of the category Done"), ("indeterminate", "Any of In Progress"), ("new", "Any of To Do")];

const DESCRIPTION: Limit = Limit::characters(120);

pub(crate) fn list(request: &OptionsRequest) -> Result<Vec<OptionItem>, Failure> {
    let question = Question { connection: request.connection()?, request };
    let found = match request.name.as_str() {
        "projects" => question.projects(),
        "issueTypes" => question.issue_types(),
        "priorities" => question.priorities(),
        "assignees" => question.assignees(),
        "fields" => question.fields(),
        "statuses" => question.statuses(),
        other => return Err(Failure::never(format!("there are no options `{other}`"))),
    };
    let mut found = found.map_err(Refusal::into_failure)?;
    found.truncate(MOST);
    Ok(found)
}

struct Question<'a> {
    connection: Connection,
    request: &'a OptionsRequest,
}

#[derive(Deserialize)]
struct Project {
    key: String,
    name: String,
}

#[derive(Deserialize)]
struct IssueType {
    id: String,
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    subtask: bool,
    #[serde(default)]
    statuses: Vec<Status>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    name: String,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    account_id: String,
    display_name: String,
    /// Hidden where the user wants it so.
    email_address: Option<String>,
    #[serde(default)]
    active: bool,
}

impl Question<'_> {
    fn query(&self) -> String {
        self.request.query.as_deref().unwrap_or_default().trim().to_lowercase()
    }

    /// A setting that must have been filled in before.
    fn chosen(&self, name: &str, what: &str) -> Result<String, Failure> {
        let value = self.request.config[name].as_str().map(str::trim).filter(|value| !value.is_empty());
        value.map(api::encoded).ok_or_else(|| Failure::never(format!("choose the {what} first")))
    }

    fn fits(&self, item: &OptionItem) -> bool {
        let query = self.query();
        item.label.to_lowercase().contains(&query) || item.value.eq_ignore_ascii_case(&query)
    }

    /// Those that issues can be made in.
    fn projects(&self) -> Result<Vec<OptionItem>, Refusal> {
        let query = match self.query() {
            query if query.is_empty() => String::new(),
            query => format!("&query={}", api::encoded(&query)),
        };
        let path = format!("project/search?orderBy=name&action=create{query}");
        let found = api::list::<Project>(&self.connection, &path, PROJECTS)?;
        if found.more {
            log::info("the site has more projects than were read: search by name, or enter the project's key");
        }
        let item = |project: Project| OptionItem::new(&project.key, format!("{} ({})", project.name, project.key));
        Ok(found.entries.into_iter().map(item).collect())
    }

    /// Without sub-tasks, which need a parent.
    fn issue_types(&self) -> Result<Vec<OptionItem>, Refusal> {
        let path = format!("issue/createmeta/{}/issuetypes", self.chosen("project", "project")?);
        let found = api::list::<IssueType>(&self.connection, &path, ISSUE_TYPES)?;
        let types = found.entries.into_iter().filter(|kind| !kind.subtask);
        Ok(types.map(|kind| item(kind.id, kind.name, &kind.description)).filter(|item| self.fits(item)).collect())
    }

    /// Those of the project's priority scheme, which is asked for by the project's number.
    fn priorities(&self) -> Result<Vec<OptionItem>, Refusal> {
        #[derive(Deserialize)]
        struct Numbered {
            id: String,
        }
        let project: Numbered = api::get(&self.connection, &format!("project/{}", self.chosen("project", "project")?))?;
        let path = format!("priority/search?projectId={}", api::encoded(&project.id));
        let found = api::list::<Named>(&self.connection, &path, PRIORITIES)?;
        let items = found.entries.into_iter().map(|priority| item(priority.id, priority.name, &priority.description));
        Ok(items.filter(|item| self.fits(item)).collect())
    }

    /// Jira looks at no more than a thousand users, so pages would lead no further:
    /// <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-user-search/>.
    fn assignees(&self) -> Result<Vec<OptionItem>, Refusal> {
        let project = self.chosen("project", "project")?;
        let query = self.query();
        if query.is_empty() {
            return Err(Failure::never("type the beginning of a name or of an email address").into());
        }
        let path = format!("user/assignable/search?project={project}&query={}&maxResults={MOST}", api::encoded(&query));
        let found: Vec<User> = api::get(&self.connection, &path)?;
        Ok(found
            .into_iter()
            .filter(|user| user.active)
            .map(|user| item(user.account_id, user.display_name, &user.email_address.unwrap_or_default()))
            .collect())
    }

    fn fields(&self) -> Result<Vec<OptionItem>, Refusal> {
        let (project, issue_type) = (self.chosen("project", "project")?, self.chosen("issueType", "issue type")?);
        let found = metadata::create_fields(&self.connection, &project, &issue_type)?;
        Ok(found.entries.into_iter().filter_map(field_item).filter(|item| self.fits(item)).collect())
    }

    fn statuses(&self) -> Result<Vec<OptionItem>, Refusal> {
        let project = self.chosen("project", "project")?;
        let types: Vec<IssueType> = api::get(&self.connection, &format!("project/{project}/statuses"))?;
        let chosen = self.request.config["issueType"].as_str();
        let mut items: Vec<_> =
            CATEGORIES.iter().map(|(key, label)| OptionItem::new(format!("{CATEGORY}{key}"), *label)).collect();
        for status in types.into_iter().filter(|kind| chosen.is_none_or(|id| id == kind.id)).flat_map(|kind| kind.statuses) {
            if items.iter().all(|item| item.value != status.name) {
                items.push(item(status.name.clone(), status.name, &status.status_category.name));
            }
        }
        Ok(items.into_iter().filter(|item| self.fits(item)).collect())
    }
}

fn item(value: String, label: String, description: &str) -> OptionItem {
    let description = DESCRIPTION.shorten(&one_line(description)).into_owned();
    OptionItem { value, label, description: Some(description).filter(|text| !text.is_empty()) }
}

/// A field that can be mapped, with its type and what it can hold.
fn field_item(field: Field) -> Option<OptionItem> {
    let kind = field.kind().filter(|_| !OWN_FIELDS.contains(&field.field_id.as_str()))?;
    let required = if field.required && !field.has_default_value { ", required" } else { "" };
    let choices: Vec<_> = field.choices().take(20).collect();
    let separator = if choices.is_empty() { "" } else { ": " };
    let description = format!("{kind}{required}{separator}{}", choices.join(", "));
    Some(item(field.field_id, field.name, &description))
}
