//! A client of Postern's HTTP API: for platforms that emit events, and for the command line.
//!
//! ```no_run
//! use postern_client::schemars::{self, JsonSchema};
//! use postern_client::{Client, Hook};
//!
//! #[derive(serde::Serialize, JsonSchema)]
//! struct Incident { id: String, severity: u8 }
//!
//! const CREATED: Hook<Incident> = Hook::new("incident", "incident.created", "Incident created").category("Incidents");
//!
//! # async fn platform() -> Result<(), postern_client::Error> {
//! let client = Client::new("http://127.0.0.1:7676", std::env::var("POSTERN_TOKEN").ok())?;
//! client.register(&CREATED).await?; // when the platform starts
//! let emitted = client.emit(&CREATED, &Incident { id: "inc-7".into(), severity: 1 }).await?;
//! println!("{} goes to {} subscriptions", emitted.event, emitted.deliveries);
//! # Ok(())
//! # }
//! ```
//!
//! Payloads implement serde's `Serialize` and the `JsonSchema` of the [`schemars`] that this crate hands on: with that in
//! scope it need not be a dependency of the platform's. The example `incidents` shows batches, keys, times and retries.
//!
//! Invariants:
//! - What [`Client::emit`] answered is on the server's disk. An emission is tried again after a passing failure, always with
//!   the same idempotency key: an answer that was lost on its way makes no second event.
//! - No call waits without a bound; see [`Retry`].
//! - The token is in no error and in no `Debug`.
//!
//! | module | what it does |
//! |---|---|
//! | [`hook`] | a hook with the type of its payload, and the schema of that |
//! | [`emission`] | registers hooks and emits them, one or many |
//! | [`retry`] | tries again, with growing delays |
//! | [`call`] | any call of the API: token, pages, entity tags |
//! | [`error`] | problem documents as errors |

pub mod call;
pub mod emission;
pub mod error;
pub mod hook;
pub mod retry;

pub use call::{Body, Client, Tagged};
pub use emission::{Emission, Emitted};
pub use error::{Error, Place, Problem};
pub use hook::Hook;
pub use retry::Retry;
/// The version of schemars whose `JsonSchema` payloads implement.
pub use schemars;
