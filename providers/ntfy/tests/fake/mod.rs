//! An ntfy server as its documentation describes it: two topics, one of them protected, and its cache of messages.
//!
//! - <https://docs.ntfy.sh/publish/#publish-as-json>: the fields, and what the server answers.
//! - <https://docs.ntfy.sh/publish/#updating-deleting-notifications>: `sequence_id` is answered where it is not the message's own id.
//! - <https://docs.ntfy.sh/publish/#limitations>: message, title, tags.
//! - <https://docs.ntfy.sh/publish/#authentication>: Basic and Bearer; wrong credentials are refused whatever is asked for.
//! - <https://docs.ntfy.sh/subscribe/api/>: `poll`, `since`, and filters by the exact title; a line of JSON for each message.
//! - Errors are `{code, http, error, link}`; their codes are those of the open server (binwiederhier/ntfy, `server/errors.go`).

use postern_provider::http::{Error, Request, Response};
use postern_provider::testing::{self, Server, header, json_body, json_response, query_fields, url_path};
use serde_json::{Value, json};

pub(crate) const SERVER: &str = "https://ntfy.example.com";

/// Bearer with `sealed-token`, and Basic of `mia` with `sealed-password`.
const CREDENTIALS: [&str; 2] = ["Bearer sealed-token", "Basic bWlhOnNlYWxlZC1wYXNzd29yZA=="];

pub(crate) struct Ntfy {
    /// The messages in the cache, oldest first.
    pub(crate) messages: Vec<Value>,
    /// Whether it is ntfy 2.16 or later.
    pub(crate) knows_sequences: bool,
    pub(crate) healthy: bool,
    /// Whether users may read the protected topic, too.
    pub(crate) readable: bool,
}

impl Ntfy {
    pub(crate) fn new() -> Self {
        Self { messages: Vec::new(), knows_sequences: true, healthy: true, readable: true }
    }

    /// What a client shows of a topic: the newest message of each sequence.
    pub(crate) fn shown(&self, topic: &str) -> Vec<&Value> {
        let sequence = |message: &Value| message.get("sequence_id").unwrap_or(&message["id"]).clone();
        let newer =
            |index: usize, message: &Value| self.messages[index + 1..].iter().any(|other| sequence(other) == sequence(message));
        let all = self.messages.iter().enumerate().filter(|(_, message)| message["topic"] == topic);
        all.filter(|(index, message)| !newer(*index, message)).map(|(_, message)| message).collect()
    }

    fn route(&mut self, request: &Request) -> Response {
        let user = match header(request, "Authorization") {
            Some(given) if CREDENTIALS.contains(&given) => true,
            Some(_) => return refused(401, 40101, "unauthorized"),
            None => false,
        };
        match (request.method.as_str(), url_path(request).split('/').skip(1).collect::<Vec<_>>().as_slice()) {
            ("POST", [""]) => self.publish(&json_body(request), user),
            ("GET", ["v1", "health"]) => json_response(200, &[], &json!({"healthy": self.healthy})),
            ("GET", [topic, "json"]) => self.poll(topic, &query_fields(request), user),
            _ => refused(404, 40401, "page not found"),
        }
    }

    fn publish(&mut self, body: &Value, user: bool) -> Response {
        let topic = body["topic"].as_str().unwrap_or_default();
        match topic {
            "docs" | "static" | "file" | "app" | "settings" => {
                return refused(400, 40010, "invalid request: topic name is disallowed");
            }
            _ if !is_name(topic) => return refused(400, 40009, "invalid request: topic invalid"),
            "protected" if !user => return refused(403, 40301, "forbidden"),
            _ => {}
        }
        check(body);
        let id = format!("message{:05}", self.messages.len() + 1);
        let mut message = body.clone();
        if !self.knows_sequences {
            message.as_object_mut().unwrap().remove("sequence_id");
        }
        for (name, value) in [("id", json!(id)), ("time", json!(1_767_323_045)), ("event", json!("message"))] {
            message[name] = value;
        }
        self.messages.push(message.clone());
        json_response(200, &[], &message)
    }

    fn poll(&self, topic: &str, query: &[(String, String)], user: bool) -> Response {
        if topic == "protected" && !(user && self.readable) {
            return refused(403, 40301, "forbidden");
        }
        let field = |name: &str| query.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        assert_eq!(
            (field("poll"), field("since")),
            (Some("1"), Some("all")),
            "else the connection stays open, and nothing comes"
        );
        let fits = |message: &&Value| message["topic"] == topic && field("title").is_none_or(|title| message["title"] == title);
        let lines: Vec<_> = self.messages.iter().filter(fits).map(|message| format!("{message}\n")).collect();
        testing::response(200, &[("Content-Type", "application/x-ndjson; charset=utf-8")], lines.concat())
    }
}

/// A topic's name, and likewise a sequence ID.
fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// What the documentation says of the fields.
fn check(body: &Value) {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    assert!((1..=4096).contains(&text("message").len()), "it would become a file, or `triggered`");
    assert!(text("title").len() <= 1024 && !text("title").contains('\n'));
    assert!((1..=5).contains(&body["priority"].as_u64().unwrap()));
    assert!(is_name(text("sequence_id")));
    let tags: Vec<_> = body["tags"].as_array().into_iter().flatten().map(|tag| tag.as_str().unwrap()).collect();
    assert!(tags.join(",").len() <= 512);
    for name in ["click", "icon"] {
        assert!(body.get(name).is_none_or(|url| url.as_str().unwrap().starts_with("https://")), "{name}");
    }
    assert!(body.get("markdown").is_none());
}

impl Server for Ntfy {
    fn answer(&mut self, request: &Request) -> Result<Response, Error> {
        assert!(request.url.starts_with(SERVER), "{}", request.url);
        Ok(self.route(request))
    }
}

pub(crate) fn refused(status: u16, code: u32, error: &str) -> Response {
    json_response(status, &[], &json!({"code": code, "http": status, "error": error, "link": "https://ntfy.sh/docs/publish/"}))
}
