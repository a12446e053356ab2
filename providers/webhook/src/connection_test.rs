//! Tries settings with a message of its own: signed and authenticated like any other, and marked by its event type.

use crate::config::Config;
use crate::message::{Message, Sender};
use postern_provider::clock;
use postern_provider::prelude::*;
use serde_json::json;

/// The event type of test messages.
const EVENT_TYPE: &str = "postern.test";

/// Sends one message with the method, headers and body that the settings say.
pub(crate) fn run(settings: &Settings<Config>) -> Result<String, Failure> {
    let config = settings.config()?;
    if config.url.contains("{{") || config.url.contains("{%") {
        return Err(Failure::never("the URL is a template, which only an event can fill: save the subscription and send a test"));
    }
    let now = clock::now();
    let message = Message {
        id: &format!("test-{}", clock::unix_seconds()),
        event_type: EVENT_TYPE,
        timestamp: &clock::format(now),
        subscription: Sender { id: "test", name: "Test" },
        data: json!({ "message": "Postern tries whether this webhook can be reached." }),
    };
    let response = message.request(config)?.send()?;
    if response.is_success() { Ok(format!("the receiver answered HTTP {}", response.status)) } else { Err(response.failure()) }
}
