//! The provider that posts events to Telegram chats by a bot: `sendMessage`, `editMessageText`.
//!
//! Invariants:
//! - The bot's token is a part of the URL's path and goes to `api.telegram.org` only.
//! - Styles are sent as entities beside a plain text, never as markup in it: there is nothing to escape, no text can fail to be
//!   parsed, and no cut can break a style.
//! - Nothing in a payload mentions anybody: values are code, in which Telegram looks for no mention, and elsewhere a character
//!   without width parts an `@` from the name.
//! - A text that is too long for Telegram is shortened with a visible mark; it fails no delivery.
//! - An external id is `chat:message` or `chat:message:topic` and names the message that was posted.
//!
//! | module | holds |
//! |---|---|
//! | `connection`, `config` | the settings and their schemas |
//! | `styled` | a text with its styles |
//! | `markdown` | from a rendered template to such a text |
//! | `message` | what is posted |
//! | `deliver` | posts, replies, edits |
//! | `api`, `errors` | the way to Telegram, and what its errors mean |
//! | `chats` | the drop-down of chats |
//! | `connection_test` | tries settings |

mod api;
mod chats;
mod config;
mod connection;
mod connection_test;
mod deliver;
mod errors;
mod markdown;
mod message;
mod styled;

use config::Config;
use connection::Connection;
use postern_provider::prelude::*;
use std::time::Duration;

/// The provider `postern.telegram`.
#[derive(Debug)]
pub struct Telegram;

impl Provider for Telegram {
    type Config = Config;
    type Connection = Connection;
    const TEST_CONNECTION: Option<TestConnection<Self>> = Some(connection_test::run);
    const LIST_OPTIONS: Option<ListOptions> = Some(chats::list);

    fn manifest() -> Manifest {
        Manifest::new("telegram", env!("CARGO_PKG_VERSION"), "Telegram")
            .description(
                "Posts events to Telegram chats by a bot; later events of the same entity reply to its message or replace it.",
            )
            .icon("Send")
            .host("api.telegram.org")
            .setup_guide(include_str!("../setup-guide.md"))
            .example_payload(include_str!("../example-payload.json"))
            .link("https://core.telegram.org/bots/api#sendmessage")
            // In a group 20 messages a minute; in any chat about one a second; for the bot about 30 a second:
            // https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this. The host keeps a hint for a whole
            // connection, so this is the careful side for a bot that posts to many chats.
            .rate(20, Duration::from_secs(60))
    }

    fn deliver(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
        deliver::run(delivery)
    }
}

postern_provider::export!(Telegram);
