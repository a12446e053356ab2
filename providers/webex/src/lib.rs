//! The provider that posts events to Webex spaces by a bot: `POST /messages`, and `PUT` to edit.
//!
//! Invariants:
//! - The bot's token goes to Webex's API only: its schema says so.
//! - Nothing in a payload becomes a mention, a link or markup in the usual message: marks of Markdown, and `<`, with
//!   which Webex's mentions begin, become entities.
//! - A text that is too long for Webex is shortened with a visible mark; it fails no delivery.
//! - An external id is `room:message` and names the message that was posted, so that later events find it.
//!
//! | module | holds |
//! |---|---|
//! | `connection`, `config` | the settings and their schemas |
//! | `message` | what is posted |
//! | `deliver` | posts, replies, edits |
//! | `api` | the way to Webex, and what its errors mean |
//! | `rooms` | the drop-down of spaces |
//! | `connection_test` | tries settings |

mod api;
mod config;
mod connection;
mod connection_test;
mod deliver;
mod message;
mod rooms;

use config::Config;
use connection::Connection;
use postern_provider::prelude::*;

/// The provider `postern.webex`.
#[derive(Debug)]
pub struct Webex;

impl Provider for Webex {
    type Config = Config;
    type Connection = Connection;
    const TEST_CONNECTION: Option<TestConnection<Self>> = Some(connection_test::run);
    const LIST_OPTIONS: Option<ListOptions> = Some(rooms::list);

    /// Without a rate hint: Webex publishes no number, and says in `Retry-After` when it has enough
    /// (<https://developer.webex.com/blog/rate-limiting-and-the-webex-api>).
    fn manifest() -> Manifest {
        Manifest::new("webex", env!("CARGO_PKG_VERSION"), "Webex")
            .description(
                "Posts events to Webex spaces by a bot; later events of the same entity reply to its message or replace it.",
            )
            .icon("MessagesSquare")
            .host("webexapis.com")
            // Webex for Government: https://developer-usgov.webex.com/docs/api/guides/create-a-fedramp-bot
            .host("api-usgov.webex.com")
            .setup_guide(include_str!("../setup-guide.md"))
            .example_payload(include_str!("../example-payload.json"))
            .header("Authorization", "Bearer and the bot's token")
            .link("https://developer.webex.com/docs/api/v1/messages/create-a-message")
    }

    fn deliver(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
        deliver::run(delivery)
    }
}

postern_provider::export!(Webex);
