//! The HTTP API: what clients, the command line and pages talk to. The only crate that knows axum.
//!
//! Invariants:
//! - Everything but the probes needs a token whose scope allows it.
//! - Every error is a problem document (RFC 9457) with a stable `code`, and changed nothing.
//! - No secret is in any answer.
//!
//! | module | what it does |
//! |---|---|
//! | [`token`] | makes, keeps and checks tokens |
//! | [`access`] | what a request's token allows |
//! | [`path`] | the parts of a path |
//! | [`problem`] | errors as problem documents |
//! | [`body`] | reads JSON bodies, with the place of what does not fit |
//! | [`cloud_events`] | CloudEvents in the three modes of HTTP |
//! | [`etag`] | revisions as entity tags |
//! | [`routes`] | the calls |
//! | [`server`] | serves until it is told to stop |

pub mod access;
pub mod body;
pub mod cloud_events;
pub mod etag;
pub mod path;
pub mod problem;
pub mod routes;
pub mod server;
pub mod token;

use postern_delivery::Catalog;
use postern_store::Store;
use std::sync::Arc;
use token::Tokens;

/// What every call can use. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// What is defined, and the way to emit.
    pub catalog: Arc<Catalog>,
    /// What happened.
    pub store: Arc<dyn Store>,
    /// Who may do what.
    pub tokens: Arc<Tokens>,
}
