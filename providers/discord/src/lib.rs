//! The provider that posts events to a Discord channel by a webhook, and edits what it posted when more happens.
//!
//! Invariants:
//! - The webhook's URL goes to Discord's hosts only: its schema says so.
//! - Nothing in a payload mentions anybody (`allowed_mentions`), and in the usual message nothing is read as Markdown.
//! - A text that is too long for Discord is shortened with a visible mark; it fails no delivery.
//! - What Discord answers with 401, 403 or 404 is not repeated: too many of these ban the host's address.
//! - An external id is `MESSAGE` or `MESSAGE:THREAD`, so that later events find the message.
//!
//! | module | holds |
//! |---|---|
//! | `connection`, `config` | the settings and their schemas |
//! | `message` | what is posted |
//! | `limits` | Discord's bounds on a message, and how they are kept |
//! | `deliver` | posts and edits |
//! | `api` | requests and answers |
//! | `errors` | what Discord's error codes mean |
//! | `rate_limit` | how long to wait |
//! | `connection_test` | tries settings |

mod api;
mod config;
mod connection;
mod connection_test;
mod deliver;
mod errors;
mod limits;
mod message;
mod rate_limit;

use config::Config;
use connection::Connection;
use postern_provider::prelude::*;
use std::time::Duration;

/// The provider `postern.discord`.
#[derive(Debug)]
pub struct Discord;

impl Provider for Discord {
    type Config = Config;
    type Connection = Connection;
    const TEST_CONNECTION: Option<TestConnection<Self>> = Some(connection_test::run);

    fn manifest() -> Manifest {
        Manifest::new("discord", env!("CARGO_PKG_VERSION"), "Discord")
            .description("Posts events to a Discord channel by a webhook; later events of the same entity edit its message.")
            .icon("MessagesSquare")
            .host("discord.com")
            // The name before 2020, which older URLs still have.
            .host("discordapp.com")
            .setup_guide(include_str!("../setup-guide.md"))
            .example_payload(include_str!("../example-payload.json"))
            .header("User-Agent", "DiscordBot with this provider's name and version, as Discord asks for")
            .link("https://docs.discord.com/developers/resources/webhook")
            // Discord wants its limits to be learned from its answers and names none
            // (https://docs.discord.com/developers/topics/rate-limits); these are obeyed in `rate_limit`. The hint only spares most
            // of the refusals: an answer of 429 counts towards a ban of the address.
            .rate(5, Duration::from_secs(5))
    }

    fn deliver(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
        deliver::run(delivery)
    }
}

postern_provider::export!(Discord);
