//! What differs between two objects, to be shown and to be sent. Pure.

use super::document::escape;
use serde_json::{Map, Value};

/// A field that differs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// A JSON pointer.
    pub(super) path: String,
    /// As it is; none: it is not there.
    pub(super) before: Option<Value>,
    /// As it is to be; none: it is to go.
    pub(super) after: Option<Value>,
}

/// The fields that differ. Objects are compared field by field, lists as a whole.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    collect(Some(before), Some(after), &mut String::new(), &mut found);
    found
}

fn collect(before: Option<&Value>, after: Option<&Value>, path: &mut String, found: &mut Vec<Change>) {
    if before == after {
        return;
    }
    let (Some(Value::Object(old)), Some(Value::Object(new))) = (before, after) else {
        found.push(Change { path: path.clone(), before: before.cloned(), after: after.cloned() });
        return;
    };
    let removed = old.keys().filter(|key| !new.contains_key(*key));
    for key in new.keys().chain(removed) {
        let length = path.len();
        path.push('/');
        path.push_str(&escape(key));
        collect(old.get(key), new.get(key), path, found);
        path.truncate(length);
    }
}

/// The JSON merge patch (RFC 7396) that makes `after` of `before`; none if they are equal. Neither may hold a null.
pub(super) fn merge_patch(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return Some(after.clone()) };
    let mut patch = Map::new();
    for (key, value) in new {
        match old.get(key) {
            None => {
                patch.insert(key.clone(), value.clone());
            }
            Some(old) => {
                if let Some(inner) = merge_patch(old, value) {
                    patch.insert(key.clone(), inner);
                }
            }
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Some(Value::Object(patch))
}

/// The value without the fields that are null; in a change, null means that a field is not there.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, inner)| !inner.is_null());
            Value::Object(kept.map(|(key, inner)| (key, without_nulls(inner))).collect())
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_compared_one_by_one_and_lists_as_a_whole() {
        let before = json!({ "same": 1, "gone": 2, "list": [1, 2], "in": { "x": 1, "a/b": 1 } });
        let after = json!({ "same": 1, "new": 3, "list": [1], "in": { "a/b": 2, "x": 1 } });
        let found = changes(&before, &after);
        let change = |path: &str, before: Value, after: Value| Change {
            path: path.to_owned(),
            before: Some(before).filter(|value| !value.is_null()),
            after: Some(after).filter(|value| !value.is_null()),
        };
        let expected = [
            change("/new", json!(null), json!(3)),
            change("/list", json!([1, 2]), json!([1])),
            change("/in/a~1b", json!(1), json!(2)),
            change("/gone", json!(2), json!(null)),
        ];
        assert_eq!(found, expected);
        assert!(changes(&before, &before).is_empty());
    }

    #[test]
    fn a_merge_patch_says_what_changes_and_nothing_else() {
        let before = json!({ "same": 1, "gone": 2, "list": [1, 2], "in": { "x": 1, "y": 1 } });
        let after = json!({ "in": { "y": 2, "x": 1 }, "new": { "z": 3 }, "list": [1], "same": 1 });
        let patch = merge_patch(&before, &after).unwrap();
        assert_eq!(patch, json!({ "in": { "y": 2 }, "new": { "z": 3 }, "list": [1], "gone": null }));
        assert_eq!(merge_patch(&after, &json!({ "same": 1, "list": [1], "new": { "z": 3 }, "in": { "x": 1, "y": 2 } })), None);
        assert_eq!(without_nulls(json!({ "a": null, "b": [{ "c": null }, null] })), json!({ "b": [{}, null] }));
    }
}
