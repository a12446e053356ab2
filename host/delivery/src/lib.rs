//! What Postern does: keeps the catalog of event types, providers and subscriptions, takes emissions, and sees that each
//! delivery succeeds or is given up for a reason that somebody can read.
//!
//! Invariants:
//! - An emission is answered only after its event and its deliveries are durable.
//! - Nothing is stored before it was checked, and what was refused changes nothing.
//! - Every claimed delivery ends in a recorded step, in a release, or with the process; the last is found at the next start.
//! - Whatever is changed is recorded in the same transaction, with whoever changed it.
//! - Settings and secrets are those at the time of the attempt, never a copy that travelled with the delivery.
//! - No tenant, subscription, provider or destination takes the places of all others ([`schedule`]).
//!
//! | module | what it does |
//! |---|---|
//! | [`machine`] | what a delivery becomes after an attempt; pure |
//! | [`schedule`] | which delivery is attempted next; pure |
//! | [`verdict`] | what the exchanges of an attempt tell; pure |
//! | [`decision`] | both together: what an attempt means for its delivery; pure |
//! | [`catalog`] | event types, providers and subscriptions, in memory and in the store |
//! | [`emit`] | takes an emission |
//! | [`attempt`] | one attempt, from the claim to the outcome |
//! | [`folders`] | watched folders, whose files are added as providers |
//! | [`coordinator`] | claims what is due and runs attempts |
//! | [`audit`] | on whose behalf something is done, and the record of it |
//! | `again` | single deliveries tried again, or given up |
//! | [`replay`] | final deliveries attempted again, paced |
//! | `watch`, `own_events` | who fails for how long, and what the host announces |
//! | [`trial`] | settings tried out before they are saved, and drop-downs |
//! | [`figures`] | what is counted and measured |
//! | [`error`] | what callers are told |

mod again;
pub mod attempt;
pub mod audit;
pub mod catalog;
pub mod coordinator;
pub mod decision;
pub mod emit;
pub mod error;
pub mod figures;
pub mod folders;
pub mod machine;
mod own_events;
pub mod replay;
pub mod schedule;
pub mod trial;
pub mod verdict;
mod watch;

pub use catalog::{Catalog, Parts};
pub use coordinator::Coordinator;
pub use emit::{Emission, EmissionKey, Emitted};
pub use error::Error;
pub use postern_runtime::{OptionItem, Report};
pub use trial::{Question, TestEvent, Trial};
