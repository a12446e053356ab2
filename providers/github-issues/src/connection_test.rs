//! Tries settings, and changes nothing: who the account is, whether the repository takes issues, and whether the account may set
//! what the subscription sets. Whether a token may write is only known by writing.

use crate::api::{self, Refusal};
use crate::config::Config;
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::one_line;
use serde_json::Value;

/// How many assignees are asked for, of those that there may be: a call has eight requests.
const ASSIGNEES: usize = 5;

pub(crate) fn run(settings: &Settings<Config, Connection>) -> Result<String, Failure> {
    let connection = settings.connection()?;
    let account = account(connection)?;
    let Some(config) = &settings.config else { return Ok(account) };
    let name = &config.repository;
    // <https://docs.github.com/en/rest/repos/repos#get-a-repository>
    let repository = api::get(connection, &format!("repos/{name}"))
        .map_err(|refusal| refusal.context(format!("{account}, but reading {name} failed")))?;
    match trouble(connection, config, &repository)? {
        Some(trouble) => Err(Failure::never(format!("{account}, but {trouble}"))),
        None => Ok(format!("{account}; {name} takes issues")),
    }
}

/// <https://docs.github.com/en/rest/users/users#get-the-authenticated-user>. The token of an app's installation is no user's.
fn account(connection: &Connection) -> Result<String, Failure> {
    match api::get(connection, "user") {
        Ok(user) => Ok(format!("signed in as {}", one_line(user["login"].as_str().unwrap_or_default()))),
        Err(Refusal { status: Some(403), failure: Failure { retry: Retry::Never, .. } }) => Ok("signed in as an app".into()),
        Err(refusal) => Err(refusal.into_failure()),
    }
}

fn trouble(connection: &Connection, config: &Config, repository: &Value) -> Result<Option<String>, Failure> {
    let name = &config.repository;
    if repository["archived"] == true {
        return Ok(Some(format!("{name} is archived: choose another repository")));
    }
    if repository["has_issues"] == false {
        return Ok(Some(format!("issues are switched off in {name}: switch them on in its settings")));
    }
    let sets = !config.labels.is_empty() || config.milestone.is_some() || !config.assignees.is_empty();
    let permissions = &repository["permissions"];
    if sets && permissions["triage"] == false && permissions["push"] == false {
        return Ok(Some(format!(
            "GitHub would leave labels, milestone and assignees out: give the account the role \"Triage\" in {name}"
        )));
    }
    let exists = |path: String| api::exists(connection, &format!("repos/{name}/{path}")).map_err(Refusal::into_failure);
    if let Some(milestone) = &config.milestone
        && !exists(format!("milestones/{milestone}"))?
    {
        return Ok(Some(format!("{name} has no milestone {milestone}: choose another")));
    }
    // <https://docs.github.com/en/rest/issues/assignees#check-if-a-user-can-be-assigned>
    for assignee in config.assignees.iter().take(ASSIGNEES) {
        if !exists(format!("assignees/{}", assignee.0))? {
            return Ok(Some(format!("issues in {name} cannot be assigned to {}", assignee.0)));
        }
    }
    Ok(None)
}
