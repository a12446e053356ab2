//! Telegram's Bot API as its documentation describes it: <https://core.telegram.org/bots/api>.
//!
//! - "Making requests": `/bot<token>/METHOD`; `{"ok": true, "result": …}`, or `{"ok": false, "error_code": …, "description": …,
//!   "parameters": …}` with the same HTTP status; parameters are `retry_after` and `migrate_to_chat_id`.
//! - sendMessage, editMessageText, getMe, getChat, getChatMember, getUpdates, MessageEntity, ReplyParameters.
//! - Descriptions of errors are those of its open server, tdlib/telegram-bot-api.

use postern_provider::http::{Error, Request, Response};
use postern_provider::testing::{Server, json_body, json_response, url_path};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const TOKEN: &str = "sealed-token";

/// A supergroup with topics.
pub(crate) const GROUP: i64 = -1_001_000_000_001;

pub(crate) struct Chat {
    pub(crate) kind: &'static str,
    pub(crate) title: &'static str,
    pub(crate) username: Option<&'static str>,
    /// The bot's own membership.
    pub(crate) member: Value,
    pub(crate) topics: Vec<i64>,
}

/// A message that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) chat: i64,
    pub(crate) id: i64,
    pub(crate) body: Value,
    pub(crate) reply_to: Option<i64>,
}

pub(crate) struct Telegram {
    pub(crate) chats: BTreeMap<i64, Chat>,
    pub(crate) messages: Vec<Message>,
    /// Groups that became supergroups, and their new numbers.
    pub(crate) migrated: BTreeMap<i64, i64>,
    pub(crate) updates: Vec<Value>,
    /// Whether another program receives updates by a webhook.
    pub(crate) webhook: bool,
    /// Seconds to wait before the next message is taken.
    pub(crate) flood: Option<u32>,
    next: i64,
}

impl Telegram {
    pub(crate) fn new() -> Self {
        let chat = |kind, title, username, status: &str| Chat {
            kind,
            title,
            username,
            member: json!({"status": status, "user": {"id": 42, "is_bot": true}}),
            topics: Vec::new(),
        };
        let mut group = chat("supergroup", "Operations", None, "member");
        group.topics = vec![7];
        let chats = [
            (GROUP, group),
            (-200, chat("group", "Small team", None, "member")),
            (-1_001_000_000_002, chat("channel", "News", Some("acme_news"), "administrator")),
            (99, chat("private", "Ada", Some("ada"), "member")),
        ];
        Self {
            chats: chats.into(),
            messages: Vec::new(),
            migrated: BTreeMap::new(),
            updates: Vec::new(),
            webhook: false,
            flood: None,
            next: 100,
        }
    }

    /// Deletes a message, as a member of the chat may.
    pub(crate) fn delete(&mut self, id: i64) {
        self.messages.retain(|message| message.id != id);
    }

    fn find(&self, chat_id: &Value) -> Result<i64, Response> {
        let found = match chat_id.as_i64().or_else(|| chat_id.as_str()?.parse().ok()) {
            Some(id) => Some(id),
            None => {
                let name = chat_id.as_str().and_then(|name| name.strip_prefix('@'));
                self.chats.iter().find(|(_, chat)| chat.username.is_some() && chat.username == name).map(|(id, _)| *id)
            }
        };
        let id = found.ok_or_else(|| refused(400, "Bad Request: chat not found"))?;
        if let Some(new) = self.migrated.get(&id) {
            let description = "Bad Request: group chat was upgraded to a supergroup chat";
            return Err(failed(400, description, &json!({"migrate_to_chat_id": new})));
        }
        if self.chats.contains_key(&id) { Ok(id) } else { Err(refused(400, "Bad Request: chat not found")) }
    }

    fn send(&mut self, body: Value) -> Result<Value, Response> {
        let chat = self.find(&body["chat_id"])?;
        self.may_post(chat)?;
        check_text(&body)?;
        if let Some(seconds) = self.flood.take() {
            let description = format!("Too Many Requests: retry after {seconds}");
            return Err(failed(429, &description, &json!({"retry_after": seconds})));
        }
        let topic = body.get("message_thread_id").and_then(Value::as_i64);
        if topic.is_some_and(|topic| !self.chats[&chat].topics.contains(&topic)) {
            return Err(refused(400, "Bad Request: message thread not found"));
        }
        let reply = &body["reply_parameters"];
        let mut reply_to = reply["message_id"].as_i64();
        if let Some(wanted) = reply_to.filter(|wanted| !self.exists(chat, *wanted)) {
            // "Always False for replies in another chat or forum topic."
            if reply["allow_sending_without_reply"] != true || topic.is_some() {
                return Err(refused(400, "Bad Request: message to be replied not found"));
            }
            assert!(wanted > 0);
            reply_to = None;
        }
        self.next += 1;
        let mut message = json!({
            "message_id": self.next, "date": 1_767_323_045, "text": body["text"],
            "chat": {"id": chat, "type": self.chats[&chat].kind}, "from": {"id": 42, "is_bot": true, "first_name": "Postern"},
        });
        if let Some(id) = reply_to {
            message["reply_to_message"] = json!({"message_id": id});
        }
        self.messages.push(Message { chat, id: self.next, body, reply_to });
        Ok(message)
    }

    fn edit(&mut self, body: &Value) -> Result<Value, Response> {
        let chat = self.find(&body["chat_id"])?;
        self.may_post(chat)?;
        check_text(body)?;
        let id = body["message_id"].as_i64().unwrap();
        let Some(message) = self.messages.iter_mut().find(|message| message.chat == chat && message.id == id) else {
            return Err(refused(400, "Bad Request: message to edit not found"));
        };
        if message.body["text"] == body["text"] && message.body["entities"] == body["entities"] {
            return Err(refused(
                400,
                "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a \
                 current content and reply markup of the message",
            ));
        }
        message.body["text"] = body["text"].clone();
        message.body["entities"] = body["entities"].clone();
        Ok(json!({"message_id": id, "chat": {"id": chat}, "text": body["text"], "edit_date": 1_767_323_046}))
    }

    fn may_post(&self, chat: i64) -> Result<(), Response> {
        let chat = &self.chats[&chat];
        match (chat.kind, chat.member["status"].as_str().unwrap()) {
            (_, "kicked") if chat.kind == "private" => Err(refused(403, "Forbidden: bot was blocked by the user")),
            (kind, "kicked") => Err(refused(403, &format!("Forbidden: bot was kicked from the {kind} chat"))),
            (kind, "left") => Err(refused(403, &format!("Forbidden: bot is not a member of the {kind} chat"))),
            ("channel", status) if status != "administrator" => {
                Err(refused(400, "Bad Request: need administrator rights in the channel chat"))
            }
            (_, "restricted") => Err(refused(400, "Bad Request: not enough rights to send text messages to the chat")),
            _ => Ok(()),
        }
    }

    fn exists(&self, chat: i64, id: i64) -> bool {
        self.messages.iter().any(|message| message.chat == chat && message.id == id)
    }

    fn chat(&self, body: &Value) -> Result<Value, Response> {
        let id = self.find(&body["chat_id"])?;
        let chat = &self.chats[&id];
        let name = if chat.kind == "private" { "first_name" } else { "title" };
        Ok(json!({"id": id, "type": chat.kind, name: chat.title, "username": chat.username}))
    }

    fn updates(&self, body: &Value) -> Result<Value, Response> {
        if self.webhook {
            let description =
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
            return Err(refused(409, description));
        }
        assert!(body.get("offset").is_none(), "an offset would confirm updates");
        assert!(body.get("allowed_updates").is_none(), "this would be remembered for later calls");
        let limit = body["limit"].as_u64().unwrap();
        assert!((1..=100).contains(&limit));
        Ok(self.updates.iter().take(usize::try_from(limit).unwrap()).cloned().collect())
    }

    fn method(&mut self, method: &str, body: Value) -> Result<Value, Response> {
        match method {
            "getMe" => Ok(json!({"id": 42, "is_bot": true, "first_name": "Postern", "username": "postern_bot"})),
            "getChat" => self.chat(&body),
            "getChatMember" => {
                assert_eq!(body["user_id"], 42);
                let id = self.find(&body["chat_id"])?;
                Ok(self.chats[&id].member.clone())
            }
            "getUpdates" => self.updates(&body),
            "sendMessage" => self.send(body),
            "editMessageText" => self.edit(&body),
            _ => Err(refused(404, "Not Found: method not found")),
        }
    }
}

impl Server for Telegram {
    fn answer(&mut self, request: &Request) -> Result<Response, Error> {
        assert_eq!(request.method, "POST");
        assert!(request.url.starts_with("https://api.telegram.org/"), "{}", request.url);
        let path = url_path(request).to_owned();
        let Some((token, method)) = path.strip_prefix("/bot").and_then(|rest| rest.split_once('/')) else {
            return Ok(refused(404, "Not Found"));
        };
        if token != TOKEN {
            return Ok(refused(401, "Unauthorized"));
        }
        Ok(match self.method(method, json_body(request)) {
            Ok(result) => json_response(200, &[], &json!({"ok": true, "result": result})),
            Err(refused) => refused,
        })
    }
}

fn refused(status: u16, description: &str) -> Response {
    json_response(status, &[], &json!({"ok": false, "error_code": status, "description": description}))
}

fn failed(status: u16, description: &str, parameters: &Value) -> Response {
    let body = json!({"ok": false, "error_code": status, "description": description, "parameters": parameters});
    json_response(status, &[], &body)
}

/// "1-4096 characters after entities parsing"; entities by their offset and length in UTF-16 code units.
fn check_text(body: &Value) -> Result<(), Response> {
    assert!(body.get("parse_mode").is_none(), "entities are specified instead of parse_mode");
    let text = body["text"].as_str().unwrap();
    let length = text.encode_utf16().count() as u64;
    if text.trim().is_empty() {
        return Err(refused(400, "Bad Request: message text is empty"));
    }
    if length > 4096 {
        return Err(refused(400, "Bad Request: message is too long"));
    }
    let entities = body["entities"].as_array().unwrap();
    let ranges: Vec<_> = entities
        .iter()
        .map(|entity| (entity["type"].as_str().unwrap(), entity["offset"].as_u64().unwrap(), entity["length"].as_u64().unwrap()))
        .collect();
    for (kind, offset, size) in &ranges {
        let known = ["bold", "italic", "strikethrough", "code", "pre", "blockquote", "text_link"];
        assert!(known.contains(kind) && *size > 0 && offset + size <= length, "{kind} {offset} {size} in {length}");
        // "If two entities have common characters, then one of them is fully contained inside another."
        for (_, other, length) in &ranges {
            let apart = other + length <= *offset || offset + size <= *other;
            let inside = |a: u64, b: u64, c: u64, d: u64| c <= a && a + b <= c + d;
            assert!(apart || inside(*offset, *size, *other, *length) || inside(*other, *length, *offset, *size));
        }
    }
    Ok(())
}
