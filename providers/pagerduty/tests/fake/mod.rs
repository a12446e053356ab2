//! PagerDuty's Events API v2 as its documentation describes it.
//!
//! - <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>: the fields with their bounds, what the three actions
//!   do, and that acknowledgements and resolutions without an open alert are dropped.
//! - <https://developer.pagerduty.com/docs/events-api-v2/overview/>: 202, 400, 429 and 5xx; 512 KB for an event.
//! - PagerDuty/developer-docs, docs/events-API-v2/05-Rate-Limits.md: about 120 calls a minute for each integration key.
//!
//! The wording of errors is that of answers that users of the API have reported (envato/pagerduty#70,
//! blockpane/tenderduty#10, robusta-dev/robusta#571).

use postern_provider::http::{Error, Request, Response};
use postern_provider::testing::{Server, header, json_body, json_response};
use serde_json::{Value, json};

/// An integration key of the US region.
pub(crate) const KEY: &str = "sealed00000000000000000000000001";

/// Another one of the same region.
pub(crate) const OTHER_KEY: &str = "sealed00000000000000000000000002";

/// One of the EU region.
pub(crate) const EU_KEY: &str = "sealed00000000000000000000000003";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Triggered,
    Acknowledged,
    Resolved,
}

#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub(crate) routing_key: String,
    pub(crate) dedup_key: String,
    pub(crate) state: State,
    /// What each trigger said.
    pub(crate) log: Vec<Value>,
}

pub(crate) struct PagerDuty {
    pub(crate) alerts: Vec<Alert>,
    /// Every event that was accepted.
    pub(crate) events: Vec<Value>,
    /// How many events the API still takes in this minute.
    pub(crate) left: usize,
}

impl PagerDuty {
    pub(crate) fn new() -> Self {
        Self { alerts: Vec::new(), events: Vec::new(), left: 120 }
    }

    pub(crate) fn states(&self) -> Vec<(&str, State)> {
        self.alerts.iter().map(|alert| (alert.dedup_key.as_str(), alert.state)).collect()
    }

    fn apply(&mut self, event: &Value) -> String {
        let routing_key = event["routing_key"].as_str().unwrap().to_owned();
        let dedup_key = event["dedup_key"].as_str().map_or_else(|| format!("generated-{}", self.events.len()), str::to_owned);
        let open = self
            .alerts
            .iter_mut()
            .find(|alert| alert.state != State::Resolved && alert.dedup_key == dedup_key && alert.routing_key == routing_key);
        match (event["event_action"].as_str().unwrap(), open) {
            ("trigger", Some(alert)) => alert.log.push(event["payload"].clone()),
            ("trigger", None) => {
                let log = vec![event["payload"].clone()];
                self.alerts.push(Alert { routing_key, dedup_key: dedup_key.clone(), state: State::Triggered, log });
            }
            ("acknowledge", Some(alert)) => alert.state = State::Acknowledged,
            ("resolve", Some(alert)) => alert.state = State::Resolved,
            // Dropped.
            _ => {}
        }
        self.events.push(event.clone());
        dedup_key
    }
}

impl Server for PagerDuty {
    fn answer(&mut self, request: &Request) -> Result<Response, Error> {
        let keys: &[&str] = match request.url.as_str() {
            "https://events.pagerduty.com/v2/enqueue" => &[KEY, OTHER_KEY],
            "https://events.eu.pagerduty.com/v2/enqueue" => &[EU_KEY],
            other => panic!("the events API is not at {other}"),
        };
        assert_eq!((request.method.as_str(), header(request, "Content-Type")), ("POST", Some("application/json")));
        if self.left == 0 {
            let body = json!({
                "status": "throttle exceeded",
                "message": "Requests for this service are arriving too quickly.  Please retry later.",
                "errors": ["Enhance Your Calm."]
            });
            return Ok(json_response(429, &[], &body));
        }
        self.left -= 1;
        let event = json_body(request);
        let mut errors = wrong_fields(&event);
        if errors.is_empty() && !keys.contains(&event["routing_key"].as_str().unwrap()) {
            errors.push("Invalid routing key".into());
        }
        if request.body.as_ref().map_or(0, Vec::len) > 512_000 {
            errors.push("Event is too large".into());
        }
        if !errors.is_empty() {
            let body = json!({"status": "invalid event", "message": "Event object is invalid", "errors": errors});
            return Ok(json_response(400, &[], &body));
        }
        let dedup_key = self.apply(&event);
        Ok(json_response(202, &[], &json!({"status": "success", "message": "Event processed", "dedup_key": dedup_key})))
    }
}

/// What the table of parameters forbids.
fn wrong_fields(event: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    let mut check = |good: bool, error: &str| {
        if !good {
            errors.push(error.to_owned());
        }
    };
    let length = |field: &Value| field.as_str().map_or(0, |text| text.chars().count());
    let key = event["routing_key"].as_str().unwrap_or_default();
    check(key.len() == 32, "Length of 'routing_key' is incorrect (should be 32 characters)");
    check(key.bytes().all(|byte| byte.is_ascii_alphanumeric()), "'routing_key' cannot contain non-alphanumeric characters.");
    check(length(&event["dedup_key"]) <= 255, "Length of 'dedup_key' is incorrect (should be at most 255 characters)");
    let action = event["event_action"].as_str().unwrap_or_default();
    check(["trigger", "acknowledge", "resolve"].contains(&action), "'event_action' is invalid");
    if action != "trigger" {
        check(event["dedup_key"].is_string(), "'dedup_key' is missing or blank");
        return errors;
    }
    let payload = &event["payload"];
    for field in ["summary", "source", "severity"] {
        check(length(&payload[field]) > 0, &format!("'payload.{field}' is missing or blank"));
    }
    check(length(&payload["summary"]) <= 1024, "Length of 'payload.summary' is incorrect (should be at most 1024 characters)");
    let severity = payload["severity"].as_str().unwrap_or_default();
    check(
        ["critical", "error", "warning", "info"].contains(&severity),
        "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')",
    );
    check(payload["custom_details"].is_object() || payload["custom_details"].is_null(), "'payload.custom_details' is no object");
    for field in ["component", "group", "class", "timestamp"] {
        check(payload[field].is_string() || payload[field].is_null(), &format!("'payload.{field}' is no string"));
    }
    for link in event["links"].as_array().into_iter().flatten() {
        check(link["href"].as_str().is_some_and(|href| href.starts_with("http")), "'links.href' is invalid");
    }
    for image in event["images"].as_array().into_iter().flatten() {
        check(image["src"].as_str().is_some_and(|src| src.starts_with("https://")), "'images.src' must be served via HTTPS");
    }
    errors
}
