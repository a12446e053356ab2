//! The certificate that a connection shows to its hosts (mutual TLS): the schema keyword `x-client-certificate`.
//!
//! ```json
//! {"type": "string", "writeOnly": true, "x-client-certificate": true}
//! ```
//!
//! It stands in one field at the top level of a connection's schema. The secret in it is a certificate, with those of its
//! authorities if the server needs them, and its private key, all in PEM. The host shows it to servers that ask for one, if they
//! are hosts that a secret of this field may go to. The provider sees a placeholder, for which it has no use.

use crate::keyword::only_field;
use serde_json::Value;

/// The keyword.
pub const KEYWORD: &str = "x-client-certificate";

/// The name of the field of a connection's schema that has the keyword; none if there is none.
pub fn find(schema: &Value) -> Option<&str> {
    let mut fields = schema.get("properties")?.as_object()?.iter();
    fields.find(|(_, field)| field.get(KEYWORD) == Some(&Value::Bool(true))).map(|(name, _)| name.as_str())
}

/// Checks every use of the keyword in a schema.
///
/// # Errors
/// A sentence with what is wrong.
pub fn check(schema: &Value, of_connection: bool) -> Result<(), String> {
    // A field may have the keyword's name; its schema is an object.
    match only_field(schema, KEYWORD, of_connection, &|value| !value.is_object())? {
        Some((name, field)) if field.get(KEYWORD) != Some(&Value::Bool(true)) => {
            Err(format!("`{KEYWORD}` at /properties/{name} is not `true`"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_keyword_stands_beside_one_secret_of_a_connection() {
        let field = json!({"type": "string", "writeOnly": true, "x-client-certificate": true});
        let schema = |field: &Value| json!({"type": "object", "properties": {"certificate": field, "token": {"type": "string"}}});
        assert_eq!(check(&schema(&field), true), Ok(()));
        assert_eq!(find(&schema(&field)), Some("certificate"));
        assert!(check(&schema(&field), false).unwrap_err().contains("connection's schema"));
        assert_eq!((check(&json!({}), true), find(&json!({}))), (Ok(()), None));
        let refused = |change: &dyn Fn(&mut Value)| {
            let mut schema = schema(&field);
            change(&mut schema);
            check(&schema, true).unwrap_err()
        };
        assert!(refused(&|schema| schema["properties"]["certificate"]["writeOnly"] = json!(false)).contains("`writeOnly`"));
        assert!(refused(&|schema| schema["properties"]["certificate"]["x-client-certificate"] = json!("yes")).contains("`true`"));
        assert!(refused(&|schema| schema["properties"]["token"] = field.clone()).contains("one field"));
        assert!(refused(&|schema| schema["properties"]["token"] = json!({"items": field})).contains("one field"));
    }
}
