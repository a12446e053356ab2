//! Slack as its documentation describes it: the Web API's methods that matter here, and incoming webhooks.
//!
//! - <https://docs.slack.dev/reference/methods>: chat.postMessage, chat.update, conversations.list, conversations.history,
//!   conversations.replies, auth.test. Errors are `{"ok": false, "error": CODE}` with HTTP 200; too many requests are HTTP 429
//!   with `Retry-After`.
//! - <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>: `ok` as text, or an error's code as text.
//! - <https://docs.slack.dev/reference/block-kit/blocks>: the blocks' bounds.

use postern_provider::http::{Error, Request, Response};
use postern_provider::testing::{self, Server, header, json_body, json_response, url_path};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const TOKEN: &str = "sealed-token";
pub(crate) const WEBHOOK: &str = "https://hooks.slack.com/services/T0/B0/sealed";

/// A message that was posted.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) channel: String,
    pub(crate) ts: String,
    pub(crate) thread: Option<String>,
    pub(crate) body: Value,
}

pub(crate) struct Slack {
    pub(crate) messages: Vec<Message>,
    pub(crate) scopes: BTreeSet<&'static str>,
    /// Channels by id: their names, and whether the bot is in them.
    pub(crate) channels: BTreeMap<String, (String, bool)>,
    /// Codes that the next calls of any method answer with.
    pub(crate) troubles: Vec<&'static str>,
    /// How many channels a page holds at most, whatever is asked for.
    pub(crate) page: usize,
}

impl Slack {
    pub(crate) fn new() -> Self {
        let channels = [("C01", "general", true), ("C02", "ops", true), ("C03", "secret-plans", false)];
        Self {
            messages: Vec::new(),
            scopes: ["chat:write", "channels:read", "groups:read", "channels:history"].into(),
            channels: channels.into_iter().map(|(id, name, member)| (id.to_owned(), (name.to_owned(), member))).collect(),
            troubles: Vec::new(),
            page: 200,
        }
    }

    fn api(&mut self, method: &str, request: &Request) -> Value {
        if header(request, "Authorization") != Some("Bearer sealed-token") {
            return refused("invalid_auth");
        }
        if let Some(trouble) = self.troubles.pop() {
            return refused(trouble);
        }
        match method {
            "auth.test" => {
                json!({"ok": true, "url": "https://acme.slack.com/", "team": "Acme", "user": "postern", "team_id": "T0", "user_id": "U0", "bot_id": "B0"})
            }
            "chat.postMessage" => self.post(json_body(request)),
            "chat.update" => self.update(&json_body(request)),
            "conversations.list" => self.list(&fields(request)),
            "conversations.history" | "conversations.replies" => self.history(&fields(request)),
            _ => refused("unknown_method"),
        }
    }

    fn post(&mut self, body: Value) -> Value {
        if let Some(missing) = self.missing(&["chat:write"]) {
            return missing;
        }
        let named = body["channel"].as_str().unwrap_or_default();
        let found = self.channels.iter().find(|(id, (name, _))| *id == named || named.strip_prefix('#') == Some(name));
        let Some((id, (_, member))) = found else { return refused("channel_not_found") };
        if !member {
            return refused("not_in_channel");
        }
        if let Some(wrong) = wrong_content(&body) {
            return refused(wrong);
        }
        let thread = body["thread_ts"].as_str().map(str::to_owned);
        // A reply to what is not there is posted like any other message.
        let ts = format!("1767323045.{:06}", self.messages.len() + 1);
        let posted = json!({"ok": true, "channel": id, "ts": ts, "message": {"text": body["text"], "ts": ts, "type": "message", "subtype": "bot_message"}});
        self.messages.push(Message { channel: id.clone(), ts, thread, body });
        posted
    }

    fn update(&mut self, body: &Value) -> Value {
        if !self.channels.contains_key(body["channel"].as_str().unwrap_or_default()) {
            return refused("channel_not_found");
        }
        if let Some(wrong) = wrong_content(body) {
            return refused(wrong);
        }
        let Some(message) = self
            .messages
            .iter_mut()
            .find(|message| body["channel"] == message.channel.as_str() && body["ts"] == message.ts.as_str())
        else {
            return refused("message_not_found");
        };
        for field in ["text", "blocks"] {
            message.body[field] = body[field].clone();
        }
        json!({"ok": true, "channel": message.channel, "ts": message.ts, "text": body["text"]})
    }

    fn list(&self, fields: &BTreeMap<String, String>) -> Value {
        let scopes: &[&str] =
            if fields["types"].contains("private") { &["channels:read", "groups:read"] } else { &["channels:read"] };
        if let Some(missing) = self.missing(scopes) {
            return missing;
        }
        let start: usize = fields.get("cursor").map_or(0, |cursor| cursor.strip_prefix("from-").unwrap().parse().unwrap());
        let limit = fields["limit"].parse::<usize>().unwrap();
        assert!(limit <= 1000, "an integer no larger than 1000");
        let end = self.channels.len().min(start + limit.min(self.page));
        let channels: Vec<_> = self.channels.iter().skip(start).take(end - start).map(|(id, (name, member))| {
            json!({"id": id, "name": name, "is_channel": true, "is_private": !member, "is_member": member, "purpose": {"value": format!("About {name}")}})
        }).collect();
        let next = if end < self.channels.len() { format!("from-{end}") } else { String::new() };
        json!({"ok": true, "channels": channels, "response_metadata": {"next_cursor": next}})
    }

    fn history(&self, fields: &BTreeMap<String, String>) -> Value {
        if let Some(missing) = self.missing(&["channels:history"]) {
            return missing;
        }
        let thread = fields.get("ts");
        let since: f64 = fields["oldest"].parse().unwrap();
        let messages: Vec<_> = self
            .messages
            .iter()
            .rev()
            .filter(|message| message.channel == fields["channel"] && message.thread.as_ref() == thread)
            .filter(|message| message.ts.parse::<f64>().unwrap() >= since)
            .map(|message| {
                let mut shown = json!({"type": "message", "ts": message.ts, "text": message.body["text"]});
                if fields.get("include_all_metadata").is_some_and(|value| value == "true") {
                    shown["metadata"] = message.body["metadata"].clone();
                }
                shown
            })
            .collect();
        json!({"ok": true, "messages": messages, "has_more": false})
    }

    fn missing(&self, needed: &[&'static str]) -> Option<Value> {
        let scope = needed.iter().find(|scope| !self.scopes.contains(*scope))?;
        Some(json!({"ok": false, "error": "missing_scope", "needed": scope, "provided": "…"}))
    }

    fn webhook(&mut self, request: &Request) -> Response {
        if request.url != WEBHOOK {
            return testing::response(403, &[], "invalid_token");
        }
        match self.troubles.pop() {
            Some("rate_limited") => {
                json_response(429, &[("Retry-After", "1")], &json!({"retry_after": 1, "ok": false, "error": "rate_limited"}))
            }
            Some(code @ ("channel_not_found" | "no_service")) => testing::response(404, &[], code),
            Some(code @ "channel_is_archived") => testing::response(410, &[], code),
            Some(code @ "rollup_error") => testing::response(500, &[], code),
            Some(other) => testing::response(400, &[], other),
            None => match wrong_content(&json_body(request)) {
                Some(wrong) => testing::response(400, &[], wrong),
                None => {
                    let ts = format!("1767323045.{:06}", self.messages.len() + 1);
                    self.messages.push(Message { channel: "C01".into(), ts, thread: None, body: json_body(request) });
                    testing::response(200, &[("content-type", "text/html")], "ok")
                }
            },
        }
    }
}

impl Server for Slack {
    fn answer(&mut self, request: &Request) -> Result<Response, Error> {
        assert_eq!(request.method, "POST");
        if request.url.starts_with("https://hooks.slack.com/") {
            return Ok(self.webhook(request));
        }
        let method = url_path(request).strip_prefix("/api/").expect("the Web API").to_owned();
        assert!(
            request.url.starts_with("https://slack.com/") || request.url.starts_with("https://slack-gov.com/"),
            "{}",
            request.url
        );
        if self.troubles.last() == Some(&"ratelimited") {
            self.troubles.pop();
            return Ok(json_response(429, &[("Retry-After", "30")], &refused("ratelimited")));
        }
        Ok(json_response(200, &[], &self.api(&method, request)))
    }
}

fn refused(code: &str) -> Value {
    json!({"ok": false, "error": code})
}

fn fields(request: &Request) -> BTreeMap<String, String> {
    testing::form_fields(request).into_iter().collect()
}

/// The code that a message's content is refused with, by the bounds of the blocks' reference.
fn wrong_content(body: &Value) -> Option<&'static str> {
    let Some(blocks) = body["blocks"].as_array() else {
        return body["text"].as_str().is_none_or(str::is_empty).then_some("no_text");
    };
    let length = |text: &Value| text["text"].as_str().map_or(0, |text| text.chars().count());
    let fits = |text: &Value, most: usize| {
        (1..=most).contains(&length(text)) && matches!(text["type"].as_str(), Some("plain_text" | "mrkdwn"))
    };
    let good = |block: &Value| match block["type"].as_str() {
        Some("header") => fits(&block["text"], 150) && block["text"]["type"] == "plain_text",
        Some("section") => {
            let fields = block["fields"].as_array();
            (block.get("text").is_some() || fields.is_some())
                && block.get("text").is_none_or(|text| fits(text, 3000))
                && fields.is_none_or(|fields| (1..=10).contains(&fields.len()) && fields.iter().all(|field| fits(field, 2000)))
        }
        Some("context") => block["elements"].as_array().is_some_and(|elements| (1..=10).contains(&elements.len())),
        Some("markdown") => (1..=12_000).contains(&length(block)),
        Some("divider") => true,
        _ => false,
    };
    if blocks.len() > 50 || !blocks.iter().all(good) {
        return Some("invalid_blocks");
    }
    let texts = |block: &Value| {
        length(&block["text"])
            + ["fields", "elements"]
                .iter()
                .flat_map(|name| block[*name].as_array().into_iter().flatten())
                .map(length)
                .sum::<usize>()
    };
    (blocks.iter().map(texts).sum::<usize>() > 13_200).then_some("msg_blocks_too_long")
}
