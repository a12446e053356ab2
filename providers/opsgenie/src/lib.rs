//! The provider that creates, notes on, acknowledges and closes alerts by Opsgenie's Alert API, which Jira Service Management
//! has taken over: the same calls on another host.
//!
//! Invariants:
//! - The API key goes to the three hosts of that API only: its schema says so.
//! - The alias is made of the entity's key alone, so that every event of an entity finds its alert, and creating it twice only
//!   counts it twice.
//! - A request that was accepted (202) is never sent again, whatever becomes of asking for its outcome.
//! - A delivery that only tries the subscription out has aliases of its own: it changes no real alert.
//! - Nothing in a payload becomes HTML in the usual texts, which alerts would show as such.
//! - What is too long is shortened with a visible mark; it fails no delivery.
//!
//! | module | holds |
//! |---|---|
//! | `connection`, `config` | the settings and their schemas |
//! | `action` | what an event does to its alert |
//! | `alias` | which alert it is |
//! | `alert`, `responders` | what is sent, within its limits |
//! | `api` | the calls, their errors, and the outcome of what was accepted |
//! | `deliver` | creates and changes alerts |
//! | `reconcile` | finds the effect of an attempt whose answer was lost |
//! | `options` | the drop-downs of teams, users, schedules and escalations |
//! | `connection_test` | tries settings |

mod action;
mod alert;
mod alias;
mod api;
mod config;
mod connection;
mod connection_test;
mod deliver;
mod options;
mod reconcile;
mod responders;

use config::Config;
use connection::Connection;
use postern_provider::prelude::*;

/// The provider `postern.opsgenie`.
#[derive(Debug)]
pub struct Opsgenie;

impl Provider for Opsgenie {
    type Config = Config;
    type Connection = Connection;
    const TEST_CONNECTION: Option<TestConnection<Self>> = Some(connection_test::run);
    const LIST_OPTIONS: Option<ListOptions> = Some(options::list);
    const RECONCILE: Option<Reconcile<Self>> = Some(reconcile::find);

    fn manifest() -> Manifest {
        // No rate hint: the limits depend on the account's plan and size, and the answers' headers say when one is reached
        // (https://docs.opsgenie.com/docs/api-rate-limiting).
        Manifest::new("opsgenie", env!("CARGO_PKG_VERSION"), "Opsgenie")
            .description(
                "Creates an alert in Opsgenie or Jira Service Management for what begins, adds notes, acknowledges it, and closes \
                 it when it is over.",
            )
            .icon("BellRing")
            .host(connection::US)
            .host(connection::EU)
            .host(connection::JIRA)
            .setup_guide(include_str!("../setup-guide.md"))
            .example_payload(include_str!("../example-payload.json"))
            .header("Authorization", "GenieKey and the API key")
            .link("https://docs.opsgenie.com/docs/alert-api")
    }

    fn deliver(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
        deliver::run(delivery)
    }
}

postern_provider::export!(Opsgenie);
