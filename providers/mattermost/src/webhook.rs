//! The incoming webhook: it takes a message and says `ok`, no more.

use crate::config::Config;
use crate::connection::Connection;
use crate::{errors, message};
use postern_provider::http::Response;
use postern_provider::prelude::*;
use postern_provider::text::one_line;
use serde_json::Value;

/// An error's body: the open server's `AppError`.
#[derive(Deserialize)]
struct Complaint {
    id: String,
    message: String,
    /// What the server's own log is searched by.
    #[serde(default)]
    request_id: String,
}

pub(crate) fn deliver(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
    post(delivery.connection()?, &message::body(delivery)).map(|()| Receipt::none())
}

/// A webhook can only post, so it gets a message that says it is a test.
pub(crate) fn test(settings: &Settings<Config, Connection>) -> Result<String, Failure> {
    post(settings.connection()?, &message::test(settings.config.as_ref()))?;
    Ok("Mattermost took a test message; it stands in the channel".into())
}

fn post(connection: &Connection, body: &Value) -> Result<(), Failure> {
    let response = http::post(&connection.webhook_url).json(body).send()?;
    if !response.is_success() {
        return Err(failure(&response));
    }
    if response.text().trim() != "ok" {
        // A proxy's or a sign-in page's, say.
        return Err(Failure::backoff(format!(
            "HTTP {} came without Mattermost's `ok`: is the webhook's URL that of a Mattermost server?",
            response.status
        )));
    }
    Ok(())
}

fn failure(response: &Response) -> Failure {
    let Ok(Complaint { id, message, request_id }) = response.json() else { return response.failure() };
    let advice = errors::advice(&id).map(|advice| format!(" ({advice})")).unwrap_or_default();
    let request = if request_id.is_empty() { String::new() } else { format!(" [request {}]", one_line(&request_id)) };
    let text = format!("Mattermost answered HTTP {}: {}{advice}{request}", response.status, one_line(&message));
    if errors::PERMANENT.contains(&id.as_str()) {
        return Failure::never(text);
    }
    Failure { message: text, ..response.failure() }
}
