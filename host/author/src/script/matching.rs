//! Whether a request is what a script expects, and what is different.

use super::Pattern;
use crate::stage::Received;
use regex::Regex;
use serde_json::Value;

/// How much of a text a difference shows, in characters.
const SHOWN: usize = 200;

impl Pattern {
    /// What is different; nothing if it fits. What a request holds in secret places is not told.
    pub(crate) fn differences(&self, request: &Received) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(method) = self.method.as_ref().filter(|method| !method.eq_ignore_ascii_case(&request.method)) {
            found.push(format!("the method is {}, not {method}", request.method));
        }
        if let Some(url) = self.url.as_ref().filter(|url| !fits(url, &request.url)) {
            found.push(format!("the URL is not {url}"));
        }
        for (name, value) in &self.headers {
            match request.header(&name.to_ascii_lowercase()) {
                None => found.push(format!("the header {name} is missing")),
                Some(sent) if !fits(value, sent) => found.push(format!("the header {name} is not `{}`", shortened(value))),
                Some(_) => {}
            }
        }
        if let Some(body) = self.body.as_ref().filter(|body| !fits(body, &String::from_utf8_lossy(&request.body))) {
            found.push(format!("the body is not `{}`", shortened(body)));
        }
        if let Some(expected) = &self.json {
            match serde_json::from_slice::<Value>(&request.body) {
                Ok(sent) => differences(expected, &sent, String::new(), &mut found),
                Err(_) => found.push("the body is no JSON".to_owned()),
            }
        }
        found
    }

    /// Whether a request to this host may be meant.
    pub(crate) fn may_be_at(&self, host: &str) -> bool {
        let Some(url) = &self.url else { return true };
        let behind = url.split_once("://").map_or(url.as_str(), |(_, behind)| behind);
        let authority = behind.split(['/', '?']).next().unwrap_or_default();
        let name = authority.rsplit_once(':').map_or(authority, |(name, port)| match port.parse::<u16>() {
            Ok(_) => name,
            Err(_) => authority,
        });
        fits(&name.to_ascii_lowercase(), host) || name.contains('*') && name.len() < behind.len()
    }

    /// In a word or two: `POST https://example.com/*`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method.as_deref().unwrap_or("any method"), self.url.as_deref().unwrap_or("any URL"))
    }
}

/// Whether a text is like a pattern in which `*` stands for anything.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    if !pattern.contains('*') {
        return pattern == text;
    }
    let parts: Vec<_> = pattern.split('*').map(regex::escape).collect();
    // Only a pattern of megabytes is none.
    Regex::new(&format!("(?s)^{}$", parts.join(".*"))).is_ok_and(|regex| regex.is_match(text))
}

/// Fields that are expected must be there; others may be. A list is compared whole.
fn differences(expected: &Value, sent: &Value, place: String, found: &mut Vec<String>) {
    let shown = || if place.is_empty() { "the body".to_owned() } else { place.clone() };
    match (expected, sent) {
        (Value::Object(expected), Value::Object(sent)) => {
            for (name, value) in expected {
                let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
                match sent.get(name) {
                    Some(sent) => differences(value, sent, place, found),
                    None => found.push(format!("{place} is missing")),
                }
            }
        }
        (Value::Array(expected), Value::Array(sent)) if expected.len() == sent.len() => {
            for (index, (value, sent)) in expected.iter().zip(sent).enumerate() {
                differences(value, sent, format!("{place}/{index}"), found);
            }
        }
        (Value::String(pattern), Value::String(text)) if fits(pattern, text) => {}
        (expected, sent) if expected == sent => {}
        (expected, _) => found.push(format!("{} is not {}", shown(), shortened(&expected.to_string()))),
    }
}

fn shortened(text: &str) -> String {
    let short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() { short + "…" } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(body: &Value) -> Received {
        Received {
            method: "POST".into(),
            url: "https://example.com/hooks?a=1".into(),
            headers: vec![("authorization".into(), "Bearer hunter2".into())],
            body: body.to_string().into_bytes(),
        }
    }

    #[test]
    fn a_star_stands_for_anything_and_nothing_else_does() {
        for (pattern, text, expected) in [
            ("https://a.example/*", "https://a.example/b/c?d", true),
            ("https://a.example/?", "https://a.example/b", false),
            ("*.example", "a-example", false),
            ("a*", "a\nb", true),
            ("a", "ab", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn every_difference_is_told_with_its_place_and_without_what_was_sent() {
        let pattern = Pattern {
            method: Some("PUT".into()),
            url: Some("https://example.com/hooks".into()),
            headers: [("Authorization".to_owned(), "Basic *".to_owned()), ("x-a".to_owned(), "*".to_owned())].into(),
            json: Some(json!({"title": "Disk *", "list": [1, 2], "inner": {"a": true}})),
            body: None,
        };
        let sent = json!({"title": "Disk full", "list": [1, 3], "inner": {}, "more": 1});
        assert_eq!(
            pattern.differences(&request(&sent)),
            [
                "the method is POST, not PUT",
                "the URL is not https://example.com/hooks",
                "the header Authorization is not `Basic *`",
                "the header x-a is missing",
                "/list/1 is not 2",
                "/inner/a is missing",
            ]
        );
        let pattern = Pattern { json: Some(json!({"title": "Disk *"})), ..Pattern::default() };
        assert!(pattern.differences(&request(&sent)).is_empty());
    }

    #[test]
    fn the_host_of_a_pattern_is_known_before_the_request_is() {
        let at = |url: &str, host: &str| Pattern { url: Some(url.into()), ..Pattern::default() }.may_be_at(host);
        assert!(at("https://example.com:8443/x", "example.com") && !at("https://example.com/x", "other.example"));
        assert!(at("https://*.example.com/x", "a.example.com") && at("*/x", "anything.example"));
        assert!(Pattern::default().may_be_at("anything.example"));
    }
}
