//! The provider that publishes events to a topic of an ntfy server: ntfy.sh, or one's own.
//!
//! Invariants:
//! - Credentials go to the connection's server only.
//! - Messages are plain text: nothing in a payload is read as Markdown, and there is nothing to escape.
//! - A text that is too long for ntfy is shortened with a visible mark; ntfy would make a file of it, or refuse it.
//! - Every notification has a sequence ID of its entity or its delivery, so that what is published again replaces what was there.
//! - An external id is that sequence ID. It is made anew from the entity's key each time, so none that comes back is trusted.
//!
//! | module | holds |
//! |---|---|
//! | `connection`, `config` | the settings and their schemas |
//! | `message` | what is published |
//! | `deliver` | publishes, and finds what was published |
//! | `api`, `errors` | the way to ntfy, and what its errors mean |
//! | `connection_test` | tries settings |

mod api;
mod config;
mod connection;
mod connection_test;
mod deliver;
mod errors;
mod message;

use config::Config;
use connection::Connection;
use postern_provider::prelude::*;
use std::time::Duration;

/// The provider `postern.ntfy`.
#[derive(Debug)]
pub struct Ntfy;

impl Provider for Ntfy {
    type Config = Config;
    type Connection = Connection;
    const TEST_CONNECTION: Option<TestConnection<Self>> = Some(connection_test::run);
    const RECONCILE: Option<Reconcile<Self>> = Some(deliver::find);

    fn manifest() -> Manifest {
        Manifest::new("ntfy", env!("CARGO_PKG_VERSION"), "ntfy")
            .description(
                "Publishes events to a topic of an ntfy server, for phones and desktops; later events of the same entity replace its \
                 notification.",
            )
            .icon("BellRing")
            .host("{connection.serverUrl}")
            .setup_guide(include_str!("../setup-guide.md"))
            .example_payload(include_str!("../example-payload.json"))
            .header("Authorization", "Bearer with the access token, or Basic with user name and password, if the connection has them")
            .link("https://docs.ntfy.sh/publish/")
            // A server takes 60 requests at once, and then one each 5 seconds, unless it is set otherwise:
            // https://docs.ntfy.sh/publish/#limitations.
            .rate(12, Duration::from_secs(60))
    }

    fn deliver(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
        deliver::run(delivery)
    }
}

postern_provider::export!(Ntfy);
