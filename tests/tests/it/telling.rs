//! Whether a secret is told: everything that the API answers and the daemon writes, searched for every form of it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use postern_tests::Daemon;
use postern_tests::platform::id;
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeSet;

/// RFC 3986: everything but what it calls unreserved.
const UNRESERVED_STAYS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The ways in which a receiver might tell a secret: as it is, as JSON writers of several languages escape it,
/// percent-encoded, hexadecimal, base64; and each without the white space at its ends, which a header loses on the way, and
/// with its UTF-8 taken for Latin-1, as some servers take headers.
pub(crate) fn forms(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    let trimmed = secret.trim_matches([' ', '\t']);
    let misread: String = trimmed.bytes().map(char::from).collect();
    for secret in [secret, trimmed, &misread] {
        let json = Value::from(secret).to_string();
        let json = &json[1..json.len() - 1];
        let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        forms.extend([secret, json, &json.replace('/', "\\/"), &hexadecimal, &hexadecimal.to_uppercase()].map(str::to_owned));
        let lower = |unit| format!("\\u{unit:04x}");
        forms.insert(escaped(secret, |c| !c.is_ascii(), lower));
        forms.insert(escaped(secret, |c| matches!(c, '<' | '>' | '&'), lower));
        forms.insert(escaped(secret, |c| !c.is_ascii() || "\"&'+<>`".contains(c), |unit| format!("\\u{unit:04X}")));
        let percent = utf8_percent_encode(secret, UNRESERVED_STAYS).to_string();
        let python = percent.replace("%2F", "/");
        forms.extend([percent.replace("%20", "+"), with_lower_escapes(&percent), python, percent]);
        forms.insert(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
        forms.extend([STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(|engine| engine.encode(secret)));
    }
    forms
}

/// The inside of a JSON string in which some characters are escaped as UTF-16 units.
fn escaped(text: &str, which: impl Fn(char) -> bool, write: impl Fn(u16) -> String) -> String {
    let mut json = String::new();
    for c in text.chars() {
        if which(c) {
            json.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| write(*unit)));
        } else {
            let quoted = Value::from(c.to_string()).to_string();
            json.push_str(&quoted[1..quoted.len() - 1]);
        }
    }
    json
}

/// `%2F` as `%2f`.
fn with_lower_escapes(percent: &str) -> String {
    let mut parts = percent.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}%{}{}", part[..2].to_lowercase(), &part[2..]))
}

/// Checks that none of the texts, each with the place that it is from, holds a secret. What JSON quotes is looked at as it
/// reads, too.
#[track_caller]
pub(crate) fn assert_untold(told: &[(String, String)], secrets: &[String]) {
    let mut forms: BTreeSet<_> = secrets.iter().flat_map(|secret| forms(secret)).collect();
    // As debug output quotes it.
    forms.extend(secrets.iter().map(|secret| format!("{secret:?}").trim_matches('"').to_owned()));
    for (place, text) in told {
        let mut read = String::new();
        if let Ok(value) = serde_json::from_str(text) {
            read_strings(&value, &mut read);
        }
        for text in [text, &read] {
            for form in &forms {
                let around = |at: usize| {
                    let end = text.ceil_char_boundary(at + form.len() + 20);
                    &text[text.floor_char_boundary(at.saturating_sub(200))..end]
                };
                assert!(!text.contains(form), "{place} tells a secret as {form:?}: {:?}", text.find(form).map(around));
            }
        }
    }
}

fn read_strings(value: &Value, read: &mut String) {
    match value {
        Value::String(text) => read.extend([text, "\n"]),
        Value::Array(items) => items.iter().for_each(|item| read_strings(item, read)),
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            read.extend([key, "\n"]);
            read_strings(value, read);
        }),
        _ => {}
    }
}

/// Every `GET` of the API: listings, and the details of what they list.
pub(crate) async fn crawl(daemon: &Daemon) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let mut look = async |path: String| -> Value {
        let answer = daemon.api.call(Method::GET, &path, Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        told.push((format!("headers of {path}"), format!("{:?}", answer.headers)));
        let value = if answer.text.starts_with('{') { answer.json() } else { Value::Null };
        told.push((path, answer.text));
        value
    };
    for path in [
        "/healthz",
        "/readyz",
        "/api/v1/stats",
        "/api/v1/tokens",
        "/api/v1/audit?limit=500",
        "/api/v1/event-types?groupBy=category",
    ] {
        look(path.to_owned()).await;
    }
    for what in ["event-types", "providers", "connections", "subscriptions", "events", "deliveries"] {
        let listed = look(format!("/api/v1/{what}?limit=500")).await["items"].take();
        for item in listed.as_array().unwrap() {
            let path = format!("/api/v1/{what}/{}", id(&item["id"]));
            let whole = look(path.clone()).await;
            if what == "providers" {
                look(format!("{path}/grant")).await;
            }
            for step in whole["history"].as_array().into_iter().flatten() {
                if let Some(number) = step["attempt"]["number"].as_u64() {
                    look(format!("{path}/attempts/{number}")).await;
                }
            }
        }
    }
    told
}
