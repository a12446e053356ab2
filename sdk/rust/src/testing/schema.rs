//! The schemas of a provider's settings, as tests look at them.

use crate::{Provider, testing};
use serde_json::Value;

/// The schemas of the config and of the connection, of a provider that has connections.
///
/// # Panics
/// The provider has no connections.
pub fn schemas<P: Provider>() -> (Value, Value) {
    let description = testing::describe::<P>();
    let parsed = |text: &str| serde_json::from_str(text).expect("the schema is JSON");
    (parsed(&description.config_schema), parsed(&description.connection_schema.expect("the provider has connections")))
}

/// Checks that a schema is of an object and that each of its fields has a title and a description, as a form needs them.
///
/// # Panics
/// With the name of a field that lacks one.
#[track_caller]
pub fn assert_described(schema: &Value) {
    assert_eq!(schema["type"], "object");
    for (name, field) in schema["properties"].as_object().expect("an object's schema has properties") {
        assert!(field["title"].is_string() && field["description"].is_string(), "{name}");
    }
}
