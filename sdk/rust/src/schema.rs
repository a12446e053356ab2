//! From a type to the schema that the host checks settings by and makes forms from.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The JSON Schema of `T` as JSON text: draft 2020-12, without references, and with plain optional fields.
///
/// schemars describes an `Option` as "the type or null". Forms leave an empty field out, so here it is the plain type,
/// which is not required. Descriptions lose the line breaks that only fit the source, and numbers the `format` that names
/// a Rust type.
pub fn of<T: JsonSchema>() -> String {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = settings.with_transform(Plain).into_generator().into_root_schema_for::<T>();
    // The name of a Rust type, unless the author chose a title, and a dialect that the contract fixes anyway.
    schema.remove("$schema");
    if schema.get("title").and_then(Value::as_str) == Some(&T::schema_name()) {
        schema.remove("title");
    }
    Value::from(schema).to_string()
}

/// What schemars adds to numbers. JSON Schema knows none of these.
const NUMBER_FORMATS: [&str; 14] = [
    "int8", "int16", "int32", "int64", "int128", "int", "uint8", "uint16", "uint32", "uint64", "uint128", "uint", "float",
    "double",
];

#[derive(Clone, Debug)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
        if object.get("format").and_then(Value::as_str).is_some_and(|name| NUMBER_FORMATS.contains(&name)) {
            object.remove("format");
        }
        if let Some(Value::String(text)) = object.get_mut("description") {
            *text = unwrapped(text);
        }
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                object.insert("type".into(), only);
            }
        }
        if let Some(Value::Array(values)) = object.get_mut("enum") {
            values.retain(|value| !value.is_null());
        }
        // `anyOf: [X, null]` becomes X itself; what stands beside it, a description say, wins.
        let is_null = |schema: &Value| schema.get("type").and_then(Value::as_str) == Some("null");
        if let Some(Value::Array(choices)) = object.get_mut("anyOf")
            && choices.iter().any(is_null)
        {
            choices.retain(|choice| !is_null(choice));
            if let [Value::Object(only)] = choices.as_slice() {
                let only = only.clone();
                object.remove("anyOf");
                for (key, value) in only {
                    object.entry(key).or_insert(value);
                }
            }
        }
    }
}

/// Joins the lines of a paragraph. A line that begins a list, a table or another block stays one.
fn unwrapped(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut ended = true;
    for line in text.lines() {
        if !joined.is_empty() {
            let block = line.trim().is_empty() || line.starts_with(['-', '*', '|', '#', '>', ' ']) || line.starts_with("```");
            joined.push(if block || ended { '\n' } else { ' ' });
        }
        joined.push_str(line);
        ended = line.trim().is_empty();
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, Template, template};
    use serde_json::json;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Sample {
        /// One sentence over
        /// two lines.
        ///
        /// - a list
        /// - of two
        zebra: Option<u32>,
        secret: Option<Secret>,
        text: Option<Template<template::Markdown>>,
        choice: Option<Choice>,
        nested: Option<Nested>,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Choice {
        One,
        Two,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Nested {
        name: String,
    }

    #[test]
    fn optional_fields_are_plain_and_in_the_order_of_the_source() {
        let schema: Value = serde_json::from_str(&of::<Sample>()).unwrap();
        let names: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["zebra", "secret", "text", "choice", "nested"]);
        let properties = json!({
            "zebra": {"type": "integer", "minimum": 0, "description": "One sentence over two lines.\n\n- a list\n- of two"},
            "secret": {"type": "string", "writeOnly": true},
            "text": {"type": "string", "x-template": "markdown"},
            "choice": {"type": "string", "enum": ["One", "Two"]},
            "nested": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        });
        assert_eq!(schema, json!({"type": "object", "properties": properties}));
    }
}
