//! The provider that posts events to Microsoft Teams: as Adaptive Cards, to the webhook of a workflow (Power Automate).
//!
//! Invariants:
//! - The webhook's URL goes to its own host only, and that is one of those that Microsoft names for workflows.
//! - Nothing in a payload mentions, links or formats anything in the usual card: it stands in elements that read no Markdown.
//! - A card that is too large for Teams is shortened with visible marks; it fails no delivery.
//! - An error that stands in the body of an answer of 2xx is an error.
//!
//! A workflow answers before it posts, and says nothing of the message. So there is no external id, later events are messages of
//! their own, and an earlier one cannot be looked for.
//!
//! | module | holds |
//! |---|---|
//! | `connection`, `config` | the settings and their schemas |
//! | `message` | which card is posted, and that it fits |
//! | `card` | the usual card |
//! | `markdown` | values in a text of Markdown |
//! | `workflow` | posts, and reads the answer |
//! | `errors` | what a workflow's errors mean |

mod card;
mod config;
mod connection;
mod errors;
mod markdown;
mod message;
mod workflow;

use config::Config;
use connection::Connection;
use postern_provider::prelude::*;
use std::time::Duration;

/// The provider `postern.teams`.
#[derive(Debug)]
pub struct Teams;

impl Provider for Teams {
    type Config = Config;
    type Connection = Connection;
    const TEST_CONNECTION: Option<TestConnection<Self>> = Some(test_connection);

    fn manifest() -> Manifest {
        Manifest::new("teams", env!("CARGO_PKG_VERSION"), "Microsoft Teams")
            .description("Posts events as Adaptive Cards to Teams channels and chats, by the webhook of a workflow.")
            .icon("MessageSquareText")
            // Each connection's own host and no other; the connection's schema lets only Microsoft's be saved. Workflows on other
            // hosts are other destinations: one that fails delays none of them.
            .host("{connection.webhookUrl}")
            .setup_guide(include_str!("../setup-guide.md"))
            .example_payload(include_str!("../example-payload.json"))
            .header("Content-Type", "application/json; charset=utf-8")
            .link("https://support.microsoft.com/en-us/office/send-messages-in-teams-using-incoming-webhooks-323660ec-12ca-40b1-a1d3-a3df47e808c4")
            // No page names a rate for a workflow that posts. Teams' webhooks take 4 requests in a second and 60 in 30 seconds
            // (https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using), a workflow
            // 4,500 calls in 5 minutes (https://learn.microsoft.com/power-automate/limits-and-config): this is the least of them.
            .rate(60, Duration::from_secs(30))
    }

    fn deliver(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
        let connection = delivery.connection()?;
        workflow::post(connection, &message::of(delivery)?).map(|()| Receipt::none())
    }
}

/// A workflow can only be tried by a card, which says that it is a test.
fn test_connection(settings: &Settings<Config, Connection>) -> Result<String, Failure> {
    workflow::post(settings.connection()?, &message::test())?;
    Ok("the workflow took a test card: look whether it stands in the channel, since a workflow answers before it posts".into())
}

postern_provider::export!(Teams);
