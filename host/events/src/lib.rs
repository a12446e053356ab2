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
//! | [`example`] | a sample payload, made from a schema |
//! | [`properties`] | the flat list of what a schema describes |
//! | [`template`] | minijinja templates with the escaping of their target |
//! | [`template_check`] | whether a template's names are in the schemas |
//! | [`jq`] | transforms, filters and entity keys: jq programs, bounded |
//! | [`registry`] | the event types, ready to validate |
//! | [`matching`] | from tenant and event type to subscriptions |

pub mod example;
pub mod jq;
pub mod matching;
pub mod properties;
pub mod registry;
pub mod schema;
pub mod settings;
pub mod template;
pub mod template_check;
pub mod walk;

use serde::de::DeserializeOwned;
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

/// Reads a value from JSON.
///
/// # Errors
/// What the form lacks or does not know, with its place.
pub fn read_form<'de, T: DeserializeOwned, D: serde::Deserializer<'de>>(json: D) -> Result<T, (Violation, D::Error)> {
    use serde_path_to_error::Segment;
    serde_path_to_error::deserialize(json).map_err(|error| {
        let pointer = error.path().iter().fold(String::new(), |pointer, segment| match segment {
            Segment::Seq { index } => format!("{pointer}/{index}"),
            Segment::Map { key } => format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { .. } | Segment::Unknown => pointer,
        });
        let inner = error.into_inner();
        (Violation::new(pointer, inner.to_string()), inner)
    })
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.path.is_empty() { "/" } else { &self.path }, self.message)
    }
}
