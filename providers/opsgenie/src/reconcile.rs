//! Finds the effect of an attempt whose answer was lost.

use crate::action::Action;
use crate::alert::{DELIVERY, mark};
use crate::alias;
use crate::api::{self, Data, Refusal};
use crate::config::Config;
use crate::connection::Connection;
use postern_provider::prelude::*;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Alert {
    id: String,
    #[serde(default)]
    details: Map<String, Value>,
}

#[derive(Deserialize)]
struct Note {
    #[serde(default)]
    note: String,
}

/// An alert carries the id of the delivery that created it, and so does a note. Acknowledging and closing once more does no
/// harm, so these are not looked for. What is not worked on yet is not found, and then created again: its alias keeps it one.
///
/// The key needs the right to read. Without it, and at Jira Service Management, nothing is found.
pub(crate) fn find(delivery: &Delivery<Config, Connection>) -> Result<Option<Receipt>, Failure> {
    let connection = delivery.connection()?;
    let action = Action::of(delivery, &delivery.notice());
    if !matches!(action, Action::Create | Action::Note) || !connection.service.can_read() {
        return Ok(None);
    }
    let alias = alias::of(delivery, action)?;
    let found = match created(connection, &alias, &delivery.id) {
        Ok(None) if action == Action::Note => noted(connection, &alias, &delivery.id),
        found => found,
    };
    match found {
        Ok(receipt) => Ok(receipt),
        Err(refusal) if refusal.status == Some(404) => Ok(None),
        Err(refusal) if refusal.failure.retry == Retry::Never => {
            log::warn(format!("an earlier attempt's effect cannot be looked for: {}", refusal.failure));
            Ok(None)
        }
        Err(refusal) => Err(refusal.failure),
    }
}

/// <https://docs.opsgenie.com/docs/alert-api>, "Get Alert".
fn created(connection: &Connection, alias: &str, delivery: &str) -> Result<Option<Receipt>, Refusal> {
    let alert: Data<Alert> = api::get(connection, &format!("/v2/alerts/{alias}?identifierType=alias"))?;
    let is_ours = alert.data.details.get(DELIVERY).is_some_and(|id| id == delivery);
    Ok(is_ours.then(|| api::Outcome::Done { alert: alert.data.id }.receipt()))
}

/// <https://docs.opsgenie.com/docs/alert-api-continued>, "List Alert Notes": the newest hundred.
fn noted(connection: &Connection, alias: &str, delivery: &str) -> Result<Option<Receipt>, Refusal> {
    let path = format!("/v2/alerts/{alias}/notes?identifierType=alias&limit=100&order=desc");
    let notes: Data<Vec<Note>> = api::get(connection, &path)?;
    let mark = mark(delivery);
    Ok(notes.data.iter().any(|note| note.note.trim_end().ends_with(&mark)).then(Receipt::none))
}
