//! Tries settings by resolving an alert that does not exist: such an event is accepted and dropped
//! (<https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>, "Alert De-Duplication").

use crate::action::Action;
use crate::api;
use crate::config::Config;
use crate::connection::{Connection, Region};
use postern_provider::prelude::*;
use serde_json::json;

/// No entity's key: those of deliveries have no such beginning unless somebody chose it.
const NO_ALERT: &str = "postern connection test";

pub(crate) fn run(settings: &Settings<Config, Connection>) -> Result<String, Failure> {
    let connection = settings.connection()?;
    let body = json!({ "routing_key": connection.routing_key, "event_action": Action::Resolve, "dedup_key": NO_ALERT });
    api::send(connection, &body)?;
    let region = match connection.region {
        Region::Us => "US",
        Region::Eu => "EU",
    };
    Ok(format!("PagerDuty's {region} region takes events with this integration key; no alert was opened or changed"))
}
