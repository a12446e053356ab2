//! Tries settings, and changes nothing: who the account is, what it may do in the project, and whether the issue type's
//! create screen has the fields that the subscription sets.

use crate::api;
use crate::config::{Config, LaterEvents};
use crate::connection::Connection;
use crate::fields;
use crate::metadata;
use postern_provider::prelude::*;
use std::collections::BTreeMap;

/// <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-myself/>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    display_name: String,
}

/// <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-permissions/>
#[derive(Deserialize)]
struct Permissions {
    permissions: BTreeMap<String, Permission>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permission {
    name: String,
    have_permission: bool,
}

pub(crate) fn run(settings: &Settings<Config, Connection>) -> Result<String, Failure> {
    let connection = settings.connection()?;
    let Identity { display_name } = api::get(connection, "myself").map_err(api::Refusal::into_failure)?;
    let signed_in = format!("signed in as {display_name}");
    let Some(config) = &settings.config else { return Ok(signed_in) };
    may(connection, config)?;
    let listing = metadata::create_fields(connection, &config.project, &config.issue_type)
        .map_err(|refusal| refusal.context(format!("{signed_in}, but reading the fields of {} failed", config.project)))?;
    let problems = fields::problems(config, &listing.entries);
    if !listing.more && !problems.is_empty() {
        return Err(Failure::never(format!("{signed_in}, but issues cannot be made so: {}", problems.join("; "))));
    }
    Ok(format!("{signed_in}; {} takes issues of this type", config.project))
}

/// Whether the account has the permissions that the settings need.
fn may(connection: &Connection, config: &Config) -> Result<(), Failure> {
    let moves = config.when_changed.is_some() || config.when_resolved.is_some() || config.when_reopened.is_some();
    let needed: Vec<_> = [
        ("BROWSE_PROJECTS", true),
        ("CREATE_ISSUES", true),
        ("ADD_COMMENTS", config.later_events == LaterEvents::Comment),
        ("EDIT_ISSUES", config.later_events == LaterEvents::Update),
        ("TRANSITION_ISSUES", moves),
        ("ASSIGN_ISSUES", config.assignee.is_some()),
    ]
    .into_iter()
    .filter(|(_, needed)| *needed)
    .map(|(key, _)| key)
    .collect();
    let by = if config.project.starts_with(|first: char| first.is_ascii_digit()) { "projectId" } else { "projectKey" };
    let path = format!("mypermissions?{by}={}&permissions={}", config.project, needed.join(","));
    let Permissions { permissions } = api::get(connection, &path)
        .map_err(|refusal| refusal.context(format!("reading the permissions in {}", config.project)))?;
    let missing: Vec<_> =
        permissions.values().filter(|permission| !permission.have_permission).map(|it| it.name.as_str()).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Failure::never(format!(
            "the account lacks these permissions in {}: {}; give them to one of its roles there",
            config.project,
            missing.join(", ")
        ))),
    }
}
