//! What decides about events before anything is stored or sent: schemas, settings, templates, matching. Pure: no I/O,
//! no clock, no randomness.
//!
//! Invariants:
//! - A schema is checked as a schema, against its bounds and for references that leave it, when it is offered; after
//!   that, validation cannot fail for a reason of the schema's own.
//! - A value that comes out of [`settings::Form::accept`] fits its schema, has its defaults, and holds no secret.
//! - A jq program ends: its steps, memory, stack and output are bounded, and it sees nothing but its input.
//! - What a template renders cannot leave the place that it stands in, whatever the payload holds.
//!
//! | module | what it does |
//! |---|---|
//! | [`schema`] | JSON Schema: accepting one, and validating with it |
//! | [`walk`] | finds the fields of a value that a schema marks |
//! | [`settings`] | a provider's settings: defaults, secrets, templates |
//! | `form` | reads structures from JSON, with the place of what does not fit |
//! | [`example`] | a sample payload, made from a schema |
//! | [`properties`] | the flat list of what a schema describes |
//! | [`template`] | minijinja templates with the escaping of their target |
//! | [`template_check`] | whether a template's names are in the schemas |
//! | [`jq`] | transforms, filters and entity keys: jq programs, bounded |
//! | [`registry`] | the event types, ready to validate |
//! | [`matching`] | from tenant and event type to subscriptions |

pub mod example;
mod form;
pub mod jq;
pub mod matching;
pub mod properties;
pub mod registry;
pub mod schema;
pub mod settings;
pub mod template;
pub mod template_check;
pub mod walk;

pub use form::read_form;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One place of a value that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
