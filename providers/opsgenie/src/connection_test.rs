//! Tries settings by closing an alert that does not exist: it needs the rights that deliveries need, and changes nothing.

use crate::api::{self, Outcome};
use crate::config::Config;
use crate::connection::Connection;
use postern_provider::prelude::*;
use serde_json::json;

/// No entity's alias unless somebody chose it.
const NO_ALERT: &str = "postern-connection-test";

pub(crate) fn run(settings: &Settings<Config, Connection>) -> Result<String, Failure> {
    let connection = settings.connection()?;
    let name = connection.service.name();
    let body = json!({ "source": "Postern", "user": "Postern", "note": "Tries whether alerts can be changed." });
    let tried = format!("{name} takes changes of alerts with this key (one that does not exist was closed)");
    let request = match api::post(connection, &format!("/{NO_ALERT}/close?identifierType=alias"), &body) {
        Ok(request) => request,
        Err(refusal) if refusal.status == Some(404) => return Ok(tried),
        Err(refusal) => return Err(refusal.failure),
    };
    match api::outcome(connection, request) {
        Outcome::Done { .. } => Ok(format!("{tried}, but there was an open alert with the alias `{NO_ALERT}`")),
        Outcome::Failed(_) | Outcome::Unknown { .. } => Ok(tried),
    }
}
