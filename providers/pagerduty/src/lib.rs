//! The provider that opens, acknowledges and resolves alerts at PagerDuty, by the Events API v2.
//!
//! Invariants:
//! - The integration key goes to PagerDuty's two events hosts only: its schema says so.
//! - The deduplication key is made of the entity's key alone, so that every event of an entity finds its alert, and a second
//!   delivery of an event opens no second alert.
//! - A delivery that only tries the subscription out has keys of its own: it changes no real alert.
//! - What is too long for PagerDuty is shortened with a visible mark; it fails no delivery.
//!
//! | module | holds |
//! |---|---|
//! | `connection`, `config` | the settings and their schemas |
//! | `action` | what an event does to its alert |
//! | `key` | which alert it is |
//! | `event`, `details` | what is sent, and how it is kept within its limits |
//! | `api` | sends it, and reads the answer |
//! | `connection_test` | tries settings |

mod action;
mod api;
mod config;
mod connection;
mod connection_test;
mod details;
mod event;
mod key;

use action::Action;
use config::Config;
use connection::Connection;
use postern_provider::prelude::*;
use std::time::Duration;

/// The provider `postern.pagerduty`.
#[derive(Debug)]
pub struct PagerDuty;

impl Provider for PagerDuty {
    type Config = Config;
    type Connection = Connection;
    const TEST_CONNECTION: Option<TestConnection<Self>> = Some(connection_test::run);

    fn manifest() -> Manifest {
        Manifest::new("pagerduty", env!("CARGO_PKG_VERSION"), "PagerDuty")
            .description("Opens an alert at PagerDuty for what begins, acknowledges it, and resolves it when it is over.")
            .icon("Siren")
            // The two service regions: https://support.pagerduty.com/docs/service-regions
            .host(connection::US)
            .host(connection::EU)
            .idempotent()
            .setup_guide(include_str!("../setup-guide.md"))
            .example_payload(include_str!("../example-payload.json"))
            .link("https://developer.pagerduty.com/docs/events-api-v2/overview/")
            // About 120 calls a minute for each integration key, which is what a connection holds:
            // PagerDuty/developer-docs, docs/events-API-v2/05-Rate-Limits.md
            .rate(120, Duration::from_secs(60))
    }

    fn deliver(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
        let connection = delivery.connection()?;
        let notice = delivery.notice();
        let action = Action::of(delivery, &notice);
        if action == Action::Ignore {
            log::info("nothing was sent: the subscription's actions say that this event is ignored");
            return Ok(Receipt::none());
        }
        let key = key::of(delivery, action)?;
        api::send(connection, &event::body(delivery, &notice, connection, action, &key)?)?;
        Ok(Receipt::with_external_id(key))
    }
}

postern_provider::export!(PagerDuty);
