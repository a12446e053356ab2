//! JSON Schema, draft 2020-12: accepting one, and validating with it.

use crate::Violation;
use jsonschema::{Draft, Validator};
use serde_json::Value;

/// The largest schema, in bytes of JSON: 256 KiB.
pub const LARGEST: usize = 256 * 1024;

/// The deepest nesting of a schema: 64.
pub const DEEPEST: usize = 64;

/// At most so many violations are reported for one value: 20. More do not help anybody.
pub const MOST_VIOLATIONS: usize = 20;

/// A schema that was accepted.
pub struct Schema {
    validator: Validator,
}

/// Why a schema is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a usable JSON Schema: {0}")]
pub struct SchemaError(pub Violation);

impl Schema {
    /// Accepts a schema.
    ///
    /// # Errors
    /// It is no valid JSON Schema of draft 2020-12, refers to something outside itself, or exceeds [`LARGEST`] or [`DEEPEST`].
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        let refuse = |path: String, message: String| SchemaError(Violation { path, message });
        if !schema.is_object() {
            return Err(refuse(String::new(), "it must be a JSON object".into()));
        }
        let size = schema.to_string().len();
        if size > LARGEST {
            return Err(refuse(String::new(), format!("{size} bytes; at most {LARGEST} are allowed")));
        }
        inspect(schema, &mut String::new(), 0).map_err(SchemaError)?;
        jsonschema::draft202012::meta::validate(schema)
            .map_err(|error| refuse(error.instance_path().to_string(), error.masked().to_string()))?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .should_ignore_unknown_formats(true)
            .offline()
            // The linear engine: a pattern from outside must not be able to take exponential time.
            .with_pattern_options(jsonschema::PatternOptions::regex().size_limit(1 << 20))
            .build(schema)
            .map_err(|error| refuse(error.instance_path().to_string(), error.masked().to_string()))?;
        Ok(Self { validator })
    }

    /// Whether the value fits.
    ///
    /// # Errors
    /// The places that do not, at most [`MOST_VIOLATIONS`].
    pub fn validate(&self, value: &Value) -> Result<(), Vec<Violation>> {
        if self.validator.is_valid(value) {
            return Ok(());
        }
        let violations = self
            .validator
            .iter_errors(value)
            .take(MOST_VIOLATIONS)
            .map(|error| Violation::new(error.instance_path().to_string(), error.masked().to_string()))
            .collect();
        Err(violations)
    }
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Schema(..)")
    }
}

/// Walks the schema's own text for what the library would accept and the host does not.
fn inspect(value: &Value, path: &mut String, depth: usize) -> Result<(), Violation> {
    if depth > DEEPEST {
        return Err(Violation::new(path.clone(), format!("nested deeper than {DEEPEST} levels")));
    }
    let mut enter = |key: &str, inner: &Value| {
        let length = path.len();
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        let result = inspect(inner, path, depth + 1);
        path.truncate(length);
        result
    };
    match value {
        Value::Object(map) => {
            for keyword in ["$ref", "$dynamicRef"] {
                if let Some(Value::String(target)) = map.get(keyword)
                    && !target.starts_with('#')
                {
                    return Err(Violation::new(
                        format!("{path}/{keyword}"),
                        "it refers to something outside the schema; only references that start with `#` are allowed",
                    ));
                }
            }
            map.iter().try_for_each(|(key, inner)| enter(key, inner))
        }
        Value::Array(items) => items.iter().enumerate().try_for_each(|(index, inner)| enter(&index.to_string(), inner)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_that_does_not_fit_is_reported_with_its_places_and_without_its_content() {
        let schema =
            Schema::compile(&json!({"type": "object", "required": ["id"], "properties": {"n": {"type": "integer"}}})).unwrap();
        assert!(schema.validate(&json!({"id": "x", "n": 1})).is_ok());
        let violations = schema.validate(&json!({"n": "hunter2"})).unwrap_err();
        let paths: Vec<_> = violations.iter().map(|violation| violation.path.as_str()).collect();
        assert_eq!(violations.len(), 2);
        assert!(paths.contains(&"/n") && paths.contains(&""));
        assert!(!format!("{violations:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_no_schema_is_refused_with_the_place() {
        let place = |schema: Value| Schema::compile(&schema).unwrap_err().0.path;
        assert_eq!(place(json!({"type": "objct"})), "/type");
        assert_eq!(place(json!({"properties": {"a": {"minimum": "1"}}})), "/properties/a/minimum");
        assert_eq!(place(json!({"properties": {"a": {"$ref": "https://example.com/x"}}})), "/properties/a/$ref");
        assert_eq!(place(json!([])), "");
        assert!(Schema::compile(&json!({"$ref": "#/$defs/missing"})).is_err());
        assert!(Schema::compile(&json!({"pattern": "("})).is_err());
        assert!(Schema::compile(&json!({"description": "x".repeat(LARGEST)})).is_err());
        let mut deep = json!({});
        for _ in 0..=DEEPEST {
            deep = json!({"not": deep});
        }
        assert!(Schema::compile(&deep).unwrap_err().to_string().contains("deeper"));
    }

    #[test]
    fn references_inside_the_schema_work() {
        let schema =
            Schema::compile(&json!({"$defs": {"s": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/s"}}})).unwrap();
        assert!(schema.validate(&json!({"a": 1})).is_err());
        assert!(schema.validate(&json!({"a": ""})).is_ok());
    }
}
