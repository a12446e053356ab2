//! What decides about events before anything is stored or sent: schemas, settings, templates, matching. Pure: no I/O,
//! no clock, no randomness.
//!
//! Invariants:
//! - A schema is checked as a schema, against its bounds and for references that leave it, when it is offered; after
//!   that, validation cannot fail for a reason of the schema's own.
//! - A value that comes out of [`settings::Form::accept`] fits its schema, has its defaults, and holds no secret.
//! - What a template renders cannot leave the place that it stands in, whatever the payload holds.
//!
//! | module | what it does |
//! |---|---|
//! | [`schema`] | JSON Schema: accepting one, and validating with it |
//! | [`walk`] | finds the fields of a value that a schema marks |
//! | [`settings`] | a provider's settings: defaults, secrets, templates |
//! | [`template`] | minijinja templates with the escaping of their target |
//! | [`registry`] | the event types, ready to validate |
//! | [`matching`] | from tenant and event type to subscriptions |

pub mod matching;
pub mod registry;
pub mod schema;
pub mod settings;
pub mod template;
pub mod walk;

use serde::{Deserialize, Serialize};
use std::fmt;

/// One place of a value that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// A JSON pointer into the value; empty for the whole.
    pub path: String,
    /// What does not fit. It never repeats the value.
    pub message: String,
}

impl Violation {
    /// A violation at a place.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.path.is_empty() { "/" } else { &self.path }, self.message)
    }
}
