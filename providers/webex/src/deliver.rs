//! One delivery: a new message, a reply to the entity's first one, or that one anew.

use crate::api::{self, Refusal};
use crate::config::{Config, LaterEvents};
use crate::connection::Connection;
use crate::message::Message;
use postern_provider::http::Request;
use postern_provider::prelude::*;
use serde_json::json;

/// What is logged where the first message is given up.
const NEW: &str = "posting a new message, since the first cannot be continued";

/// A message by its place.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    room_id: String,
    #[serde(rename = "id")]
    message_id: String,
}

impl Posted {
    /// From an external id. One that is none of ours leads nowhere.
    fn parse(external_id: &str) -> Option<Self> {
        let (room, message) = external_id.split_once(':')?;
        (is_id(room) && is_id(message)).then(|| Self { room_id: room.to_owned(), message_id: message.to_owned() })
    }

    fn receipt(&self) -> Receipt {
        Receipt::with_external_id(format!("{}:{}", self.room_id, self.message_id))
    }
}

/// What can stand in a path as it is.
fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-=".contains(&byte))
}

pub(crate) fn run(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
    let connection = delivery.connection()?;
    let message = Message::of(delivery);
    let post = |parent: Option<&Posted>| post(connection, &message, &delivery.config.room_id, parent);
    let first = delivery.entity.as_ref().and_then(|entity| entity.external_id.as_deref()).and_then(Posted::parse);
    let posted = match (delivery.config.later_events, &first) {
        (LaterEvents::Edit, Some(first)) => edit(connection, &message, first)
            .or_else(|refusal| instead(refusal, "replying, since the first message cannot be edited", || post(Some(first))))
            .or_else(|refusal| instead(refusal, NEW, || post(None))),
        (LaterEvents::Thread, Some(first)) => post(Some(first)).or_else(|refusal| instead(refusal, NEW, || post(None))),
        _ => post(None),
    };
    posted.map(|posted| posted.receipt()).map_err(Refusal::into_failure)
}

/// Does the next best thing, where Webex refused the first message itself: it was deleted (404), or cannot be edited or answered
/// (400). Webex names no codes that would tell this from a fault of the request; a fault fails again, and then counts.
fn instead(refusal: Refusal, what: &str, next: impl FnOnce() -> Result<Posted, Refusal>) -> Result<Posted, Refusal> {
    if !matches!(refusal.status, Some(400 | 404)) {
        return Err(refusal);
    }
    log::warn(format!("{what}: {}", refusal.failure));
    next()
}

/// <https://developer.webex.com/docs/api/v1/messages/create-a-message>
fn post(connection: &Connection, message: &Message, room: &str, parent: Option<&Posted>) -> Result<Posted, Refusal> {
    let mut body = json!({ "roomId": room, "markdown": message.markdown, "text": message.text });
    if let Some(parent) = parent {
        body["roomId"] = json!(parent.room_id);
        body["parentId"] = json!(parent.message_id);
    }
    sent(connection, http::post(api::url(connection, "/messages")).json(&body))
}

/// <https://developer.webex.com/docs/api/v1/messages/edit-a-message>
fn edit(connection: &Connection, message: &Message, first: &Posted) -> Result<Posted, Refusal> {
    let body = json!({ "roomId": first.room_id, "markdown": message.markdown, "text": message.text });
    let url = api::url(connection, &format!("/messages/{}", first.message_id));
    sent(connection, http::put(url).json(&body))?;
    Ok(first.clone())
}

fn sent(connection: &Connection, request: Request) -> Result<Posted, Refusal> {
    let response = api::send(connection, request)?;
    response.json().map_err(Refusal::from)
}
