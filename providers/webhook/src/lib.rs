//! The provider that sends events as HTTP requests to wherever an administrator says, signed if there is a secret.
//!
//! Invariants:
//! - The message's id is the delivery's id, on every attempt, so that a receiver can drop what it has already.
//! - A config that lacks something fails; nothing is sent without the credentials that it asks for.
//! - Only 2xx is a success. Redirects are not followed.
//! - The bytes that are signed are the bytes that are sent.
//!
//! | module | holds |
//! |---|---|
//! | `config` | the settings and their schema |
//! | `message` | the request: body and headers |
//! | `authentication`, `signature` | how the receiver knows the sender |
//! | `external_id` | what is taken from the answer |
//! | `connection_test` | the message that tries settings |

mod authentication;
mod config;
mod connection_test;
mod external_id;
mod message;
mod signature;

use config::Config;
use message::{Message, Sender};
use postern_provider::prelude::*;

/// The provider `postern.webhook`.
#[derive(Debug)]
pub struct Webhook;

impl Provider for Webhook {
    type Config = Config;
    type Connection = NoConnection;
    const TEST_CONNECTION: Option<TestConnection<Self>> = Some(connection_test::run);

    fn manifest() -> Manifest {
        Manifest::new("webhook", env!("CARGO_PKG_VERSION"), "Webhook")
            .description("Sends each event as an HTTP request to a URL, signed as Standard Webhooks has it.")
            .icon("Webhook")
            .host("{config.url}")
            .setup_guide(include_str!("../setup-guide.md"))
            .example_payload(include_str!("../example-payload.json"))
            .header("Content-Type", "application/json, or application/x-www-form-urlencoded with the JSON in the field `payload`")
            .header("User-Agent", "Postern-Webhook and its version")
            .header("X-Delivery-Id", "The delivery's id: the same on every attempt")
            .header("X-Event-Type", "The event type's id, incident.incident.created say")
            .header("Authorization", "With bearer or basic authentication")
            .header("webhook-id", "With a signing secret: the delivery's id")
            .header("webhook-timestamp", "With a signing secret: when this attempt was made, in seconds since 1970")
            .header("webhook-signature", "With a signing secret: one `v1,…` for each secret, separated by spaces")
            .link("https://www.standardwebhooks.com")
    }

    fn deliver(delivery: &Delivery<Config>) -> Result<Receipt, Failure> {
        let message = Message {
            id: &delivery.id,
            event_type: &delivery.event.event_id,
            timestamp: &delivery.event.timestamp,
            subscription: Sender { id: &delivery.subscription.id, name: &delivery.subscription.name },
            data: &delivery.event.payload,
        };
        let response = message.request(&delivery.config)?.send()?;
        if !response.is_success() {
            return Err(response.failure_retrying(&delivery.config.retry_on_status));
        }
        Ok(Receipt { external_id: external_id::find(&response.body) })
    }
}

postern_provider::export!(Webhook);
