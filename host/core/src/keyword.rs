//! What the host's own schema keywords have in common.

use serde_json::{Map, Value};

/// How deep a schema is looked into. One that is nested deeper is no usable schema.
pub(crate) const DEEPEST: usize = 64;

/// The only field at the top level of a connection's schema that has the keyword; none if there is none. `takes` says which
/// values are the keyword's, since a field may have its name.
///
/// # Errors
/// A sentence: it stands elsewhere, more than once, or beside no `writeOnly`.
pub(crate) fn only_field<'a>(
    schema: &'a Value,
    keyword: &str,
    of_connection: bool,
    takes: &dyn Fn(&Value) -> bool,
) -> Result<Option<(&'a str, &'a Value)>, String> {
    let uses = uses(schema, keyword, takes, 0);
    if uses == 0 {
        return Ok(None);
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let fields: Vec<_> = properties.into_iter().flat_map(Map::iter).filter(|(_, field)| field.get(keyword).is_some()).collect();
    let [(name, field)] = fields[..] else {
        return Err(format!("`{keyword}` stands in one field at the top level of a connection's schema"));
    };
    if !of_connection || uses > 1 {
        return Err(format!("`{keyword}` stands in one field at the top level of a connection's schema"));
    }
    if !is_secret(Some(field)) {
        return Err(format!("`{keyword}` at /properties/{name} stands beside no `writeOnly`"));
    }
    Ok(Some((name, field)))
}

/// Whether a field's schema marks it as a secret.
pub(crate) fn is_secret(field: Option<&Value>) -> bool {
    field.and_then(|field| field.get("writeOnly")) == Some(&Value::Bool(true))
}

/// How often the keyword stands in a schema.
fn uses(schema: &Value, keyword: &str, takes: &dyn Fn(&Value) -> bool, depth: usize) -> usize {
    if depth > DEEPEST {
        return 0;
    }
    let inside = |inner: &Value| uses(inner, keyword, takes, depth + 1);
    match schema {
        Value::Object(map) => map.iter().map(|(key, inner)| usize::from(key == keyword && takes(inner)) + inside(inner)).sum(),
        Value::Array(items) => items.iter().map(inside).sum(),
        _ => 0,
    }
}
