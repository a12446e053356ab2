//! The flat list of the properties that a schema describes, for whoever writes a template.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How deep properties are listed: 12 levels. A schema may refer to itself.
pub const DEEPEST: usize = 12;

/// At most so many properties are listed: 1,000.
pub const MOST: usize = 1000;

/// How many references and branches may lead to one place.
const MOST_HOPS: usize = 16;

/// One property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Property {
    /// Where it is: `payload.systemIds[n]`. A name that is no identifier stands in brackets: `payload["x-y"]`.
    pub path: String,
    /// Its JSON type; several are joined with ` | `; `any` if the schema does not say.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the schema says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The properties of a payload's schema, in its order, each before what is inside it. Where branches (`oneOf`) describe
/// one property twice, the first counts.
pub fn list(schema: &Value) -> Vec<Property> {
    let mut found = Vec::new();
    visit(schema, schema, "payload", 0, &mut found);
    found
}

fn visit(root: &Value, schema: &Value, path: &str, depth: usize, found: &mut Vec<Property>) {
    if depth > DEEPEST {
        return;
    }
    let views = views(root, schema);
    let mut seen = Vec::new();
    for (name, property) in views.iter().filter_map(|view| view.get("properties")?.as_object()).flatten() {
        if !seen.contains(&name) {
            seen.push(name);
            describe(root, property, &format!("{path}{}", step(name)), depth, found);
        }
    }
    if let Some(item) = views.iter().find_map(|view| view.get("items").filter(|items| items.is_object())) {
        describe(root, item, &format!("{path}[n]"), depth, found);
    }
    let positions = views.iter().filter_map(|view| view.get("prefixItems")?.as_array()).flatten();
    for (index, item) in positions.enumerate() {
        describe(root, item, &format!("{path}[{index}]"), depth, found);
    }
}

fn describe(root: &Value, schema: &Value, path: &str, depth: usize, found: &mut Vec<Property>) {
    if found.len() >= MOST {
        return;
    }
    let views = views(root, schema);
    let mut kinds: Vec<&str> = Vec::new();
    for view in &views {
        let named = match view.get("type") {
            Some(Value::String(kind)) => vec![kind.as_str()],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => fixed(view),
        };
        for kind in named {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    }
    let description = views.iter().find_map(|view| view.get("description")?.as_str()).map(str::to_owned);
    let kind = if kinds.is_empty() { "any".to_owned() } else { kinds.join(" | ") };
    found.push(Property { path: path.to_owned(), kind, description });
    visit(root, schema, path, depth + 1, found);
}

/// The types of what `const` and `enum` allow.
fn fixed(view: &Map<String, Value>) -> Vec<&'static str> {
    let listed = view.get("enum").and_then(Value::as_array).into_iter().flatten();
    let kinds = view.get("const").into_iter().chain(listed).map(|value| match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    });
    kinds.collect()
}

/// A name as templates write it behind a dot or in brackets.
fn step(name: &str) -> String {
    let mut characters = name.chars();
    let start = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if start && characters.all(|character| character.is_ascii_alphanumeric() || character == '_') {
        format!(".{name}")
    } else {
        format!("[{}]", Value::from(name))
    }
}

/// All the sub-schemas that describe the same place as `schema`: itself, what it refers to, and its branches.
pub(crate) fn views<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Map<String, Value>> {
    let mut views = Vec::new();
    gather(root, schema, 0, &mut views);
    views
}

fn gather<'a>(root: &'a Value, schema: &'a Value, hops: usize, views: &mut Vec<&'a Map<String, Value>>) {
    let Value::Object(map) = schema else { return };
    // A view that is there already, or too many of them: the schema refers to itself.
    if hops > MOST_HOPS || views.len() > 64 || views.iter().any(|view| std::ptr::eq(*view, map)) {
        return;
    }
    views.push(map);
    if let Some(target) = resolve(root, map) {
        gather(root, target, hops + 1, views);
    }
    for keyword in ["allOf", "oneOf", "anyOf"] {
        for branch in map.get(keyword).and_then(Value::as_array).into_iter().flatten() {
            gather(root, branch, hops + 1, views);
        }
    }
    for keyword in ["then", "else"] {
        if let Some(branch) = map.get(keyword) {
            gather(root, branch, hops + 1, views);
        }
    }
}

/// What a local `$ref` points to.
pub(crate) fn resolve<'a>(root: &'a Value, schema: &Map<String, Value>) -> Option<&'a Value> {
    let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
    let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8().ok()?;
    root.pointer(&pointer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(schema: &Value) -> Vec<String> {
        list(schema).into_iter().map(|property| format!("{}: {}", property.path, property.kind)).collect()
    }

    #[test]
    fn properties_are_listed_in_the_schemas_order() {
        let schema = json!({
            "$defs": {"person": {"type": "object", "properties": {"name": {"type": "string", "description": "Full name"}}}},
            "type": "object",
            "properties": {
                "title": {"type": ["string", "null"]},
                "systemIds": {"type": "array", "items": {"type": "string"}},
                "people": {"type": "array", "items": {"$ref": "#/$defs/person"}},
                "x-y": {"const": 1},
                "any": {},
            },
            "allOf": [{"properties": {"more": {"enum": ["a", "b"]}}}],
        });
        assert_eq!(
            paths(&schema),
            [
                "payload.title: string | null",
                "payload.systemIds: array",
                "payload.systemIds[n]: string",
                "payload.people: array",
                "payload.people[n]: object",
                "payload.people[n].name: string",
                "payload[\"x-y\"]: number",
                "payload.any: any",
                "payload.more: string",
            ]
        );
        assert_eq!(list(&schema)[5].description.as_deref(), Some("Full name"));
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let tree = json!({"properties": {"child": {"$ref": "#"}, "list": {"items": {"$ref": "#"}}}});
        let listed = list(&tree);
        assert!(listed.len() <= MOST && listed[0].path == "payload.child");
        assert!(list(&json!({"$ref": "#"})).is_empty());
        assert!(list(&json!({"allOf": [{"$ref": "#"}, {"$ref": "#/allOf/0"}]})).is_empty());
    }
}
