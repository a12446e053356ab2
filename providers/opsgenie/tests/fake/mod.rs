//! The Alert API of Opsgenie and of Jira Service Management as their documentation describes it.
//!
//! - <https://docs.opsgenie.com/docs/alert-api>: creating, reading, noting, acknowledging and closing; 202 with a request's id, and
//!   "Get Request Status" for what became of it; the limits of the fields.
//! - <https://docs.opsgenie.com/docs/response>, <https://docs.opsgenie.com/docs/api-rate-limiting>: statuses, error bodies, headers.
//! - <https://docs.opsgenie.com/docs/api-access-management>: what a key may.
//! - <https://docs.opsgenie.com/docs/pagination>: users by pages of at most 100.
//! - <https://developer.atlassian.com/cloud/jira/service-desk-ops/rest/v1/api-group-integration-events>: what the successor has of it.

use postern_provider::http::{Error, Request, Response};
use postern_provider::testing::{Server, header, json_body, json_response, query_fields, url_path};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const KEY: &str = "sealed-key";

#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub(crate) id: String,
    pub(crate) alias: String,
    pub(crate) open: bool,
    pub(crate) acknowledged: bool,
    pub(crate) count: u32,
    pub(crate) body: Value,
    pub(crate) notes: Vec<Value>,
}

/// A request that was accepted.
struct Pending {
    /// How often it is asked for before it is worked on.
    questions: u32,
    answer: Value,
}

pub(crate) struct Opsgenie {
    pub(crate) alerts: Vec<Alert>,
    /// Bodies of what was accepted, in order.
    pub(crate) accepted: Vec<Value>,
    requests: BTreeMap<String, Pending>,
    /// `read`, `write`, `configuration`.
    pub(crate) rights: BTreeSet<&'static str>,
    /// How slowly requests are worked on.
    pub(crate) questions: u32,
    /// Why the integration's rules refuse to create alerts, if they do.
    pub(crate) rule: Option<&'static str>,
    /// How many requests are left in this minute.
    pub(crate) left: usize,
    pub(crate) users: usize,
}

impl Opsgenie {
    pub(crate) fn new() -> Self {
        Self {
            alerts: Vec::new(),
            accepted: Vec::new(),
            requests: BTreeMap::new(),
            rights: ["read", "write", "configuration"].into(),
            questions: 0,
            rule: None,
            left: 1000,
            users: 3,
        }
    }

    /// The open alert with an alias, else the last one that had it.
    fn find(&mut self, alias: &str) -> Option<&mut Alert> {
        let open = self.alerts.iter().position(|alert| alert.open && alert.alias == alias);
        let index = open.or_else(|| self.alerts.iter().rposition(|alert| alert.alias == alias))?;
        self.alerts.get_mut(index)
    }

    fn accept(&mut self, action: &str, body: Value, outcome: Result<(String, &str), String>) -> Response {
        let request = format!("43a29c5c-3dbf-4fa4-9c26-{:012}", self.requests.len() + 1);
        let success = outcome.is_ok();
        let (alert, status) = match outcome {
            Ok((alert, status)) => (alert, status.to_owned()),
            Err(status) => (String::new(), status),
        };
        let answer = json!({
            "success": success, "isSuccess": success, "action": action, "status": status, "alertId": alert,
            "processedAt": "2026-01-02T03:04:06.000Z", "integrationId": "c9cec2cb-e782-4ebb-bc1d-1b2fa703cf03", "alias": body["alias"]
        });
        self.requests.insert(request.clone(), Pending { questions: self.questions, answer });
        self.accepted.push(body);
        json_response(202, &headers(), &json!({"result": "Request will be processed", "took": 0.302, "requestId": request}))
    }

    fn create(&mut self, body: Value) -> Response {
        let errors = wrong_fields(&body);
        if !errors.is_empty() {
            return refused(
                422,
                json!({"message": "Request body is not processable. Please check the errors.", "errors": errors}),
            );
        }
        if let Some(rule) = self.rule {
            return self.accept("Create", body, Err(rule.into()));
        }
        let alias = body["alias"].as_str().unwrap_or_default().to_owned();
        if let Some(alert) = self.alerts.iter_mut().find(|alert| alert.open && alert.alias == alias) {
            alert.count += 1;
            let id = alert.id.clone();
            return self.accept("Create", body, Ok((id, "Created alert")));
        }
        let id = format!("8743a1b2-11da-480e-8493-{:012}", self.alerts.len() + 1);
        let (open, acknowledged, count, notes) = (true, false, 1, Vec::new());
        self.alerts.push(Alert { id: id.clone(), alias, open, acknowledged, count, body: body.clone(), notes });
        self.accept("Create", body, Ok((id, "Created alert")))
    }

    fn change(&mut self, alias: &str, what: &str, body: Value) -> Response {
        let text = |field: &str, most: usize| body[field].as_str().is_none_or(|text| text.encode_utf16().count() <= most);
        if !text("note", 25_000) || !text("user", 100) || !text("source", 100) || (what == "notes" && body["note"].is_null()) {
            return refused(
                422,
                json!({"message": "Request body is not processable. Please check the errors.", "errors": {"note": "…"}}),
            );
        }
        let (action, status) = match what {
            "notes" => ("AddNote", "Added note"),
            "acknowledge" => ("Acknowledge", "Acknowledged alert"),
            "close" => ("Close", "Closed alert"),
            other => panic!("there is no {other}"),
        };
        let alias = alias.to_owned();
        let outcome = match self.find(&alias) {
            None => Err("Alert does not exist".to_owned()),
            Some(alert) if !alert.open && what != "notes" => Err(format!("There is no open alert with alias [{alias}].")),
            Some(alert) => {
                match what {
                    "acknowledge" => alert.acknowledged = true,
                    "close" => alert.open = false,
                    _ => {}
                }
                alert.notes.push(body["note"].clone());
                Ok((alert.id.clone(), status))
            }
        };
        self.accept(action, body, outcome)
    }

    fn status(&mut self, request: &str) -> Response {
        match self.requests.get_mut(request) {
            Some(pending) if pending.questions == 0 => found(pending.answer.clone()),
            other => {
                if let Some(pending) = other {
                    pending.questions -= 1;
                }
                refused(404, json!({"message": "Request not found. It might not be processed, yet."}))
            }
        }
    }

    fn read(&mut self, path: &[&str], query: &BTreeMap<String, String>) -> Response {
        match path {
            ["alerts", "requests", request] => self.status(request),
            ["alerts", alias, rest @ ..] => {
                assert_eq!(query["identifierType"], "alias");
                let Some(alert) = self.find(alias) else { return refused(404, json!({"message": "Alert does not exist"})) };
                if rest == ["notes"] {
                    let notes = alert.notes.iter().rev().enumerate();
                    return found(
                        notes
                            .map(|(offset, note)| json!({"note": note, "owner": "Postern", "offset": offset.to_string()}))
                            .collect(),
                    );
                }
                let status = if alert.open { "open" } else { "closed" };
                found(json!({
                    "id": alert.id, "alias": alert.alias, "message": alert.body["message"], "status": status,
                    "count": alert.count, "acknowledged": alert.acknowledged, "details": alert.body["details"]
                }))
            }
            ["teams"] => found(json!([
                {"id": "90098alp-f0e3-41d3-a060-0ea895027630", "name": "Payments", "description": "Money"},
                {"id": "a30alp45-65bf-422f-9d41-67b10a67282a", "name": "Network", "description": ""}
            ])),
            ["schedules"] => found(
                json!([{"id": "d875e654-9b4e-4219-a803-0c26936d18de", "name": "Payments_schedule", "timezone": "UTC", "enabled": true}]),
            ),
            ["escalations"] => found(
                json!([{"id": "1c1fb6b1-3c1f-4d43-a1c5-2a4b9ac0dd1f", "name": "Payments_escalation", "description": "Wakes everybody"}]),
            ),
            ["users"] => {
                let number = |name: &str| query[name].parse::<usize>().unwrap();
                let (limit, offset) = (number("limit"), number("offset"));
                assert!(limit <= 100, "at most 100");
                let users: Vec<_> = (offset..self.users.min(offset + limit))
                    .map(|number| json!({"id": format!("user-{number}"), "username": format!("user{number}@example.com"), "fullName": format!("User {number}")}))
                    .collect();
                found(Value::from(users))
            }
            _ => refused(404, json!({"message": "No handler"})),
        }
    }
}

impl Server for Opsgenie {
    fn answer(&mut self, request: &Request) -> Result<Response, Error> {
        let bases =
            ["https://api.opsgenie.com/", "https://api.eu.opsgenie.com/", "https://api.atlassian.com/jsm/ops/integration/"];
        let base = bases.into_iter().find(|base| request.url.starts_with(base)).unwrap_or_else(|| panic!("{}", request.url));
        if header(request, "Authorization") != Some("GenieKey sealed-key") {
            return Ok(refused(401, json!({"message": "Could not authenticate"})));
        }
        if self.left == 0 {
            let throttled =
                [("X-RateLimit-State", "THROTTLED"), ("X-RateLimit-Reason", "ACCOUNT"), ("X-RateLimit-Period-In-Sec", "60")];
            let message = "You are making too many requests! To avoid errors, we recommend you limit requests.";
            return Ok(json_response(429, &throttled, &json!({"message": message, "took": 0.002, "requestId": "r"})));
        }
        self.left -= 1;
        let path = url_path(request).trim_start_matches("/jsm/ops/integration").strip_prefix("/v2/").unwrap();
        let path: Vec<_> = path.split('/').collect();
        let query: BTreeMap<_, _> = query_fields(request).into_iter().collect();
        let right = match (request.method.as_str(), path[0]) {
            ("POST", _) => "write",
            (_, "alerts") => "read",
            _ => "configuration",
        };
        if !self.rights.contains(right) {
            let message = "Your api key is not allowed to perform this action.";
            return Ok(refused(403, json!({"message": message, "code": 40301})));
        }
        if base.contains("atlassian") {
            assert!(right == "write" || path[..2] == ["alerts", "requests"], "the successor has no {}", request.url);
        }
        Ok(match (request.method.as_str(), path.as_slice()) {
            ("POST", ["alerts"]) => self.create(json_body(request)),
            ("POST", ["alerts", alias, what]) => {
                assert_eq!(query["identifierType"], "alias");
                self.change(alias, what, json_body(request))
            }
            ("GET", path) => self.read(path, &query),
            other => panic!("{other:?}"),
        })
    }
}

fn headers() -> [(&'static str, &'static str); 2] {
    [("X-RateLimit-State", "OK"), ("X-Response-Time", "0.3")]
}

fn found(data: Value) -> Response {
    json_response(200, &headers(), &json!({"data": data, "took": 0.022, "requestId": "ec7e1d8e-1c75-442e-a271-731070a7fa4d"}))
}

fn refused(status: u16, mut body: Value) -> Response {
    body["took"] = json!(0.001);
    body["requestId"] = json!("230e4db1-7212-4331-a853-0852d9451476");
    json_response(status, &headers(), &body)
}

/// What the table of "Create Alert" forbids.
fn wrong_fields(body: &Value) -> BTreeMap<String, String> {
    let mut errors = BTreeMap::new();
    let length = |field: &Value| field.as_str().map_or(0, |text| text.encode_utf16().count());
    let mut check = |field: &str, good: bool, error: &str| {
        if !good {
            errors.insert(field.to_owned(), error.to_owned());
        }
    };
    check("message", (1..=130).contains(&length(&body["message"])), "must have 1 to 130 characters");
    for (field, most) in
        [("alias", 512), ("description", 15_000), ("entity", 512), ("source", 100), ("user", 100), ("note", 25_000)]
    {
        check(field, length(&body[field]) <= most, "is too long");
    }
    check(
        "priority",
        ["P1", "P2", "P3", "P4", "P5"].iter().any(|priority| body["priority"] == *priority),
        "should be one of [ P1, P2, P3, P4, P5 ]",
    );
    let tags = body["tags"].as_array().cloned().unwrap_or_default();
    check("tags", tags.len() <= 20 && tags.iter().all(|tag| (1..=50).contains(&length(tag))), "20 x 50 characters");
    let details = body["details"].as_object().cloned().unwrap_or_default();
    check("details", details.values().all(Value::is_string), "values must be strings");
    let size: usize = details.iter().map(|(name, value)| name.encode_utf16().count() + length(value)).sum();
    check("details", size <= 8000, "8000 characters in total");
    let responders = body["responders"].as_array().cloned().unwrap_or_default();
    let known = |responder: &Value| {
        let named = match responder["type"].as_str() {
            Some("team" | "schedule" | "escalation") => "name",
            Some("user") => "username",
            _ => return false,
        };
        responder["id"].is_string() != responder[named].is_string()
    };
    check("responders", responders.len() <= 50 && responders.iter().all(known), "is not valid");
    errors
}
