//! What authors of providers work with: look into a component, check it as an operator's daemon would, try it out against
//! targets that a script plays, and begin a new one.
//!
//! Invariants:
//! - A provider is tried by the daemon's own code: it is added to a catalog, its settings are saved in one, and its attempts are
//!   made and judged by it. Only the store is a temporary directory, and only the targets are played.
//! - Unless a run is live, nothing is connected to but the stage, a server of this process; see
//!   [`postern_egress::scripted`].
//! - What is printed holds no secret: exchanges, logs and messages are those that the daemon would keep.
//!
//! | module | what it does |
//! |---|---|
//! | [`tools`] | what runs providers here: the runtime, and the rules of the operator that is imagined |
//! | [`check`], `icons` | whether a daemon would take a component, and what its operator would be asked |
//! | [`script`] | the file that says what a target expects and answers; recordings |
//! | `stage` | the server that plays targets |
//! | `workbench` | a host for one provider and one subscription |
//! | [`trial`] | events delivered by a script, or for real |
//! | [`conformance`] | the standard set of what targets do, and what a provider has to make of it |
//! | [`project`] | a new provider |
//! | [`show`] | texts for people |

pub mod check;
pub mod conformance;
mod error;
mod icons;
pub mod project;
pub mod script;
pub mod show;
mod stage;
pub mod tools;
pub mod trial;
mod workbench;

pub use error::Error;
pub use script::Script;
pub use tools::{Setup, Tools};
