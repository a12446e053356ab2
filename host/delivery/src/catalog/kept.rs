//! When a secret's mark keeps the stored secret: not for another host, and not for another element of a list.
//!
//! A mark says "what is stored here". Whoever may change settings need not know the secret behind it, so it must not go where
//! that person sends it, and it must be clear which secret is meant.

use super::settings::Opened;
use postern_core::host_pattern::{HostPattern, Section, host_of};
use postern_core::manifest::SECRET_MARK;
use postern_core::oauth2::{self, Text};
use postern_events::Violation;
use postern_events::settings::{Accepted, Form};
use serde_json::Value;

/// The fields of a section of the settings that say which hosts a provider asks for.
pub(crate) fn host_fields(wish: &[HostPattern], section: Section) -> Vec<&str> {
    let fields = wish.iter().filter_map(HostPattern::field).filter(|field| field.section == section);
    fields.map(|field| field.name.as_str()).collect()
}

/// The marks in accepted settings that must not keep what is stored. `hosts` are the fields that granted hosts come from.
pub(super) fn misused(form: &Form, accepted: &Accepted, before: &Opened, hosts: &[&str]) -> Vec<Violation> {
    let mut kept = Vec::new();
    form.put_secrets(&mut accepted.value.clone(), |path, _| {
        if !accepted.secrets.contains_key(path) {
            kept.push(path.to_owned());
        }
        None
    });
    if kept.is_empty() {
        return Vec::new();
    }
    let token_url = match form.token() {
        Some((_, _, oauth2::Keyword { token_url: Text::Field(field), .. })) => Some(field),
        _ => None,
    };
    let mut hosts = hosts.iter().copied().chain(token_url.as_deref());
    let moved = hosts.find(|field| moved(accepted, before, field));
    let masked = before.masked();
    let judge = |path: String| {
        if let Some(field) = moved {
            let message = format!(
                "the host of `{field}` changed, and `{SECRET_MARK}` would send the stored secret there; give the secret anew"
            );
            return Some(Violation::new(path, message));
        }
        let list = list_around(&accepted.value, &path)?;
        if masked.pointer(list) == accepted.value.pointer(list) {
            return None;
        }
        let message = format!(
            "the list {list} changed, so it is not certain which secret `{SECRET_MARK}` stands for; give the secret anew"
        );
        Some(Violation::new(path, message))
    };
    kept.into_iter().filter_map(judge).collect()
}

/// Whether a field leads to another host than before.
fn moved(accepted: &Accepted, before: &Opened, field: &str) -> bool {
    let path = format!("/{field}");
    let now = match accepted.secrets.get(&path) {
        Some(given) => Some(given.as_str()),
        None => accepted.value.get(field).and_then(Value::as_str),
    };
    if now == Some(SECRET_MARK) && before.has_secret(&path) {
        return false;
    }
    let host = now.and_then(host_of);
    host.is_some() && host != before.clear.get(field).and_then(Value::as_str).and_then(host_of)
}

/// The outermost list that a place is in, by its pointer.
fn list_around<'a>(value: &Value, path: &'a str) -> Option<&'a str> {
    let ends = path.char_indices().filter(|(at, character)| *at > 0 && *character == '/').map(|(at, _)| at);
    ends.map(|end| &path[..end]).find(|outer| value.pointer(outer).is_some_and(Value::is_array))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::settings::accept;
    use postern_core::manifest::SettingsSchema;
    use serde_json::json;

    fn form() -> Form {
        let secret = json!({"type": "string", "writeOnly": true});
        let schema = json!({"type": "object", "properties": {
            "url": {"type": "string"}, "hook": {"type": "string", "format": "uri", "writeOnly": true}, "token": secret,
            "plain": {"type": "array", "items": secret},
            "named": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "value": secret}}},
            "by": {"type": "object", "additionalProperties": secret},
        }});
        Form::compile(&SettingsSchema { version: 1, schema }).unwrap()
    }

    /// The places that are refused when settings are changed from one value to another.
    fn refused(before: Value, after: Value, hosts: &[&str]) -> Vec<String> {
        let form = form();
        let before = accept(&form, before, None, hosts, "").unwrap();
        let before = Opened::unsaved(&form, before).unwrap();
        match accept(&form, after, Some(&before), hosts, "/settings") {
            Ok(_) => Vec::new(),
            Err(violations) => violations.into_iter().map(|violation| violation.path).collect(),
        }
    }

    #[test]
    fn a_secret_stays_with_its_host() {
        let change = |before: &str, after: &str| {
            refused(json!({"url": before, "token": "t"}), json!({"url": after, "token": SECRET_MARK}), &["url"])
        };
        let from = "https://a.example/x";
        for same in [from, "https://A.example:443/y?z", "https://a.example/{{ payload.id }}"] {
            assert!(change(from, same).is_empty(), "{same}");
        }
        for other in ["https://b.example/x", "http://a.example/x", "https://a.example:444/x", "https://a.example@b.example/"] {
            assert_eq!(change(from, other), ["/settings/token"], "{other}");
        }
        let given = json!({"url": "https://b.example", "token": "new"});
        assert!(refused(json!({"url": from, "token": "t"}), given, &["url"]).is_empty(), "a secret that is given goes anywhere");
        let other = json!({"url": "https://b.example", "token": SECRET_MARK});
        assert!(refused(json!({"url": from, "token": "t"}), other.clone(), &[]).is_empty(), "no host comes from the field");
        assert_eq!(refused(json!({"token": "t"}), other, &["url"]), ["/settings/token"], "a host where none was");
    }

    #[test]
    fn a_secret_stays_with_its_label() {
        let change = |before: &str, after: &str| {
            refused(json!({"url": before, "token": "t"}), json!({"url": after, "token": SECRET_MARK}), &["url"])
        };
        assert!(change("acme", "Acme").is_empty());
        assert_eq!(change("acme", "other"), ["/settings/token"]);
    }

    #[test]
    fn a_secret_url_counts_as_its_host() {
        let before = json!({"hook": "https://a.example/1", "token": "t"});
        let change = |hook: &str| refused(before.clone(), json!({"hook": hook, "token": SECRET_MARK}), &["hook"]);
        assert!(change(SECRET_MARK).is_empty());
        assert!(change("https://a.example/2").is_empty());
        assert_eq!(change("https://b.example/1"), ["/settings/token"]);
    }

    #[test]
    fn a_clients_secret_stays_with_its_login_server() {
        let schema = json!({"type": "object", "properties": {
            "login": {"type": "string"}, "secret": {"type": "string", "writeOnly": true},
            "access": {"type": "string", "writeOnly": true, "x-oauth2": {
                "tokenUrl": "{connection.login}", "clientId": "me", "clientSecret": "{connection.secret}"}},
        }});
        let form = Form::compile(&SettingsSchema { version: 1, schema }).unwrap();
        let before = accept(&form, json!({"login": "https://a.example/token", "secret": "s"}), None, &[], "").unwrap();
        let before = Opened::unsaved(&form, before).unwrap();
        let change = |login: &str| accept(&form, json!({"login": login, "secret": SECRET_MARK}), Some(&before), &[], "").is_ok();
        assert!(change("https://a.example/other"));
        assert!(!change("https://b.example/token"), "the secret would be sent there, whatever the manifest's hosts are");
    }

    #[test]
    fn a_mark_in_a_list_stands_for_its_own_secret_only() {
        let plain = |after: Value| refused(json!({"plain": ["a", "b"]}), json!({"plain": after}), &[]);
        assert!(plain(json!([SECRET_MARK, SECRET_MARK])).is_empty());
        assert!(plain(json!(["c", SECRET_MARK])).is_empty());
        assert_eq!(plain(json!([SECRET_MARK])), ["/settings/plain/0"]);
        assert_eq!(plain(json!([SECRET_MARK, SECRET_MARK, "c"])), ["/settings/plain/0", "/settings/plain/1"]);

        let element = |name: &str, value: &str| json!({"name": name, "value": value});
        let before = json!({"named": [element("a", "1"), element("b", "2")]});
        let named = |after: Value| refused(before.clone(), json!({"named": after}), &[]);
        assert!(named(json!([element("a", SECRET_MARK), element("b", SECRET_MARK)])).is_empty());
        assert!(named(json!([element("a", "3"), element("b", SECRET_MARK)])).is_empty());
        assert_eq!(named(json!([element("b", SECRET_MARK)])), ["/settings/named/0/value"]);
        assert_eq!(named(json!([element("b", SECRET_MARK), element("a", "1")])), ["/settings/named/0/value"]);
        assert!(named(json!([element("b", "2")])).is_empty());

        let by = json!({"by": {"a": "1", "b": "2"}});
        assert!(refused(by, json!({"by": {"b": SECRET_MARK, "c": "3"}}), &[]).is_empty(), "names say which is meant");
    }
}
