//! Access tokens that the host fetches: the schema keyword `x-oauth2` (RFC 6749, section 4.4, client credentials).
//!
//! ```json
//! {"properties": {
//!   "clientId": {"type": "string"},
//!   "clientSecret": {"type": "string", "writeOnly": true, "x-hosts": ["login.example.com"]},
//!   "accessToken": {"type": "string", "writeOnly": true, "x-oauth2": {
//!     "tokenUrl": "https://login.example.com/oauth/token",
//!     "clientId": "{connection.clientId}", "clientSecret": "{connection.clientSecret}", "scopes": ["write"]}}}}
//! ```
//!
//! It stands in one field at the top level of a connection's schema. Nobody fills that field in: the provider finds the
//! placeholder of a token there, which the host fetches when the first request carries it, keeps until it expires, and renews
//! when a target answers 401. If a setting that it needs is absent, the field is absent too.

use crate::keyword::{is_secret, only_field};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use url::Url;

/// The keyword.
pub const KEYWORD: &str = "x-oauth2";

/// What the keyword says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Keyword {
    /// Where tokens are fetched. Its host must be among the manifest's.
    pub token_url: Text,
    /// Who asks.
    pub client_id: Text,
    /// With which secret: `{connection.FIELD}`, a field marked `writeOnly`.
    pub client_secret: Text,
    /// What is asked for. Default: nothing, which leaves it to the server.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// More parameters of the request, `audience` or `resource` say. Default: none.
    #[serde(default)]
    pub parameters: BTreeMap<String, Text>,
    /// How the client proves who it is. Default: `basic`.
    #[serde(default)]
    pub authentication: Authentication,
}

/// A text of the schema, or of the connection's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// As it stands in the schema.
    Literal(String),
    /// `{connection.FIELD}`: the text in that field.
    Field(String),
}

/// How a client proves who it is (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authentication {
    /// HTTP Basic.
    #[default]
    Basic,
    /// Parameters in the body.
    Body,
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !text.starts_with('{') {
            return Ok(Self::Literal(text));
        }
        let name = text.strip_prefix("{connection.").and_then(|rest| rest.strip_suffix('}'));
        let name = name.ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not written `{{connection.FIELD}}`")))?;
        Ok(Self::Field(name.to_owned()))
    }
}

impl Text {
    /// The text, if its setting is there and not empty.
    pub fn resolve<'a>(&'a self, connection: &'a Map<String, Value>) -> Option<&'a str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Field(name) => connection.get(name)?.as_str().filter(|text| !text.is_empty()),
        }
    }
}

/// The field of a connection's schema that has the keyword, with its own schema and what the keyword says; none if there is
/// none. [`check`] has refused what is not understood.
pub fn find(schema: &Value) -> Option<(&str, &Value, Keyword)> {
    let mut found = schema.get("properties")?.as_object()?.iter();
    found.find_map(|(name, field)| Some((name.as_str(), field, Keyword::deserialize(field.get(KEYWORD)?).ok()?)))
}

/// Checks every use of the keyword in a schema.
///
/// # Errors
/// A sentence with what is wrong.
pub fn check(schema: &Value, of_connection: bool) -> Result<(), String> {
    let Some((name, field)) = only_field(schema, KEYWORD, of_connection, &|_| true)? else { return Ok(()) };
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let keyword = field.get(KEYWORD).unwrap_or(&Value::Null);
    if schema.get("required").and_then(Value::as_array).is_some_and(|required| required.iter().any(|known| known == name)) {
        return Err(format!("/properties/{name} has `{KEYWORD}`, so nobody can fill it in and it cannot be required"));
    }
    let wrong = |reason: String| format!("`{KEYWORD}` at /properties/{name}: {reason}");
    let keyword = Keyword::deserialize(keyword).map_err(|error| wrong(error.to_string()))?;
    let texts = [&keyword.token_url, &keyword.client_id, &keyword.client_secret];
    for text in texts.into_iter().chain(keyword.parameters.values()) {
        if let Text::Field(field) = text
            && !properties.contains_key(field)
        {
            return Err(wrong(format!("`{{connection.{field}}}` names a field that its schema does not have")));
        }
    }
    match &keyword.client_secret {
        Text::Field(field) if is_secret(properties.get(field)) => {}
        _ => return Err(wrong("clientSecret must name a field marked `writeOnly`: `{connection.clientSecret}`".to_owned())),
    }
    if let Text::Literal(url) = &keyword.token_url
        && !Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
    {
        return Err(wrong(format!("tokenUrl `{url}` is no URL of a host")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema(keyword: &Value) -> Value {
        json!({"type": "object", "properties": {
            "clientId": {"type": "string"},
            "clientSecret": {"type": "string", "writeOnly": true},
            "accessToken": {"type": "string", "writeOnly": true, "x-oauth2": keyword},
        }})
    }

    fn keyword() -> Value {
        json!({"tokenUrl": "https://login.example/token", "clientId": "{connection.clientId}",
            "clientSecret": "{connection.clientSecret}", "scopes": ["write"], "parameters": {"audience": "api"}})
    }

    #[test]
    fn the_keyword_is_found_and_resolved_from_the_connection() {
        let schema = schema(&keyword());
        assert_eq!(check(&schema, true), Ok(()));
        let (name, _, found) = find(&schema).unwrap();
        assert_eq!((name, found.authentication), ("accessToken", Authentication::Basic));
        let settings = json!({"clientId": "me", "clientSecret": ""});
        let settings = settings.as_object().unwrap();
        assert_eq!(found.token_url.resolve(settings), Some("https://login.example/token"));
        assert_eq!(found.client_id.resolve(settings), Some("me"));
        assert_eq!(found.client_secret.resolve(settings), None, "empty is absent");
        assert!(find(&json!({"properties": {"a": {}}})).is_none());
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_reason() {
        let with = |key: &str, value: Value| {
            let mut keyword = keyword();
            keyword[key] = value;
            check(&schema(&keyword), true).unwrap_err()
        };
        assert!(with("tokenUrl", json!("login.example")).contains("no URL"));
        assert!(with("clientId", json!("{connection.id}")).contains("does not have"));
        assert!(with("clientId", json!("{config.id}")).contains("{connection.FIELD}"));
        assert!(with("clientSecret", json!("hunter2")).contains("`writeOnly`"));
        assert!(with("clientSecret", json!("{connection.clientId}")).contains("`writeOnly`"));
        assert!(with("grantType", json!("password")).contains("grantType"));
        assert!(check(&schema(&keyword()), false).unwrap_err().contains("connection's schema"));
        let mut required = schema(&keyword());
        required["required"] = json!(["accessToken"]);
        assert!(check(&required, true).unwrap_err().contains("required"));
        let mut nested = schema(&keyword());
        nested["properties"]["more"] = json!({"type": "object", "properties": {"t": {"x-oauth2": keyword()}}});
        assert!(check(&nested, true).is_err());
    }
}
