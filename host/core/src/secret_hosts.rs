//! The hosts that one secret of a provider's settings may go to: the schema keyword `x-hosts`.
//!
//! ```json
//! {"type": "string", "writeOnly": true, "x-hosts": ["hooks.slack.com", "{connection.baseUrl}"]}
//! ```
//!
//! The secret then goes to these hosts only, as far as they are granted. With an empty list it goes nowhere: it is for
//! signing. The keyword stands beside `writeOnly`. A secret of a connection can name neither a host of `{config.…}` nor
//! `any-host`: whoever may edit a subscription would choose where a stored credential goes. Only an operator may open more
//! hosts to it ([`Grant::secret_hosts`](crate::grant::Grant::secret_hosts)).

use crate::host_pattern::{HostPattern, Section};
use crate::keyword::DEEPEST;
use serde_json::Value;

/// The keyword.
pub const KEYWORD: &str = "x-hosts";

/// What the keyword says in this place of a schema; none if it does not stand here.
///
/// What is no pattern counts for no host; [`check`] has refused it.
pub fn read(schema: &Value) -> Option<Vec<HostPattern>> {
    let patterns = schema.get(KEYWORD)?.as_array().map(Vec::as_slice).unwrap_or_default();
    Some(patterns.iter().filter_map(|pattern| pattern.as_str()?.parse().ok()).collect())
}

/// Checks every use of the keyword in the schema of a section. `knows` says whether a field of the settings exists.
///
/// # Errors
/// A sentence with the place that is wrong.
pub fn check(schema: &Value, section: Section, knows: &dyn Fn(&HostPattern) -> bool) -> Result<(), String> {
    step(schema, section, knows, &mut String::new(), 0)
}

fn step(
    schema: &Value,
    section: Section,
    knows: &dyn Fn(&HostPattern) -> bool,
    path: &mut String,
    depth: usize,
) -> Result<(), String> {
    if depth > DEEPEST {
        return Ok(());
    }
    // A field may have the keyword's name; its schema is an object.
    if let Some(found) = schema.get(KEYWORD).filter(|found| !found.is_object()) {
        let wrong = |reason: String| Err(format!("`{KEYWORD}` at {}/ {reason}", path.as_str()));
        if schema.get("writeOnly") != Some(&Value::Bool(true)) {
            return wrong("stands beside no `writeOnly`; only a secret has hosts of its own".to_owned());
        }
        let Some(patterns) = found.as_array() else { return wrong("is no list of host patterns".to_owned()) };
        for pattern in patterns {
            let pattern = match pattern.as_str().map(str::parse::<HostPattern>) {
                Some(Ok(pattern)) => pattern,
                Some(Err(error)) => return wrong(format!("is not understood: {error}")),
                None => return wrong("is no list of texts".to_owned()),
            };
            if section == Section::Connection && pattern.is_any_host() {
                return wrong(
                    "names `any-host`: a connection's secret goes to no host that a subscription's settings choose. Name the hosts; \
                     an operator may grant more of them"
                        .to_owned(),
                );
            }
            let Some(field) = pattern.field() else { continue };
            if section == Section::Connection && field.section == Section::Config {
                return wrong(format!(
                    "names `{field}`: a connection's secret goes to no host that a subscription's settings choose"
                ));
            }
            if !knows(&pattern) {
                return wrong(format!("names `{field}`, a field that its schema does not have"));
            }
        }
    }
    let mut enter = |key: &str, inner: &Value| {
        let length = path.len();
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        let result = step(inner, section, knows, path, depth + 1);
        path.truncate(length);
        result
    };
    match schema {
        Value::Object(map) => map.iter().try_for_each(|(key, inner)| enter(key, inner)),
        Value::Array(items) => items.iter().enumerate().try_for_each(|(index, inner)| enter(&index.to_string(), inner)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checked(section: Section, field: &Value) -> Result<(), String> {
        check(&json!({"type": "object", "properties": {"token": field}}), section, &|pattern| {
            pattern.to_string() == "{config.url}" || pattern.to_string() == "{connection.baseUrl}"
        })
    }

    #[test]
    fn hosts_are_read_where_they_stand() {
        let field = json!({"type": "string", "writeOnly": true, "x-hosts": ["hooks.slack.com", "{connection.baseUrl}"]});
        assert_eq!(checked(Section::Connection, &field), Ok(()));
        assert_eq!(read(&field).unwrap().len(), 2);
        assert_eq!(read(&json!({"x-hosts": []})), Some(Vec::new()), "none at all");
        assert_eq!(read(&json!({"x-hosts": "a.example"})), Some(Vec::new()), "what is not understood opens nothing");
        assert_eq!(read(&json!({})), None, "not restricted");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let refused = |section, hosts: Value| {
            let error = checked(section, &json!({"type": "string", "writeOnly": true, "x-hosts": hosts})).unwrap_err();
            assert!(error.contains("`x-hosts` at /properties/token/"), "{error}");
            error
        };
        assert!(refused(Section::Config, json!("a.example")).contains("no list"));
        assert!(refused(Section::Config, json!([1])).contains("no list of texts"));
        assert!(refused(Section::Config, json!(["*"])).contains("any-host"));
        assert!(refused(Section::Config, json!(["{config.uri}"])).contains("does not have"));
        assert!(refused(Section::Connection, json!(["{config.url}"])).contains("no host that a subscription's settings choose"));
        assert!(refused(Section::Connection, json!(["{config.url}.example.com"])).contains("no host that a subscription's"));
        assert!(refused(Section::Connection, json!(["any-host"])).contains("an operator may grant more"));
        for open in ["{config.url}", "any-host"] {
            assert_eq!(checked(Section::Config, &json!({"writeOnly": true, "x-hosts": [open]})), Ok(()), "what is so by default");
        }
        let open = checked(Section::Config, &json!({"type": "string", "x-hosts": ["a.example"]}));
        assert!(open.unwrap_err().contains("`writeOnly`"));
    }
}
