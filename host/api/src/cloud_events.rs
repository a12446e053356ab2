//! CloudEvents 1.0 over HTTP (github.com/cloudevents/spec, bindings/http-protocol-binding.md): structured, batched and
//! binary. `type` is the event type's id, `data` the payload, `time` the timestamp; the extension attribute `tenant`
//! names the tenant; `source` and `id` together are the idempotency key. Other attributes are ignored.

use crate::document;
use crate::problem::Problem;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postern_core::id::ParseIdError;
use postern_core::{EventTypeId, Json, TenantId, Timestamp};
use postern_events::Violation;
use schemars::{Schema, json_schema};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A CloudEvent as Postern reads it.
#[derive(Debug)]
pub struct CloudEvent {
    /// The event type's id.
    pub event_type: EventTypeId,
    /// `data`; null where there is none.
    pub payload: Json,
    /// `time`.
    pub timestamp: Option<Timestamp>,
    /// The extension attribute `tenant`.
    pub tenant: Option<TenantId>,
    /// `source` and `id`: the same pair is the same event.
    pub identity: (String, String),
}

/// How CloudEvents can stand in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The body is one event.
    Structured,
    /// The body is a list of events.
    Batched,
    /// The headers are the attributes and the body is the data.
    Binary,
}

/// The mode that a request's headers say; none if it carries no CloudEvents.
pub fn mode(headers: &HeaderMap) -> Option<Mode> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/cloudevents+json" => Some(Mode::Structured),
        "application/cloudevents-batch+json" => Some(Mode::Batched),
        _ if headers.contains_key("ce-specversion") => Some(Mode::Binary),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Envelope {
    specversion: Option<String>,
    id: Option<String>,
    source: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    time: Option<String>,
    tenant: Option<String>,
    datacontenttype: Option<String>,
    data: Option<Box<RawValue>>,
    data_base64: Option<String>,
}

/// An event as JSON.
pub(crate) fn example() -> Value {
    json!({
        "specversion": "1.0", "id": "7", "source": "/monitoring", "type": "incident.incident.created", "data": { "title": "Down" },
    })
}

/// How an event stands in JSON. Attributes that it does not name are extensions, which are ignored.
pub(crate) fn schema() -> Schema {
    let text = || json!({ "type": "string", "minLength": 1 });
    json_schema!({
        "type": "object",
        "description": "A CloudEvent 1.0. `source` and `id` together make a repetition known for 24 hours.",
        "required": ["specversion", "id", "source", "type"],
        "examples": [example()],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": text(),
            "source": text(),
            "type": document::request_schema::<EventTypeId>(),
            "time": document::request_schema::<Timestamp>(),
            "tenant": document::request_schema::<TenantId>(),
            "datacontenttype": { "type": "string", "examples": ["application/json"] },
            "data": { "description": "The payload." },
            "data_base64": { "type": "string", "contentEncoding": "base64", "description": "The payload's JSON, instead of `data`." },
        },
    })
}

/// Reads the events of a request.
///
/// # Errors
/// A required attribute is missing or malformed, with its place; or the data is no JSON.
pub fn read(mode: Mode, headers: &HeaderMap, body: &[u8]) -> Result<Vec<CloudEvent>, Problem> {
    match mode {
        Mode::Structured => Ok(vec![event(crate::body::parse(body)?, "")?]),
        Mode::Batched => {
            let envelopes: Vec<Envelope> = crate::body::parse(body)?;
            envelopes.into_iter().enumerate().map(|(index, envelope)| event(envelope, &format!("/{index}"))).collect()
        }
        Mode::Binary => Ok(vec![event(binary(headers, body)?, "")?]),
    }
}

fn binary(headers: &HeaderMap, body: &[u8]) -> Result<Envelope, Problem> {
    let attribute = |name: &str| {
        let value = headers.get(format!("ce-{name}"))?;
        // The binding percent-encodes what is not printable ASCII.
        Some(percent_decoded(value.as_bytes()))
    };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some(kind) = content_type.as_deref().filter(|kind| !is_json(kind)) {
        let detail = format!("the data is `{kind}`; only JSON can be delivered");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail));
    }
    let data = if body.is_empty() { None } else { Some(crate::body::parse::<Box<RawValue>>(body)?) };
    Ok(Envelope {
        specversion: attribute("specversion"),
        id: attribute("id"),
        source: attribute("source"),
        event_type: attribute("type"),
        time: attribute("time"),
        tenant: attribute("tenant"),
        datacontenttype: None,
        data,
        data_base64: None,
    })
}

fn event(envelope: Envelope, place: &str) -> Result<CloudEvent, Problem> {
    let mut errors = Vec::new();
    let mut required = |name: &str, value: Option<String>| {
        value.filter(|value| !value.is_empty()).or_else(|| {
            errors.push(Violation::new(format!("{place}/{name}"), "this attribute is required and must not be empty"));
            None
        })
    };
    let version = required("specversion", envelope.specversion);
    let id = required("id", envelope.id);
    let source = required("source", envelope.source);
    let event_type = required("type", envelope.event_type);
    let mut malformed = |name: &str, message: String| errors.push(Violation::new(format!("{place}/{name}"), message));
    if version.is_some_and(|version| version != "1.0") {
        malformed("specversion", "only 1.0 is understood".into());
    }
    let event_type =
        event_type.and_then(|text| text.parse().map_err(|error: ParseIdError| malformed("type", error.to_string())).ok());
    let timestamp =
        envelope.time.and_then(|text| text.parse::<Timestamp>().map_err(|error| malformed("time", error.to_string())).ok());
    let tenant =
        envelope.tenant.and_then(|text| text.parse().map_err(|error: ParseIdError| malformed("tenant", error.to_string())).ok());
    if let Some(kind) = envelope.datacontenttype.filter(|kind| !is_json(kind)) {
        malformed("datacontenttype", format!("`{kind}`: only JSON can be delivered"));
    }
    let payload = match (envelope.data, envelope.data_base64) {
        (Some(data), None) => Json::parse(data.get()).map_err(|error| error.to_string()),
        (None, None) => Json::parse("null").map_err(|error| error.to_string()),
        (None, Some(encoded)) => STANDARD
            .decode(encoded)
            .map_err(|_| "this is no base64".to_owned())
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "this holds no text".to_owned()))
            .and_then(|text| Json::parse(text).map_err(|error| format!("this holds no JSON: {error}"))),
        (Some(_), Some(_)) => Err("an event has data or data_base64, not both".to_owned()),
    };
    let payload = payload.map_err(|message| malformed("data", message)).ok();
    match (event_type, payload, source, id) {
        (Some(event_type), Some(payload), Some(source), Some(id)) if errors.is_empty() => {
            Ok(CloudEvent { event_type, payload, timestamp, tenant, identity: (source, id) })
        }
        _ => Err(Problem::invalid("this is no CloudEvent 1.0 that can be delivered; nothing was emitted").at(errors)),
    }
}

fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

fn percent_decoded(bytes: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = (byte == b'%').then(|| tail.get(..2)).flatten().and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                rest = &tail[2..];
            }
            None => {
                decoded.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_three_modes_say_the_same() {
        let one = r#"{"specversion":"1.0","id":"7","source":"/a","type":"incident.created","time":"2026-01-02T03:04:05Z","tenant":"acme","data":{"n":1}}"#;
        let structured = headers(&[("content-type", "application/cloudevents+json; charset=utf-8")]);
        let batched = headers(&[("content-type", "application/cloudevents-batch+json")]);
        let binary = headers(&[
            ("content-type", "application/json"),
            ("ce-specversion", "1.0"),
            ("ce-id", "7"),
            ("ce-source", "/%61"),
            ("ce-type", "incident.created"),
            ("ce-time", "2026-01-02T03:04:05Z"),
            ("ce-tenant", "acme"),
        ]);
        let batch = format!("[{one}]");
        for (headers, body) in [(structured, one), (batched, batch.as_str()), (binary, r#"{"n":1}"#)] {
            let events = read(mode(&headers).unwrap(), &headers, body.as_bytes()).unwrap();
            assert_eq!(events.len(), 1);
            assert_eq!(events[0].event_type.as_str(), "incident.created");
            assert_eq!(events[0].payload.as_str(), r#"{"n":1}"#);
            assert_eq!(events[0].identity, ("/a".to_owned(), "7".to_owned()));
            assert_eq!(events[0].tenant.as_ref().unwrap().as_str(), "acme");
            assert_eq!(events[0].timestamp.unwrap().to_string(), "2026-01-02T03:04:05.000Z");
        }
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        let places = |body: &str| {
            let problem = read(Mode::Batched, &HeaderMap::new(), body.as_bytes()).unwrap_err();
            problem.errors.into_iter().map(|violation| violation.path).collect::<Vec<_>>()
        };
        assert_eq!(places("[{}]"), ["/0/specversion", "/0/id", "/0/source", "/0/type"]);
        let bad = r#"[{"specversion":"0.3","id":"1","source":"s","type":"x","time":"soon","data":1,"data_base64":"MQ=="}]"#;
        assert_eq!(places(bad), ["/0/specversion", "/0/type", "/0/time", "/0/data"]);
    }

    #[test]
    fn base64_that_holds_json_is_taken() {
        let body = r#"{"specversion":"1.0","id":"1","source":"s","type":"a.b","data_base64":"eyJuIjoxfQ=="}"#;
        let events = read(Mode::Structured, &HeaderMap::new(), body.as_bytes()).unwrap();
        assert_eq!(events[0].payload.as_str(), r#"{"n":1}"#);
    }

    #[test]
    fn an_ordinary_request_is_none() {
        assert_eq!(mode(&headers(&[("content-type", "application/json")])), None);
    }
}
