//! Discord as its documentation describes it: one incoming webhook of a text channel with threads.
//!
//! - <https://docs.discord.com/developers/resources/webhook>: get with token, execute, edit a message.
//! - <https://docs.discord.com/developers/resources/message>: limits of embeds, allowed mentions.
//! - <https://docs.discord.com/developers/topics/rate-limits>: headers, and the body of 429.
//! - <https://docs.discord.com/developers/topics/opcodes-and-status-codes#json>: error codes.
//! - <https://docs.discord.com/developers/reference#error-messages>: what is wrong in a form.

use postern_provider::http::{Error, Request, Response};
use postern_provider::testing::{Server, header, json_body, json_response, query_fields, response, url_path};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const WEBHOOK: &str = "https://discord.com/api/v10/webhooks/223704706495545344/sealed-token";
pub(crate) const CHANNEL: &str = "199737254929760256";

/// A message that was posted.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    /// The channel's ID, or the thread's.
    pub(crate) channel: String,
    /// The parameters that it was posted with, and those of its edits in their places.
    pub(crate) body: Value,
    pub(crate) edits: usize,
}

/// What the next request is answered with, instead.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// An error: status, code, message.
    Error(u16, u64, &'static str),
    /// 429 of a route: so many seconds.
    Limited(f64),
    /// 429 of a limit that is shared with others, whose own limit is not used up.
    Shared(f64),
    /// 429 of the address.
    Global(f64),
    /// 429 of version 6: so many milliseconds.
    LimitedOld(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thread {
    Open,
    /// Posting opens it again, editing does not.
    Archived,
    Locked,
}

pub(crate) struct Discord {
    pub(crate) messages: Vec<Message>,
    pub(crate) deleted: bool,
    pub(crate) forum: bool,
    pub(crate) kind: u64,
    pub(crate) threads: BTreeMap<&'static str, Thread>,
    /// Answered with before anything else, last first.
    pub(crate) troubles: Vec<Trouble>,
    /// Requests that are left in the present window.
    pub(crate) remaining: u32,
}

impl Discord {
    pub(crate) fn new() -> Self {
        let threads = [("600", Thread::Open), ("601", Thread::Archived), ("602", Thread::Locked)].into();
        Self { messages: Vec::new(), deleted: false, forum: false, kind: 1, threads, troubles: Vec::new(), remaining: 5 }
    }

    fn route(&mut self, request: &Request) -> Response {
        let path = url_path(request);
        let Some(rest) = path.strip_prefix("/api/v10/webhooks/").or_else(|| path.strip_prefix("/api/webhooks/")) else {
            return error(404, 0, "404: Not Found");
        };
        let parts: Vec<_> = rest.split('/').collect();
        if self.deleted || parts[0] != "223704706495545344" {
            return error(404, 10_015, "Unknown Webhook");
        }
        if parts.get(1) != Some(&"sealed-token") {
            return error(401, 50_027, "Invalid Webhook Token");
        }
        let query: BTreeMap<_, _> = query_fields(request).into_iter().collect();
        match (request.method.as_str(), &parts[2..]) {
            ("GET", []) => json_response(
                200,
                &[],
                &json!({"id": parts[0], "type": self.kind, "name": "Alerts\nof Postern", "avatar": null, "channel_id": CHANNEL,
                        "guild_id": "199737254929760255", "application_id": null, "token": "sealed-token",
                        "url": "https://discord.com/api/webhooks/223704706495545344/sealed-token"}),
            ),
            ("POST", []) => self.execute(&query, json_body(request)),
            ("PATCH", ["messages", id]) => self.edit(id, &query, json_body(request)),
            _ => error(405, 0, "405: Method Not Allowed"),
        }
    }

    fn execute(&mut self, query: &BTreeMap<String, String>, body: Value) -> Response {
        let channel = match query.get("thread_id") {
            Some(thread) => match self.threads.get_mut(thread.as_str()) {
                None => return error(404, 10_003, "Unknown Channel"),
                Some(Thread::Locked) => return error(400, 160_005, "Thread is locked"),
                Some(state) => {
                    *state = Thread::Open;
                    thread.clone()
                }
            },
            None if self.forum => {
                return error(400, 220_001, "Webhooks posted to forum channels must have a thread_name or thread_id");
            }
            None => CHANNEL.to_owned(),
        };
        if let Some(wrong) = wrong_form(&body) {
            return wrong;
        }
        if is_empty(&body) {
            return error(400, 50_006, "Cannot send an empty message");
        }
        let id = format!("33438519997496704{}", self.messages.len() + 1);
        let message = json!({"id": id, "type": 0, "channel_id": channel, "content": body["content"], "embeds": body["embeds"],
                             "webhook_id": "223704706495545344", "timestamp": "2026-01-02T03:04:06.000000+00:00"});
        self.messages.push(Message { id, channel, body, edits: 0 });
        match query.get("wait").map(String::as_str) {
            Some("true" | "True" | "1") => json_response(200, &[], &message),
            _ => response(204, &[], ""),
        }
    }

    fn edit(&mut self, id: &str, query: &BTreeMap<String, String>, body: Value) -> Response {
        let channel = query.get("thread_id").map_or(CHANNEL, String::as_str);
        match self.threads.get(channel) {
            None if channel != CHANNEL => return error(404, 10_003, "Unknown Channel"),
            Some(Thread::Archived) => return error(400, 50_083, "Thread is archived"),
            Some(Thread::Locked) => return error(400, 160_005, "Thread is locked"),
            _ => {}
        }
        let Some(message) = self.messages.iter_mut().find(|message| message.id == id && message.channel == channel) else {
            return error(404, 10_008, "Unknown Message");
        };
        if let Some(wrong) = wrong_form(&body) {
            return wrong;
        }
        // "If there is no explicit allowed_mentions in the edit request, the content will be parsed with default allowances".
        message.body["allowed_mentions"] = Value::Null;
        for (name, value) in body.as_object().unwrap() {
            message.body[name.as_str()] = value.clone();
        }
        if is_empty(&message.body) {
            return error(400, 50_006, "Cannot send an empty message");
        }
        message.edits += 1;
        json_response(200, &[], &json!({"id": id, "channel_id": channel, "edited_timestamp": "2026-01-02T03:04:07.000000+00:00"}))
    }

    fn trouble(&self, trouble: &Trouble) -> Response {
        let limited = |message: &str, seconds: Value, global: bool, headers: &[(&str, &str)]| {
            json_response(429, headers, &json!({"message": message, "retry_after": seconds, "global": global}))
        };
        let whole = |seconds: f64| (seconds.ceil() as u64).to_string();
        match trouble {
            Trouble::Error(status, code, message) => error(*status, *code, message),
            Trouble::Limited(seconds) => {
                let headers = [
                    ("Retry-After", whole(*seconds)),
                    ("X-RateLimit-Limit", "5".into()),
                    ("X-RateLimit-Remaining", "0".into()),
                    ("X-RateLimit-Reset-After", seconds.to_string()),
                    ("X-RateLimit-Bucket", "abcd1234".into()),
                    ("X-RateLimit-Scope", "user".into()),
                ];
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                limited("You are being rate limited.", json!(seconds), false, &headers)
            }
            Trouble::Shared(seconds) => {
                let wait = whole(*seconds);
                let headers = [
                    ("Retry-After", wait.as_str()),
                    ("X-RateLimit-Remaining", "9"),
                    ("X-RateLimit-Reset-After", "64.57"),
                    ("X-RateLimit-Scope", "shared"),
                ];
                limited("The resource is being rate limited.", json!(seconds), false, &headers)
            }
            Trouble::Global(seconds) => {
                let wait = whole(*seconds);
                let headers = [("Retry-After", wait.as_str()), ("X-RateLimit-Global", "true"), ("X-RateLimit-Scope", "global")];
                limited("You are being rate limited.", json!(seconds), true, &headers)
            }
            Trouble::LimitedOld(milliseconds) => {
                let wait = milliseconds.to_string();
                limited("You are being rate limited.", json!(milliseconds), false, &[("Retry-After", wait.as_str())])
            }
        }
    }
}

impl Server for Discord {
    fn answer(&mut self, request: &Request) -> Result<Response, Error> {
        assert!(
            request.url.starts_with("https://discord.com/") || request.url.starts_with("https://discordapp.com/"),
            "{}",
            request.url
        );
        assert!(header(request, "User-Agent").is_some_and(|agent| agent.starts_with("DiscordBot (")), "or it may be blocked");
        if let Some(trouble) = self.troubles.pop() {
            return Ok(self.trouble(&trouble));
        }
        if self.remaining == 0 {
            return Ok(self.trouble(&Trouble::Limited(1.5)));
        }
        self.remaining -= 1;
        let mut answer = self.route(request);
        let left = self.remaining.to_string();
        for (name, value) in
            [("limit", "5"), ("remaining", &left), ("reset", "1767323047.5"), ("reset-after", "1.5"), ("bucket", "abcd1234")]
        {
            answer.headers.push((format!("x-ratelimit-{name}"), value.to_owned()));
        }
        Ok(answer)
    }
}

fn error(status: u16, code: u64, message: &str) -> Response {
    json_response(status, &[], &json!({"message": message, "code": code}))
}

fn is_empty(body: &Value) -> bool {
    body["content"].as_str().is_none_or(str::is_empty) && body["embeds"].as_array().is_none_or(Vec::is_empty)
}

fn invalid(path: &[&str], code: &str, message: &str) -> Response {
    let inner = json!({"_errors": [{"code": code, "message": message}]});
    let errors = path.iter().rev().fold(inner, |inner, name| json!({*name: inner}));
    json_response(400, &[], &json!({"message": "Invalid Form Body", "code": 50_035, "errors": errors}))
}

/// What the documented limits refuse. Lengths are those of trimmed texts, in code points.
fn wrong_form(body: &Value) -> Option<Response> {
    let length = |value: &Value| value.as_str().map_or(0, |text| text.trim().chars().count());
    let too_long =
        |path: &[&str], most: usize| Some(invalid(path, "BASE_TYPE_MAX_LENGTH", &format!("Must be {most} or fewer in length.")));
    if length(&body["content"]) > 2000 {
        return too_long(&["content"], 2000);
    }
    if body.get("username").is_some_and(|name| !(1..=80).contains(&length(name))) {
        return invalid(&["username"], "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 80 in length.").into();
    }
    let empty = Vec::new();
    let embeds = body["embeds"].as_array().unwrap_or(&empty);
    if embeds.len() > 10 {
        return too_long(&["embeds"], 10);
    }
    let mut altogether = 0;
    for (index, embed) in embeds.iter().enumerate() {
        let index = index.to_string();
        let texts = [
            (&embed["title"], vec!["title"], 256),
            (&embed["description"], vec!["description"], 4096),
            (&embed["footer"]["text"], vec!["footer", "text"], 2048),
            (&embed["author"]["name"], vec!["author", "name"], 256),
        ];
        for (text, path, most) in texts {
            if length(text) > most {
                return too_long(&[vec!["embeds", &index], path].concat(), most);
            }
            altogether += length(text);
        }
        let fields = embed["fields"].as_array().unwrap_or(&empty);
        if fields.len() > 25 {
            return too_long(&["embeds", &index, "fields"], 25);
        }
        for (place, field) in fields.iter().enumerate() {
            for (name, most) in [("name", 256), ("value", 1024)] {
                let path = ["embeds", &index, "fields", &place.to_string(), name];
                match length(&field[name]) {
                    0 => return Some(invalid(&path, "BASE_TYPE_REQUIRED", "This field is required")),
                    long if long > most => return too_long(&path, most),
                    long => altogether += long,
                }
            }
        }
    }
    (altogether > 6000).then(|| invalid(&["embeds"], "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000"))
}
