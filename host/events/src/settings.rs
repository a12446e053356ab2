//! A provider's settings: what a form made of its schema would hold.

use crate::template::{Context, Escaping, Template};
use crate::walk::{fill_defaults, walk, write_integers};
use crate::{Violation, schema};
use postern_core::host_pattern::HostPattern;
use postern_core::manifest::{SECRET_MARK, SettingsSchema};
use postern_core::{client_certificate, oauth2, secret_hosts};
use serde_json::Value;
use std::collections::BTreeMap;

/// The largest settings, in bytes of JSON: 128 KiB.
pub const LARGEST: usize = 128 * 1024;

/// Secrets by the JSON pointer of their field.
pub type Secrets = BTreeMap<String, String>;

/// A schema of settings, ready to accept values.
#[derive(Debug)]
pub struct Form {
    version: u32,
    schema: Value,
    validator: schema::Schema,
}

/// Settings that were accepted: they fit, have their defaults, and hold [`SECRET_MARK`] where a secret belongs.
#[derive(Clone)]
pub struct Accepted {
    /// Without secrets.
    pub value: Value,
    /// The secrets that were given now. Those of marked fields that are not among them stay as they are stored.
    pub secrets: Secrets,
}

impl std::fmt::Debug for Accepted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accepted").field("value", &self.value).field("secrets", &self.secrets.keys()).finish()
    }
}

impl Form {
    /// Prepares a schema.
    ///
    /// # Errors
    /// It is no JSON Schema, or it marks as a secret or as a template what is no string, or names an unknown escaping.
    pub fn compile(settings: &SettingsSchema) -> Result<Self, schema::SchemaError> {
        let validator = schema::Schema::compile(&settings.schema)?;
        check_marks(&settings.schema, &mut String::new()).map_err(schema::SchemaError)?;
        Ok(Self { version: settings.version, schema: settings.schema.clone(), validator })
    }

    /// The version of the schema.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Checks settings that somebody offers. `stored` says which secrets are stored already, so that
    /// [`SECRET_MARK`] may stand for them.
    ///
    /// # Errors
    /// Every place that does not fit: of the schema, of a template, of a secret that is not there.
    pub fn accept(&self, mut value: Value, stored: &dyn Fn(&str) -> bool) -> Result<Accepted, Vec<Violation>> {
        let size = value.to_string().len();
        if size > LARGEST {
            return Err(vec![Violation::new("", format!("{size} bytes; at most {LARGEST} are allowed"))]);
        }
        fill_defaults(&self.schema, &mut value);
        write_integers(&self.schema, &mut value);
        let kept = self.kept_secrets(&mut value);
        let mut violations: Vec<_> = kept
            .iter()
            .filter(|path| !stored(path))
            .map(|path| Violation::new(path.as_str(), format!("`{SECRET_MARK}` keeps a stored secret, and none is stored here")))
            .collect();
        // The mark stands for a value that was valid when it was stored; its own text need not fit the schema.
        let unfit = self.validator.validate(&value).err().unwrap_or_default();
        violations.extend(unfit.into_iter().filter(|violation| !kept.contains(&violation.path)));
        violations.extend(self.templates(&mut value).err().into_iter().flatten());
        if let Some((name, ..)) = oauth2::find(&self.schema)
            && value.get(name).is_some_and(|given| !given.is_null())
        {
            let message = "the host fills this in with an access token that it fetches; leave it out";
            violations.push(Violation::new(format!("/{name}"), message));
        }
        if !violations.is_empty() {
            return Err(violations);
        }
        let mut secrets = Secrets::new();
        self.each_secret(&mut value, &mut |path, _, text| {
            if text != SECRET_MARK {
                secrets.insert(path.to_owned(), std::mem::replace(text, SECRET_MARK.to_owned()));
            }
        });
        Ok(Accepted { value, secrets })
    }

    /// Puts something in the place of each secret: its value, or a placeholder for it. `put` is given the field's pointer
    /// and whether the schema says that it is a URL.
    pub fn put_secrets(&self, value: &mut Value, mut put: impl FnMut(&str, bool) -> Option<String>) {
        self.each_secret(value, &mut |path, is_url, text| {
            if let Some(replacement) = put(path, is_url) {
                *text = replacement;
            }
        });
    }

    /// The hosts that secrets may go to, by the pointers of those whose schema says so (`x-hosts`). Where several schemas
    /// describe one field, what all of them name.
    pub fn secret_hosts(&self, value: &mut Value) -> BTreeMap<String, Vec<HostPattern>> {
        let mut found: BTreeMap<String, Vec<HostPattern>> = BTreeMap::new();
        walk(&self.schema, value, &mut |path, schema, _| {
            let Some(hosts) = secret_hosts::read(schema) else { return };
            match found.get_mut(path) {
                Some(known) => known.retain(|host| hosts.contains(host)),
                None => drop(found.insert(path.to_owned(), hosts)),
            }
        });
        found
    }

    /// The field that the host fills with an access token, with its schema and how the token is fetched, if there is one.
    pub fn token(&self) -> Option<(&str, &Value, oauth2::Keyword)> {
        oauth2::find(&self.schema)
    }

    /// The field with the certificate that the host shows to servers, if there is one.
    pub fn client_certificate(&self) -> Option<&str> {
        client_certificate::find(&self.schema)
    }

    /// The templates among the fields of accepted settings, by pointer; fields with nothing to render are left out.
    ///
    /// # Errors
    /// Those that do not compile.
    pub fn templates(&self, value: &mut Value) -> Result<Vec<(String, Template)>, Vec<Violation>> {
        let mut templates: Vec<(String, Template)> = Vec::new();
        let mut violations = Vec::new();
        walk(&self.schema, value, &mut |path, schema, value| {
            let Some(escaping) = schema.get("x-template").and_then(Value::as_str).and_then(|name| name.parse::<Escaping>().ok())
            else {
                return;
            };
            let Value::String(text) = value else { return };
            if !Template::is_needed(text) || templates.iter().any(|(known, _)| known == path) {
                return;
            }
            match Template::compile(text, escaping) {
                Ok(template) => templates.push((path.to_owned(), template)),
                Err(error) => violations.push(Violation::new(path, error.to_string())),
            }
        });
        if violations.is_empty() { Ok(templates) } else { Err(violations) }
    }

    /// The texts of the templates among the fields of accepted settings, by pointer.
    pub fn template_sources(&self, value: &mut Value) -> Vec<(String, String)> {
        let templates = self.templates(value).unwrap_or_default();
        templates.into_iter().filter_map(|(path, _)| Some((path.clone(), value.pointer(&path)?.as_str()?.to_owned()))).collect()
    }

    fn kept_secrets(&self, value: &mut Value) -> Vec<String> {
        let mut kept = Vec::new();
        self.each_secret(value, &mut |path, _, text| {
            if text == SECRET_MARK {
                kept.push(path.to_owned());
            }
        });
        kept
    }

    fn each_secret(&self, value: &mut Value, visit: &mut dyn FnMut(&str, bool, &mut String)) {
        let mut seen = Vec::new();
        walk(&self.schema, value, &mut |path, schema, value| {
            if schema.get("writeOnly") == Some(&Value::Bool(true))
                && let Value::String(text) = value
                && !seen.iter().any(|known| known == path)
            {
                seen.push(path.to_owned());
                visit(path, schema.get("format").is_some_and(|format| format == "uri"), text);
            }
        });
    }
}

/// Renders templates into their fields.
///
/// # Errors
/// The first field whose template does not render.
pub fn render(templates: &[(String, Template)], value: &mut Value, context: &Context) -> Result<(), Violation> {
    for (path, template) in templates {
        let text = template.render(context).map_err(|error| Violation::new(path.as_str(), error.to_string()))?;
        if let Some(field) = value.pointer_mut(path) {
            *field = Value::String(text);
        }
    }
    Ok(())
}

/// A mark that the host cannot follow is refused when the schema is offered, not found out at delivery time.
fn check_marks(schema: &Value, path: &mut String) -> Result<(), Violation> {
    if let Value::Object(map) = schema {
        if map.get("writeOnly") == Some(&Value::Bool(true)) && map.get("type").is_some_and(|kind| !allows_string(kind)) {
            return Err(Violation::new(path.clone(), "`writeOnly` marks a secret, which must be a string"));
        }
        if let Some(escaping) = map.get("x-template") {
            let known = escaping.as_str().ok_or("it must name an escaping".to_owned()).and_then(|name| name.parse::<Escaping>());
            if let Err(message) = known {
                return Err(Violation::new(format!("{path}/x-template"), message));
            }
            if map.get("writeOnly") == Some(&Value::Bool(true)) {
                return Err(Violation::new(path.clone(), "a secret cannot be a template"));
            }
        }
    }
    let mut enter = |key: &str, inner: &Value| {
        let length = path.len();
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        let result = check_marks(inner, path);
        path.truncate(length);
        result
    };
    match schema {
        Value::Object(map) => map.iter().try_for_each(|(key, inner)| enter(key, inner)),
        Value::Array(items) => items.iter().enumerate().try_for_each(|(index, inner)| enter(&index.to_string(), inner)),
        _ => Ok(()),
    }
}

fn allows_string(kind: &Value) -> bool {
    kind == "string" || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "string"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form() -> Form {
        Form::compile(&SettingsSchema {
            version: 1,
            schema: json!({
                "type": "object",
                "required": ["url"],
                "additionalProperties": false,
                "properties": {
                    "url": {"type": "string", "format": "uri", "x-template": "url"},
                    "token": {"type": "string", "minLength": 10, "writeOnly": true},
                    "timeout": {"type": "integer", "default": 10000},
                    "more": {"type": "array", "items": {"type": "string", "writeOnly": true}},
                },
            }),
        })
        .unwrap()
    }

    #[test]
    fn accepted_settings_have_defaults_and_no_secrets() {
        let accepted = form()
            .accept(json!({"url": "https://example.com/x", "token": "0123456789", "more": ["aaaa", "bbbb"]}), &|_| false)
            .unwrap();
        assert_eq!(
            accepted.value,
            json!({"url": "https://example.com/x", "token": SECRET_MARK, "timeout": 10000, "more": [SECRET_MARK, SECRET_MARK]})
        );
        assert_eq!(accepted.secrets.len(), 3);
        assert_eq!(accepted.secrets["/more/1"], "bbbb");
    }

    #[test]
    fn the_mark_keeps_a_stored_secret_and_only_a_stored_one() {
        let offered = json!({"url": "https://example.com/x", "token": SECRET_MARK});
        assert!(form().accept(offered.clone(), &|path| path == "/token").unwrap().secrets.is_empty());
        assert_eq!(form().accept(offered, &|_| false).unwrap_err()[0].path, "/token");
    }

    #[test]
    fn every_bad_place_is_named_at_once() {
        let violations = form()
            .accept(json!({"url": "https://{{ x }}/", "timeout": "soon", "extra": 1, "token": "short"}), &|_| false)
            .unwrap_err();
        let text = format!("{violations:?}");
        for place in ["/url", "/timeout", "/token", "extra"] {
            assert!(text.contains(place), "{place} in {text}");
        }
        assert!(!text.contains("short\""), "{text}");
    }

    #[test]
    fn hosts_of_secrets_are_found_at_their_places() {
        let secret = |hosts: Value| json!({"type": "string", "writeOnly": true, "x-hosts": hosts});
        let schema = json!({"type": "object", "properties": {
            "token": secret(json!(["a.example", "b.example"])),
            "more": {"type": "array", "items": secret(json!(["c.example"]))},
            "both": {"allOf": [secret(json!(["a.example", "b.example"])), secret(json!(["b.example", "c.example"]))]},
            "free": {"type": "string", "writeOnly": true},
        }});
        let form = Form::compile(&SettingsSchema { version: 1, schema }).unwrap();
        let hosts = form.secret_hosts(&mut json!({"token": "t", "more": ["x", "y"], "both": "z", "free": "f"}));
        let written: Vec<_> = hosts.iter().map(|(path, hosts)| format!("{path} {hosts:?}")).collect();
        assert_eq!(written, ["/both [b.example]", "/more/0 [c.example]", "/more/1 [c.example]", "/token [a.example, b.example]"]);
    }

    #[test]
    fn a_field_with_an_access_token_is_left_to_the_host() {
        let schema = json!({"type": "object", "properties": {
            "secret": {"type": "string", "writeOnly": true},
            "token": {"type": ["string", "null"], "writeOnly": true, "default": null, "x-oauth2": {
                "tokenUrl": "https://login.example/token", "clientId": "me", "clientSecret": "{connection.secret}"}},
        }});
        let form = Form::compile(&SettingsSchema { version: 1, schema }).unwrap();
        assert_eq!(form.token().map(|(name, ..)| name), Some("token"));
        assert!(form.accept(json!({"secret": "s"}), &|_| false).is_ok());
        let violations = form.accept(json!({"secret": "s", "token": "mine"}), &|_| false).unwrap_err();
        assert_eq!(violations[0].path, "/token");
        assert!(!format!("{violations:?}").contains("mine"));
    }

    #[test]
    fn marks_that_the_host_cannot_follow_are_refused() {
        let compile = |property: Value| {
            Form::compile(&SettingsSchema { version: 1, schema: json!({"type": "object", "properties": {"a": property}}) })
        };
        assert!(compile(json!({"type": "integer", "writeOnly": true})).is_err());
        assert!(compile(json!({"type": "string", "x-template": "html"})).is_err());
        assert!(compile(json!({"type": "string", "x-template": "text", "writeOnly": true})).is_err());
        assert!(compile(json!({"type": ["string", "null"], "writeOnly": true})).is_ok());
    }
}
