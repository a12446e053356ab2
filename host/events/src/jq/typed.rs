//! Programs by what they are for, each with the type that it must yield.

use super::{Kind, Program, ProgramError};
use serde_json::{Value, json};

/// The longest entity key: 256 bytes.
pub const LONGEST_ENTITY_KEY: usize = 256;

/// From payload to payload. It sees the payload alone and must yield an object.
#[derive(Debug)]
pub struct Transform(Program);

/// Whether a subscription wants an event. It sees what [`event_input`] makes and must yield a boolean.
#[derive(Debug)]
pub struct Filter(Program);

/// Which entity an event is about. It sees what [`event_input`] makes and must yield a string, or null for none.
#[derive(Debug)]
pub struct EntityKey(Program);

/// An event as filters and entity keys see it: `{id, type, timestamp, payload}`, with the payload as the transform left it.
pub fn event_input(id: &str, event_type: &str, timestamp: &str, payload: &Value) -> Value {
    json!({ "id": id, "type": event_type, "timestamp": timestamp, "payload": payload })
}

impl Transform {
    /// Compiles it.
    ///
    /// # Errors
    /// As [`Program::compile`].
    pub fn compile(source: &str) -> Result<Self, ProgramError> {
        Program::compile(source, Kind::Transform).map(Self)
    }

    /// The payload that it makes of a payload.
    ///
    /// # Errors
    /// As [`Program::run`]; or it yields something other than an object.
    pub fn apply(&self, payload: &Value) -> Result<Value, ProgramError> {
        match self.0.run(payload)? {
            object @ Value::Object(_) => Ok(object),
            other => Err(wrong(Kind::Transform, "an object", &other)),
        }
    }
}

impl Filter {
    /// Compiles it.
    ///
    /// # Errors
    /// As [`Program::compile`].
    pub fn compile(source: &str) -> Result<Self, ProgramError> {
        Program::compile(source, Kind::Filter).map(Self)
    }

    /// Whether an event passes.
    ///
    /// # Errors
    /// As [`Program::run`]; or it yields something other than a boolean.
    pub fn passes(&self, event: &Value) -> Result<bool, ProgramError> {
        match self.0.run(event)? {
            Value::Bool(passes) => Ok(passes),
            other => Err(wrong(Kind::Filter, "true or false", &other)),
        }
    }
}

impl EntityKey {
    /// Compiles it.
    ///
    /// # Errors
    /// As [`Program::compile`].
    pub fn compile(source: &str) -> Result<Self, ProgramError> {
        Program::compile(source, Kind::EntityKey).map(Self)
    }

    /// The key of an event's entity; none if the event is about none.
    ///
    /// # Errors
    /// As [`Program::run`]; or it yields something other than a string or null, or a string that is empty or longer than
    /// [`LONGEST_ENTITY_KEY`].
    pub fn of(&self, event: &Value) -> Result<Option<String>, ProgramError> {
        match self.0.run(event)? {
            Value::Null => Ok(None),
            Value::String(key) if (1..=LONGEST_ENTITY_KEY).contains(&key.len()) => Ok(Some(key)),
            Value::String(key) => Err(ProgramError::new(format!(
                "entity key: it must yield 1 to {LONGEST_ENTITY_KEY} bytes, but yields {}",
                key.len()
            ))),
            other => Err(wrong(Kind::EntityKey, "a string or null", &other)),
        }
    }
}

/// Names the type, and the value if it is small and no text, for that may be private.
fn wrong(kind: Kind, expected: &str, found: &Value) -> ProgramError {
    let found = match found {
        Value::Null => "null".to_owned(),
        Value::Bool(bool) => bool.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("a string of {} bytes", text.len()),
        Value::Array(items) => format!("an array of {} elements", items.len()),
        Value::Object(map) => format!("an object of {} entries", map.len()),
    };
    ProgramError::new(format!("{kind}: it must yield {expected}, but yields {found}"))
}
