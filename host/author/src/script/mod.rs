//! The file that says how a provider is tried: its settings, the events, and what its target expects and answers.
//!
//! It is YAML, and each part of it may be left out:
//!
//! ```yaml
//! config: { url: https://example.com/hooks }
//! events:
//!   - type: incident.incident.created
//!     payload: { title: It burns }
//! exchanges:                    # in this order, each once
//!   - request: { method: POST, url: https://example.com/*, json: { title: It burns } }
//!     answer: { status: 429, headers: { retry-after: "7" } }
//! answers:                      # to whatever else comes, the first that fits
//!   - answer: { json: { ok: true } }
//! result: { outcome: again, after: 7s }
//! ```

mod matching;
mod play;
mod recording;

pub use recording::recording;

pub(crate) use matching::fits as matching_text;
pub(crate) use play::{Everything, ScriptPlay, answered_by};

use crate::Error;
use postern_core::grant::Grant;
use postern_core::retry::Span;
use postern_core::{EventTypeId, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// How deep values may be nested.
const DEEPEST: usize = 128;

/// How a provider is tried. See the [module](self).
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Script {
    /// The subscription's settings.
    pub config: Option<Value>,
    /// The connection's settings, for a provider that has connections.
    pub connection: Option<Value>,
    /// What is delivered, one after the other. None: the event of a new incident.
    pub events: Vec<EventInput>,
    /// What an operator allows. None: the hosts that the manifest asks for.
    pub grant: Option<Grant>,
    /// How long a request may take at most. None: as configured.
    pub timeout: Option<Span>,
    /// The requests that are to come, in this order, each once, with their answers.
    pub exchanges: Vec<Scripted>,
    /// What other requests are answered with; the first that fits. None, and no exchanges: `{}` for each.
    pub answers: Vec<Scripted>,
    /// What is to become of the last event; for conformance, of one that is answered well. None: it is delivered.
    pub result: Option<Expected>,
    /// For conformance: where requests say that they are about the same delivery, if that is not the delivery's id.
    pub same_delivery: Option<Place>,
    /// For conformance: what this provider makes of a scenario for reasons of its own.
    pub deviations: BTreeMap<String, Deviation>,
}

/// An event that is delivered.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventInput {
    /// The event type's id.
    #[serde(rename = "type")]
    pub event_type: EventTypeId,
    /// What happened.
    pub payload: Value,
    /// When it happened. None: now.
    #[serde(default)]
    pub timestamp: Option<Timestamp>,
    /// The key of the thing that it is about. Later events about it find the external id that the first success returned.
    #[serde(default)]
    pub entity: Option<String>,
}

/// A request and its answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Scripted {
    /// Which request. Nothing of it: any.
    pub request: Pattern,
    /// The answer.
    pub answer: Answer,
}

/// What a request looks like. What is left out may be anything; `*` in a text stands for anything too.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pattern {
    /// `POST`.
    pub method: Option<String>,
    /// The whole URL with its query: `https://example.com/*`.
    pub url: Option<String>,
    /// Headers that it has, among others.
    pub headers: BTreeMap<String, String>,
    /// What its JSON has, among other fields.
    pub json: Option<Value>,
    /// Its body as text.
    pub body: Option<String>,
}

/// What a request is answered with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Answer {
    /// Default: 200.
    pub status: Option<u16>,
    /// Beside those for the body.
    pub headers: BTreeMap<String, String>,
    /// The body as JSON.
    pub json: Option<Value>,
    /// The body as text.
    pub body: Option<String>,
    /// In place of an answer.
    pub fault: Option<Fault>,
}

/// What may happen in place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// None comes.
    Timeout,
    /// Nobody listens.
    Refused,
    /// The name does not resolve.
    Dns,
    /// The connection is closed when the request has arrived.
    Reset,
    /// What comes is no HTTP.
    Garbage,
    /// The body is larger than what is read of it.
    Giant,
    /// There are more headers than are taken.
    GiantHeaders,
}

/// What is to become of a delivery.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Expected {
    /// How it ends. None: however.
    pub outcome: Option<Ending>,
    /// The external id; `*` stands for anything.
    pub external_id: Option<String>,
    /// The failure's message; `*` stands for anything.
    pub message: Option<String>,
    /// When it is tried again.
    pub after: Option<Span>,
}

/// How an attempt ends for its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It succeeded.
    Delivered,
    /// It is tried again.
    Again,
    /// It failed for good.
    Failed,
}

/// Where something stands in a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Place {
    /// In the header of this name.
    Header(String),
    /// In the JSON, at this pointer (RFC 6901).
    Json(String),
}

/// What a provider makes of a scenario for reasons of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deviation {
    /// How the attempt ends.
    pub outcome: Ending,
    /// Why that is right. It is printed.
    pub reason: String,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Delivered => "delivered",
            Self::Again => "again",
            Self::Failed => "failed",
        })
    }
}

impl std::fmt::Debug for Script {
    /// The settings hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { events, exchanges, answers, .. } = self;
        let mut shown = f.debug_struct("Script");
        shown.field("events", events).field("exchanges", exchanges).field("answers", answers).finish_non_exhaustive()
    }
}

impl Script {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or does not say what it should; with the place.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(file).map_err(|error| Error::File { file: file.into(), what: "read", error })?;
        Self::parse(&text, &file.display().to_string())
    }

    /// Reads a text.
    ///
    /// # Errors
    /// It does not say what it should; with the place.
    pub fn parse(text: &str, origin: &str) -> Result<Self, Error> {
        yaml(text, origin)
    }
}

/// Reads YAML or JSON.
///
/// # Errors
/// It is none, or does not say what it should; with the place.
pub fn yaml<T: serde::de::DeserializeOwned>(text: &str, origin: &str) -> Result<T, Error> {
    // JSON is YAML too, but for the escapes of characters beyond 16 bits.
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEEPEST },
        strict_booleans: true,
        // A snippet of the file may show a secret.
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let error = error.without_snippet();
        let place = error.location().map(|at| format!("line {}: ", at.line())).unwrap_or_default();
        let text = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        let message = text.lines().next().unwrap_or_default();
        let message = message.find(" at line ").map_or(message, |end| &message[..end]);
        Error::Input { origin: origin.to_owned(), reason: format!("{place}{message}") }
    })
}

impl Answer {
    /// One with JSON.
    pub(crate) fn json(status: u16, value: Value) -> Self {
        Self { status: Some(status), json: Some(value), ..Self::default() }
    }

    /// A fault.
    pub(crate) fn fault(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }

    /// As it goes over the wire; the connection closes behind it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let status = self.status.unwrap_or(200);
        let mut head = format!("HTTP/1.1 {status} Scripted\r\nconnection: close\r\n");
        let mut add = |name: &str, value: &str| {
            // One line is one header.
            let clean = |text: &str| text.replace(['\r', '\n'], " ");
            head.push_str(&format!("{}: {}\r\n", clean(name), clean(value)));
        };
        let has = |name: &str| self.headers.keys().any(|known| known.eq_ignore_ascii_case(name));
        let body = match (&self.json, &self.body) {
            (Some(json), _) => json.to_string(),
            (None, Some(body)) => body.clone(),
            (None, None) => String::new(),
        };
        if self.json.is_some() && !has("content-type") {
            add("content-type", "application/json");
        }
        for (name, value) in &self.headers {
            add(name, value);
        }
        // RFC 9110, 8.6 and 15.3.5: neither has a length.
        let bodiless = status == 204 || status == 304;
        if !bodiless && !has("content-length") {
            add("content-length", &body.len().to_string());
        }
        let mut bytes = (head + "\r\n").into_bytes();
        if !bodiless {
            bytes.extend_from_slice(body.as_bytes());
        }
        bytes
    }
}

impl EventInput {
    /// What is delivered where nothing else is said: an incident that begins.
    pub fn example() -> Self {
        let text = include_str!("../example-event.json");
        serde_json::from_str(text).expect("the example is an event")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_script_says_what_comes_and_what_is_answered() {
        let text = r#"
config: { url: "https://example.com/hooks" }
events:
  - type: incident.incident.created
    payload: { title: It burns, count: 3 }
exchanges:
  - request: { method: POST, url: "https://example.com/*", headers: { authorization: "Bearer *" } }
    answer: { status: 429, headers: { retry-after: "7" } }
  - answer: { fault: giant-headers }
result: { outcome: again, after: 7s }
sameDelivery: { json: /dedup_key }
deviations:
  "204": { outcome: failed, reason: It has no such answer. }
"#;
        let script = Script::parse(text, "script.yaml").unwrap();
        assert_eq!(script.events[0].payload["count"], 3);
        assert_eq!(script.exchanges[0].answer.status, Some(429));
        assert_eq!(script.exchanges[1].answer.fault, Some(Fault::GiantHeaders));
        assert_eq!(script.result.unwrap().after, Some(Span(Duration::from_secs(7))));
        assert_eq!(script.deviations["204"].outcome, Ending::Failed);
        assert_eq!(EventInput::example().event_type.as_str(), "incident.incident.created");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_without_what_stands_there() {
        let error = Script::parse("config: {}\nanswer: hunter2\n", "script.yaml").unwrap_err().to_string();
        assert!(error.starts_with("script.yaml: line 2: ") && error.contains("answer"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn json_is_read_with_all_its_escapes_and_no_secret_shows() {
        let script = Script::parse(r#"{"config": {"token": "hunter2 \ud83d\ude00"}}"#, "").unwrap();
        assert_eq!(script.config.as_ref().unwrap()["token"], "hunter2 😀");
        assert!(!format!("{script:?}").contains("hunter2"));
    }

    #[test]
    fn an_answer_has_its_length_and_closes() {
        let bytes = Answer::json(200, serde_json::json!({"ok": true})).to_bytes();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            "HTTP/1.1 200 Scripted\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}"
        );
        let none = Answer { status: Some(204), ..Answer::default() };
        assert!(!String::from_utf8(none.to_bytes()).unwrap().contains("content-length"));
    }
}
