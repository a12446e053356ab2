//! The provider that posts events to a Mattermost server by an incoming webhook.
//!
//! Invariants:
//! - The webhook's URL is a secret as a whole. Its server is the administrator's own, so the host is taken from that very field,
//!   and the secret goes nowhere else.
//! - Nothing in a payload mentions anybody or becomes markup: marks of Markdown become entities, and a character without
//!   width parts an `@` from the name, since Mattermost reads `\@all` as a mention all the same.
//! - A text that is too long for one post is shortened with a visible mark; Mattermost would make several posts of it.
//! - A webhook only posts: there is no external id, and later events of an entity are posts of their own.
//!
//! | module | holds |
//! |---|---|
//! | `connection`, `config` | the settings and their schemas |
//! | `message` | what is posted |
//! | `webhook` | the way to Mattermost |
//! | `errors` | what its errors mean |

mod config;
mod connection;
mod errors;
mod message;
mod webhook;

use config::Config;
use connection::Connection;
use postern_provider::prelude::*;
use std::time::Duration;

/// The provider `postern.mattermost`.
#[derive(Debug)]
pub struct Mattermost;

impl Provider for Mattermost {
    type Config = Config;
    type Connection = Connection;
    const TEST_CONNECTION: Option<TestConnection<Self>> = Some(webhook::test);

    fn manifest() -> Manifest {
        Manifest::new("mattermost", env!("CARGO_PKG_VERSION"), "Mattermost")
            .description("Posts events to Mattermost channels by an incoming webhook.")
            .icon("MessageCircle")
            .host("{connection.webhookUrl}")
            .setup_guide(include_str!("../setup-guide.md"))
            .example_payload(include_str!("../example-payload.json"))
            .link("https://developers.mattermost.com/integrate/webhooks/incoming/")
            // What a server takes that limits its rate and sets no other number:
            // https://docs.mattermost.com/administration-guide/configure/rate-limiting-configuration-settings.html
            .rate(10, Duration::from_secs(1))
    }

    fn deliver(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
        webhook::deliver(delivery)
    }
}

postern_provider::export!(Mattermost);
