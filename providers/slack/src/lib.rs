//! The provider that posts events to Slack: by a bot token (`chat.postMessage`, `chat.update`) or by an incoming webhook.
//!
//! Invariants:
//! - A bot token goes to Slack's Web API only, a webhook's URL to Slack's webhook hosts only: their schema says so.
//! - Nothing in a payload becomes a mention, a link or markup in the usual message: what is shown as mrkdwn is escaped.
//! - A text that is too long for Slack is shortened with a visible mark; it fails no delivery.
//! - An external id is `channel:ts` and names the message that was posted, so that later events find it.
//!
//! | module | holds |
//! |---|---|
//! | `connection`, `config` | the settings and their schemas |
//! | `message` | what is posted |
//! | `deliver` | posts, replies, updates; finds an earlier post |
//! | `api`, `webhook` | the two ways to Slack |
//! | `errors` | what Slack's error codes mean |
//! | `channels` | the drop-down of channels |
//! | `connection_test` | tries settings |

mod api;
mod channels;
mod config;
mod connection;
mod connection_test;
mod deliver;
mod errors;
mod message;
mod webhook;

use config::Config;
use connection::Connection;
use postern_provider::prelude::*;
use std::time::Duration;

/// The provider `postern.slack`.
#[derive(Debug)]
pub struct Slack;

impl Provider for Slack {
    type Config = Config;
    type Connection = Connection;
    const TEST_CONNECTION: Option<TestConnection<Self>> = Some(connection_test::run);
    const LIST_OPTIONS: Option<ListOptions> = Some(channels::list);
    const RECONCILE: Option<Reconcile<Self>> = Some(deliver::find);

    fn manifest() -> Manifest {
        Manifest::new("slack", env!("CARGO_PKG_VERSION"), "Slack")
            .description(
                "Posts events to Slack channels; later events of the same entity reply in its thread or update its message.",
            )
            .icon("MessageSquare")
            .host("slack.com")
            .host("hooks.slack.com")
            // GovSlack runs on a domain of its own: https://docs.slack.dev/govslack
            .host("slack-gov.com")
            .host("hooks.slack-gov.com")
            .setup_guide(include_str!("../setup-guide.md"))
            .example_payload(include_str!("../example-payload.json"))
            .header("Authorization", "With a bot token: Bearer and the token")
            .link("https://docs.slack.dev/messaging/sending-and-scheduling-messages")
            // About one message a second for each channel, with short bursts, and several hundred a minute for the workspace:
            // https://docs.slack.dev/apis/web-api/rate-limits. The host keeps a hint for a whole connection, so this is the
            // careful side for one that posts to many channels.
            .rate(5, Duration::from_secs(5))
    }

    fn deliver(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
        deliver::run(delivery)
    }
}

postern_provider::export!(Slack);
