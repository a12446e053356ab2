//! The HTTP API: what clients, the command line and pages talk to. The only crate that knows axum.
//!
//! Invariants:
//! - Everything but the probes needs a token whose scope allows it.
//! - Every change is recorded, with the token that made it.
//! - Every error is a problem document (RFC 9457) with a stable `code`, and changed nothing.
//! - No secret is in any answer.
//!
//! | module | what it does |
//! |---|---|
//! | [`token`] | makes, keeps and checks tokens |
//! | [`client`] | where a request comes from |
//! | [`authentication`] | whose request it is |
//! | [`throttle`] | bounds how many credentials may fail |
//! | [`access`] | what a request's token allows |
//! | [`path`] | the parts of a path |
//! | [`problem`] | errors as problem documents |
//! | [`answer`] | what calls answer with when they succeed |
//! | [`body`] | reads JSON bodies, with the place of what does not fit |
//! | [`cloud_events`] | CloudEvents in the three modes of HTTP |
//! | [`figures`] | the figures of the process, for whoever collects them |
//! | [`etag`] | revisions as entity tags |
//! | [`document`] | the API's description, made of the handlers' signatures |
//! | [`routes`] | the calls |
//! | [`server`] | serves until it is told to stop |

pub mod access;
pub mod answer;
pub mod authentication;
pub mod body;
pub mod client;
pub mod cloud_events;
mod document;
pub mod etag;
pub mod figures;
pub mod path;
pub mod problem;
pub mod routes;
pub mod server;
pub mod throttle;
pub mod token;

use client::Subnet;
use figures::Figures;
use postern_delivery::Catalog;
use postern_store::Store;
use std::sync::Arc;
use throttle::Throttle;
use token::Tokens;

/// What every call can use. It is cloned several times for each, so what is in it is shared as a whole.
pub type App = Arc<Services>;

/// The parts of the daemon that calls use.
pub struct Services {
    /// What is defined, and the way to emit.
    pub catalog: Arc<Catalog>,
    /// What happened.
    pub store: Arc<dyn Store>,
    /// What is on its way, and who waits.
    pub schedule: postern_delivery::coordinator::Handle,
    /// Who may do what.
    pub tokens: Arc<Tokens>,
    /// How many credentials of an address may fail.
    pub throttle: Arc<Throttle>,
    /// What was counted and measured.
    pub figures: Arc<Figures>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<[Subnet]>,
}
