//! One delivery: a new message, a reply to the entity's first one, or that one anew.

use crate::api::{self, Refusal};
use crate::config::{Config, LaterEvents};
use crate::connection::Connection;
use crate::errors::{FIRST_IS_GONE, NOT_MODIFIED};
use crate::message;
use crate::styled::Styled;
use postern_provider::prelude::*;
use serde_json::{Value, json};

/// A message by its place.
#[derive(Clone, Copy, Debug)]
struct Posted {
    chat: i64,
    message: i64,
    topic: Option<i64>,
}

impl Posted {
    /// From an external id. One that is none of ours leads nowhere.
    fn parse(external_id: &str) -> Option<Self> {
        let numbers: Vec<i64> = external_id.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
        match *numbers {
            [chat, message] => Some(Self { chat, message, topic: None }),
            [chat, message, topic] => Some(Self { chat, message, topic: Some(topic) }),
            _ => None,
        }
    }

    fn receipt(self) -> Receipt {
        let topic = self.topic.map(|topic| format!(":{topic}")).unwrap_or_default();
        Receipt::with_external_id(format!("{}:{}{topic}", self.chat, self.message))
    }
}

/// Everything that sending needs, apart from the place.
struct Post<'a> {
    connection: &'a Connection,
    message: Styled,
    silent: bool,
}

pub(crate) fn run(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
    let Config { chat_id, topic, later_events, sound_from, .. } = &delivery.config;
    let notice = delivery.notice();
    let post = Post {
        connection: delivery.connection()?,
        message: message::of(delivery, &notice),
        silent: sound_from.is_silent(notice.severity),
    };
    let first = delivery.entity.as_ref().and_then(|entity| entity.external_id.as_deref()).and_then(Posted::parse);
    let continued = match (later_events, first) {
        (LaterEvents::Reply, Some(first)) => post.reply(first),
        (LaterEvents::Edit, Some(first)) => post.edit(first),
        _ => post.send(chat_of(chat_id), *topic),
    };
    let posted = match continued {
        Err(refusal) if first.is_some() && refusal.is(&FIRST_IS_GONE) => {
            log::warn(format!("posting a new message, since the first cannot be continued: {}", refusal.failure));
            post.send(chat_of(chat_id), *topic)
        }
        continued => continued,
    };
    // A message keeps its number in the old group only, and a group that was none before has no topics yet.
    let posted = match posted {
        Err(Refusal { migrated_to: Some(chat), .. }) => {
            log::warn(format!("the group has become a supergroup with a new number: enter {chat} as the subscription's chat"));
            post.send(json!(chat), None)
        }
        posted => posted,
    };
    posted.map(Posted::receipt).map_err(Refusal::into_failure)
}

/// A number where it is one, as the API has it.
fn chat_of(chat_id: &str) -> Value {
    chat_id.parse::<i64>().map_or_else(|_| json!(chat_id), |number| json!(number))
}

impl Post<'_> {
    /// <https://core.telegram.org/bots/api#sendmessage>
    fn send(&self, chat: Value, topic: Option<i64>) -> Result<Posted, Refusal> {
        Ok(self.call(chat, topic, None)?.0)
    }

    /// A reply, or a message on its own if the first is gone: outside of topics Telegram sends it at once.
    fn reply(&self, first: Posted) -> Result<Posted, Refusal> {
        let (posted, is_reply) = self.call(json!(first.chat), first.topic, Some(first.message))?;
        if !is_reply {
            log::warn("the entity's first message is gone: this one replies to nothing");
        }
        Ok(posted)
    }

    fn call(&self, chat: Value, topic: Option<i64>, reply_to: Option<i64>) -> Result<(Posted, bool), Refusal> {
        let mut body = self.content();
        body["chat_id"] = chat;
        if let Some(topic) = topic {
            body["message_thread_id"] = json!(topic);
        }
        if self.silent {
            body["disable_notification"] = json!(true);
        }
        if let Some(message) = reply_to {
            body["reply_parameters"] = json!({ "message_id": message, "allow_sending_without_reply": true });
        }
        let sent = api::call(self.connection, "sendMessage", &body)?;
        // <https://core.telegram.org/bots/api#message>
        let posted = Posted { chat: api::number(&sent, "/chat/id")?, message: api::number(&sent, "/message_id")?, topic };
        Ok((posted, sent["reply_to_message"].is_object()))
    }

    /// <https://core.telegram.org/bots/api#editmessagetext>
    fn edit(&self, first: Posted) -> Result<Posted, Refusal> {
        let mut body = self.content();
        body["chat_id"] = json!(first.chat);
        body["message_id"] = json!(first.message);
        match api::call(self.connection, "editMessageText", &body) {
            Err(refusal) if !refusal.is(&[NOT_MODIFIED]) => Err(refusal),
            _ => Ok(first),
        }
    }

    fn content(&self) -> Value {
        json!({
            "text": self.message.text,
            "entities": self.message.entities(),
            "link_preview_options": { "is_disabled": true },
        })
    }
}
