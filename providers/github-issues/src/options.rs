//! The drop-downs: repositories, and what the chosen one has.

use crate::api::{self, Refusal};
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, one_line};
use serde_json::Value;

/// The contract's bound on a drop-down.
const MOST: usize = 1000;

/// How many requests a question may take.
const PAGES: usize = 8;

const DESCRIPTION: Limit = Limit::characters(120);

pub(crate) fn list(request: &OptionsRequest) -> Result<Vec<OptionItem>, Failure> {
    let connection = request.connection()?;
    let found = match request.name.as_str() {
        "repositories" => repositories(&connection),
        "labels" => of_repository(&connection, request, "labels?per_page=100", |label| {
            Some(item(text(&label["name"]), text(&label["name"]), text(&label["description"])))
        }),
        "milestones" => of_repository(&connection, request, "milestones?state=open&per_page=50", |milestone| {
            Some(item(&milestone["number"].as_u64()?.to_string(), text(&milestone["title"]), text(&milestone["description"])))
        }),
        "assignees" => of_repository(&connection, request, "assignees?per_page=100", |user| {
            Some(item(text(&user["login"]), text(&user["login"]), ""))
        }),
        other => return Err(Failure::never(format!("there are no options `{other}`"))),
    };
    let query = request.query.as_deref().unwrap_or_default().trim().to_lowercase();
    let fits = |item: &OptionItem| item.label.to_lowercase().contains(&query) || item.value.eq_ignore_ascii_case(&query);
    Ok(found.map_err(Refusal::into_failure)?.into_iter().filter(fits).take(MOST).collect())
}

/// Those that take issues:
/// <https://docs.github.com/en/rest/repos/repos#list-repositories-for-the-authenticated-user>. Entries are large, so pages are of 50.
fn repositories(connection: &Connection) -> Result<Vec<OptionItem>, Refusal> {
    let found = api::list(connection, "user/repos?sort=pushed&per_page=50", PAGES)?;
    if found.more {
        log::info("the account sees more repositories than were read: enter the name, `owner/repository`");
    }
    let takes_issues = |repository: &&Value| repository["has_issues"] == true && repository["archived"] != true;
    let item = |repository: &Value| {
        item(text(&repository["full_name"]), text(&repository["full_name"]), text(&repository["description"]))
    };
    Ok(found.entries.iter().filter(takes_issues).map(item).collect())
}

fn of_repository(
    connection: &Connection,
    request: &OptionsRequest,
    path: &str,
    item: impl Fn(&Value) -> Option<OptionItem>,
) -> Result<Vec<OptionItem>, Refusal> {
    // What is filled in so far may be anything.
    let repository = request.config["repository"].as_str().map(str::trim).filter(|name| api::is_repository(name));
    let repository = repository.ok_or_else(|| Failure::never("choose the repository first"))?;
    let found = api::list(connection, &format!("repos/{repository}/{path}"), PAGES)?;
    if found.more {
        log::info("the repository has more than were read: enter what is missing");
    }
    Ok(found.entries.iter().filter_map(item).collect())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn item(value: &str, label: &str, description: &str) -> OptionItem {
    let description = DESCRIPTION.shorten(&one_line(description)).into_owned();
    OptionItem { value: value.to_owned(), label: one_line(label), description: Some(description).filter(|text| !text.is_empty()) }
}
