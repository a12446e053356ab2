//! One set of schemas out of those of requests and those of answers.

use super::{parts, problems};
use aide::openapi::OpenApi;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The finished document.
pub(super) fn document(api: &OpenApi, answers: Map<String, Value>, requests: Map<String, Value>) -> Value {
    let mut document = json!(api);
    let mut schemas = answers;
    let mut names = BTreeMap::new();
    for (name, mut schema) in requests {
        // As it would look if each name meant the same in both.
        let alike = {
            let mut alike = schema.clone();
            point(&mut alike, &|name| name.to_owned());
            schemas.get(&name).is_some_and(|answer| *answer == alike)
        };
        let joined = if schemas.contains_key(&name) && !alike { format!("{name}Input") } else { name.clone() };
        names.insert(name, joined.clone());
        schemas.entry(joined).or_insert_with(|| schema.take());
    }
    let components = &mut document["components"];
    components["schemas"] = Value::Object(schemas);
    components["responses"] = problems::responses();
    point(&mut document, &|name| names.get(name).map_or_else(|| name.to_owned(), Clone::clone));
    order(&mut document);
    document
}

/// Turns references to the schemas of requests into references to the joined ones.
fn point(value: &mut Value, joined: &impl Fn(&str) -> String) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let target = value.as_str().filter(|_| key == "$ref").and_then(|target| {
                    let name = target.strip_prefix('#')?.strip_prefix(parts::REQUESTS)?.strip_prefix('/')?;
                    Some(format!("#{}/{}", parts::ANSWERS, joined(name)))
                });
                match target {
                    Some(target) => *value = target.into(),
                    None => point(value, joined),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| point(item, joined)),
        _ => {}
    }
}

/// Puts the statuses of each operation in their order, and the schemas in that of their names.
fn order(document: &mut Value) {
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        schemas.sort_keys();
    }
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in paths.filter_map(Value::as_object_mut).flat_map(|path| path.values_mut()) {
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            responses.sort_keys();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_requests_and_answers_has_two_names() {
        let map = |value: Value| value.as_object().unwrap().clone();
        let answers = map(json!({
            "Id": { "type": "string" },
            "Grant": { "required": ["hosts", "reveal"] },
            "Whole": { "items": { "$ref": "#/components/schemas/Id" } },
        }));
        let requests = map(json!({
            "Id": { "type": "string" },
            "Grant": { "required": ["hosts"] },
            "Whole": { "items": { "$ref": "#/components/requests/Id" } },
            "Ask": { "items": { "$ref": "#/components/requests/Grant" } },
        }));
        let schemas = document(&OpenApi::default(), answers, requests)["components"]["schemas"].take();
        let names: Vec<_> = schemas.as_object().unwrap().keys().collect();
        assert_eq!(names, ["Ask", "Grant", "GrantInput", "Id", "Whole"]);
        assert_eq!(schemas["Ask"]["items"]["$ref"], "#/components/schemas/GrantInput");
        assert_eq!(schemas["Whole"]["items"]["$ref"], "#/components/schemas/Id");
    }
}
