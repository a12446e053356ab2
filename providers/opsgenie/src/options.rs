//! The drop-downs of teams, users, schedules and escalations.
//!
//! <https://docs.opsgenie.com/docs/team-api>, `schedule-api`, `escalation-api` and `user-api`, each "List …". Users alone come by
//! pages (<https://docs.opsgenie.com/docs/pagination>).

use crate::api::{self, Data};
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, one_line};

/// The contract's bound on a drop-down.
const MOST: usize = 1000;

/// Users in a page: the greatest.
const PAGE: usize = 100;

/// How many pages are read, so that a call stays within its eight requests.
const PAGES: usize = 8;

/// One of any of the lists.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    #[serde(default)]
    name: String,
    /// A team's or an escalation's.
    #[serde(default)]
    description: String,
    /// A user's email address.
    #[serde(default)]
    username: String,
    #[serde(default)]
    full_name: String,
}

pub(crate) fn list(request: &OptionsRequest) -> Result<Vec<OptionItem>, Failure> {
    let name = request.name.as_str();
    if !["teams", "users", "schedules", "escalations"].contains(&name) {
        return Err(Failure::never(format!("there are no options `{name}`")));
    }
    let connection: Connection = request.connection()?;
    if !connection.service.can_read() {
        return Err(Failure::never(format!(
            "Jira Service Management lists no {name} for an integration's key: enter their IDs, which their pages' addresses have"
        )));
    }
    let query = request.query.as_deref().unwrap_or_default().trim().to_lowercase();
    let fits = |entry: &Entry| {
        [&entry.name, &entry.username, &entry.full_name].iter().any(|text| text.to_lowercase().contains(&query))
            || entry.id.eq_ignore_ascii_case(&query)
    };
    let entries = if name == "users" { users(&connection, fits)? } else { all(&connection, name)? };
    Ok(entries.into_iter().filter(fits).take(MOST).map(Entry::into_option).collect())
}

fn all(connection: &Connection, name: &str) -> Result<Vec<Entry>, Failure> {
    Ok(read(connection, &format!("/v2/{name}"))?.data)
}

fn users(connection: &Connection, fits: impl Fn(&Entry) -> bool) -> Result<Vec<Entry>, Failure> {
    let mut found = Vec::new();
    for page in 0..PAGES {
        let users = read(connection, &format!("/v2/users?limit={PAGE}&offset={}", page * PAGE))?.data;
        let is_last = users.len() < PAGE;
        found.extend(users.into_iter().filter(|user| fits(user)));
        if is_last {
            return Ok(found);
        }
    }
    log::info("the account may have more users than were read: enter an email address that is missing");
    Ok(found)
}

/// These need a right that creating alerts does not: <https://docs.opsgenie.com/docs/api-access-management>.
fn read(connection: &Connection, path: &str) -> Result<Data<Vec<Entry>>, Failure> {
    api::get(connection, path).map_err(|refusal| match refusal.status {
        Some(403) => refusal.context("listing needs a key with access to configurations; without it, enter names yourself"),
        _ => refusal.failure,
    })
}

impl Entry {
    /// What is saved is the id, which stays when a name changes; of a user the address, which people know.
    fn into_option(self) -> OptionItem {
        let (value, label, detail) = if self.username.is_empty() {
            (self.id, self.name, self.description)
        } else {
            let label = if self.full_name.is_empty() { self.username.clone() } else { self.full_name };
            (self.username.clone(), label, self.username)
        };
        let description = Limit::characters(120).shorten(&one_line(&detail)).into_owned();
        OptionItem { value, label, description: Some(description).filter(|text| !text.is_empty()) }
    }
}
