//! Incoming webhooks: they post a new message and say `ok`, no more.

use crate::connection::Connection;
use crate::errors;
use crate::message::Message;
use postern_provider::prelude::*;
use serde_json::json;

/// What an answer to too many messages has in its body.
#[derive(Deserialize)]
struct Limited {
    error: String,
    retry_after: Option<f64>,
}

/// Posts a message. `channel`, `username` and `icon_emoji` have an effect in legacy webhooks only.
pub(crate) fn post(connection: &Connection, message: &Message, dressed: &[(&str, Option<&str>)]) -> Result<(), Failure> {
    let mut body = json!({ "text": message.text, "blocks": message.blocks, "unfurl_links": false, "unfurl_media": false });
    for (name, value) in dressed {
        if let Some(value) = value {
            body[*name] = json!(value);
        }
    }
    let response = http::post(connection.webhook_url()?).json(&body).send()?;
    if response.is_success() {
        return Ok(());
    }
    // The text is the code, except with 429, whose answer is JSON: prometheus/alertmanager#2111.
    let text = response.text();
    Err(match response.json::<Limited>() {
        Ok(limited) => {
            let delay = response.retry_after().or_else(|| limited.retry_after.and_then(http::seconds));
            response.failure_because(&errors::explained(&limited.error, "")).waiting(delay)
        }
        Err(_) => response.failure_because(&errors::explained(text.trim(), "")),
    })
}
