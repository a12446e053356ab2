//! Walks a value along its schema, to find the fields that the schema marks: secrets, templates, defaults, integers.

use serde_json::Value;

/// How deep a value is followed: as deep as a schema may be nested.
const DEEPEST: usize = crate::schema::DEEPEST;

/// Calls `visit` with the pointer, the sub-schema and the value of every place of `value` that `schema` describes,
/// outermost first. Where several sub-schemas describe one place (`anyOf`, say), it is visited with each.
pub fn walk(schema: &Value, value: &mut Value, visit: &mut dyn FnMut(&str, &Value, &mut Value)) {
    step(schema, schema, value, &mut String::new(), 0, visit);
}

fn step(
    root: &Value,
    schema: &Value,
    value: &mut Value,
    path: &mut String,
    depth: usize,
    visit: &mut dyn FnMut(&str, &Value, &mut Value),
) {
    if depth > DEEPEST || !schema.is_object() {
        return;
    }
    visit(path, schema, value);
    if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'))
        && let Some(target) = root.pointer(target)
    {
        step(root, target, value, path, depth + 1, visit);
    }
    for keyword in ["allOf", "anyOf", "oneOf"] {
        for branch in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
            step(root, branch, value, path, depth + 1, visit);
        }
    }
    for keyword in ["then", "else"] {
        if let Some(branch) = schema.get(keyword) {
            step(root, branch, value, path, depth + 1, visit);
        }
    }
    let mut enter = |key: &str, schema: &Value, inner: &mut Value| {
        let length = path.len();
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        step(root, schema, inner, path, depth + 1, visit);
        path.truncate(length);
    };
    match value {
        Value::Object(map) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (key, inner) in map.iter_mut() {
                match properties.and_then(|properties| properties.get(key)) {
                    Some(property) => enter(key, property, inner),
                    None => {
                        if let Some(additional) = schema.get("additionalProperties") {
                            enter(key, additional, inner);
                        }
                    }
                }
            }
        }
        Value::Array(items) => {
            let prefix = schema.get("prefixItems").and_then(Value::as_array);
            for (index, inner) in items.iter_mut().enumerate() {
                if let Some(item) = prefix.and_then(|prefix| prefix.get(index)).or_else(|| schema.get("items")) {
                    enter(&index.to_string(), item, inner);
                }
            }
        }
        _ => {}
    }
}

/// Fills in the defaults that `schema` gives for absent properties of objects that are there.
pub fn fill_defaults(schema: &Value, value: &mut Value) {
    walk(schema, value, &mut |_, schema, value| {
        let (Some(properties), Value::Object(map)) = (schema.get("properties").and_then(Value::as_object), value) else { return };
        for (key, property) in properties {
            if let Some(default) = property.get("default")
                && !map.contains_key(key)
            {
                map.insert(key.clone(), default.clone());
            }
        }
    });
}

/// Writes what `schema` calls an integer as one. To JSON Schema `10000.0` and `1e4` are integers; many a language that is handed
/// them finds no integer there.
pub fn write_integers(schema: &Value, value: &mut Value) {
    /// Up to here every integer is a number of its own in double precision.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    walk(schema, value, &mut |_, schema, value| {
        let asked = schema.get("type").is_some_and(|kind| match kind {
            Value::Array(kinds) => kinds.iter().any(|kind| kind == "integer"),
            kind => kind == "integer",
        });
        if let (true, true, Some(number)) = (asked, value.is_f64(), value.as_f64())
            && number.fract() == 0.0
            && number.abs() <= EXACT
        {
            *value = Value::from(number as i64);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn marked_fields_are_found_in_objects_arrays_references_and_branches() {
        let schema = json!({
            "$defs": {"secret": {"type": "string", "writeOnly": true}},
            "properties": {
                "a": {"$ref": "#/$defs/secret"},
                "list": {"items": {"properties": {"value": {"anyOf": [{"$ref": "#/$defs/secret"}, {"type": "null"}]}}}},
                "plain": {"type": "string"},
            },
            "additionalProperties": {"writeOnly": true},
        });
        let mut value = json!({"a": "1", "list": [{"value": "2"}, {"value": null}], "plain": "3", "x/y": "4"});
        let mut found = Vec::new();
        walk(&schema, &mut value, &mut |path, schema, value| {
            if schema.get("writeOnly") == Some(&json!(true)) && value.is_string() {
                found.push(path.to_owned());
            }
        });
        assert_eq!(found, ["/a", "/list/0/value", "/x~1y"]);
    }

    #[test]
    fn defaults_fill_what_is_absent_and_nothing_else() {
        let schema = json!({"properties": {
            "n": {"default": 1}, "m": {"default": 2},
            "inner": {"properties": {"k": {"default": "v"}}},
        }});
        let mut value = json!({"n": null, "inner": {}});
        fill_defaults(&schema, &mut value);
        assert_eq!(value, json!({"n": null, "m": 2, "inner": {"k": "v"}}));
    }

    #[test]
    fn integers_are_written_as_such_and_other_numbers_as_they_are() {
        let schema = json!({"properties": {
            "list": {"items": {"type": "integer"}}, "either": {"type": ["integer", "null"]}, "number": {"type": "number"},
        }});
        let mut value = json!({"list": [1e4, -7.0, 7.5, 1e300, 3, "1.0"], "either": 2.0, "number": 2.0, "other": 2.0});
        write_integers(&schema, &mut value);
        let expected = r#"{"list":[10000,-7,7.5,1e+300,3,"1.0"],"either":2,"number":2.0,"other":2.0}"#;
        assert_eq!(value.to_string(), expected);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"allOf": [{"$ref": "#"}], "properties": {"a": {"$ref": "#"}}});
        walk(&schema, &mut json!({"a": {"a": {}}}), &mut |_, _, _| {});
    }
}
