//! The provider that makes events issues in Jira Cloud, by its REST API, version 3.
//!
//! Invariants:
//! - The token goes to the connection's site only, and that is one of Atlassian's unless the connection says otherwise.
//! - Nothing in a payload becomes a mention, a link or markup in the usual texts: they are plain text in the document.
//! - A text that is too long for Jira is shortened with a visible mark; it fails no delivery.
//! - A try whose answer was lost is looked for before anything is made again: issues by a label and a property, comments by
//!   a property. Updates and transitions may be made twice.
//! - An external id is the key of the entity's first issue.
//!
//! | module | holds |
//! |---|---|
//! | `connection`, `config` | the settings and their schemas |
//! | `message` | what issues and comments say |
//! | `document`, `markdown` | the Atlassian Document Format, and Markdown as such |
//! | `fields`, `metadata`, `value` | mapped fields: which there are, their types, their values |
//! | `deliver` | makes an issue, or changes the entity's |
//! | `issue`, `comments`, `transitions` | finds and moves issues, adds and finds comments |
//! | `api`, `errors` | requests, pages, and what refusals mean |
//! | `options` | the drop-downs |
//! | `connection_test` | tries settings |

mod api;
mod comments;
mod config;
mod connection;
mod connection_test;
mod deliver;
mod document;
mod errors;
mod fields;
mod issue;
mod markdown;
mod message;
mod metadata;
mod options;
mod transitions;
mod value;

use config::Config;
use connection::Connection;
use postern_provider::prelude::*;
use std::time::Duration;

/// The provider `postern.jira`.
#[derive(Debug)]
pub struct Jira;

impl Provider for Jira {
    type Config = Config;
    type Connection = Connection;
    const TEST_CONNECTION: Option<TestConnection<Self>> = Some(connection_test::run);
    const LIST_OPTIONS: Option<ListOptions> = Some(options::list);
    const RECONCILE: Option<Reconcile<Self>> = Some(deliver::find);

    fn manifest() -> Manifest {
        Manifest::new("jira", env!("CARGO_PKG_VERSION"), "Jira Cloud")
            .description(
                "Makes events issues in Jira Cloud; later events of the same entity comment on, update or move its issue.",
            )
            .icon("Ticket")
            .host("{connection.siteUrl}")
            .setup_guide(include_str!("../setup-guide.md"))
            .example_payload(include_str!("../example-payload.json"))
            .header("Authorization", "Basic, with the email address and the API token")
            .link("https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/")
            // One issue takes 20 changes in 2 seconds, and a delivery makes at most two; the limits of a site are far above:
            // https://developer.atlassian.com/cloud/jira/platform/rate-limiting/.
            .rate(5, Duration::from_secs(1))
    }

    fn deliver(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
        deliver::run(delivery)
    }
}

postern_provider::export!(Jira);
