//! One delivery: a new message, or the entity's first one edited.

use crate::api::{self, Refusal};
use crate::config::{Config, LaterEvents};
use crate::connection::Connection;
use crate::errors::{THREAD_ARCHIVED, THREAD_LOCKED, UNKNOWN_WEBHOOK};
use crate::message::Message;
use postern_provider::prelude::*;

/// A message by its place.
#[derive(Clone, Debug)]
struct Posted {
    message: String,
    thread: Option<String>,
}

impl Posted {
    /// From an external id. One that is none of ours leads nowhere.
    fn parse(external_id: &str) -> Option<Self> {
        let (message, thread) = match external_id.split_once(':') {
            Some((message, thread)) => (message, Some(thread)),
            None => (external_id, None),
        };
        (is_id(message) && thread.is_none_or(is_id))
            .then(|| Self { message: message.to_owned(), thread: thread.map(str::to_owned) })
    }

    fn receipt(&self) -> Receipt {
        Receipt::with_external_id(match &self.thread {
            Some(thread) => format!("{}:{thread}", self.message),
            None => self.message.clone(),
        })
    }
}

/// Whether it is a snowflake: up to 64 bits, in decimal.
fn is_id(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What Discord says of a message: <https://docs.discord.com/developers/resources/message#message-object>.
#[derive(Deserialize)]
struct Answer {
    id: String,
}

pub(crate) fn run(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
    let connection = delivery.connection()?;
    let message = Message::of(delivery)?;
    let first = delivery.entity.as_ref().and_then(|entity| Posted::parse(entity.external_id.as_deref()?));
    if let (LaterEvents::Update, Some(first)) = (delivery.config.later_events, first) {
        match edit(connection, &message, &first) {
            Err(refusal) if is_gone(&refusal) => {
                log::warn(format!("posting a new message, since the first cannot be edited: {}", refusal.failure));
            }
            edited => return edited.map(|()| first.receipt()).map_err(Refusal::into_failure),
        }
    }
    post(&delivery.config, connection, &message).map_err(Refusal::into_failure)
}

/// Whether the message is no more, while the webhook is. It is gone too if its channel or thread is.
fn is_gone(refusal: &Refusal) -> bool {
    match refusal.code {
        Some(UNKNOWN_WEBHOOK) => false,
        Some(THREAD_ARCHIVED | THREAD_LOCKED) => true,
        _ => refusal.status == 404,
    }
}

/// <https://docs.discord.com/developers/resources/webhook#execute-webhook>. Without `wait`, a message that was not saved is no error,
/// and none is named.
fn post(config: &Config, connection: &Connection, message: &Message) -> Result<Receipt, Refusal> {
    let thread = config.thread_id.as_deref();
    let url = match thread {
        Some(thread) => connection.execute(&format!("?wait=true&thread_id={thread}")),
        None => connection.execute("?wait=true"),
    };
    let response = api::send(http::post(url).json(&message.to_post(config)))?;
    if response.status == 204 {
        return Ok(Receipt::none());
    }
    let Answer { id } = response.json()?;
    if !is_id(&id) {
        log::warn("Discord named the message by something that is no ID; later events will not find it");
        return Ok(Receipt::none());
    }
    Ok(Posted { message: id, thread: thread.map(str::to_owned) }.receipt())
}

/// <https://docs.discord.com/developers/resources/webhook#edit-webhook-message>
fn edit(connection: &Connection, message: &Message, first: &Posted) -> Result<(), Refusal> {
    let query = first.thread.as_ref().map(|thread| format!("?thread_id={thread}")).unwrap_or_default();
    api::send(http::patch(connection.message(&first.message, &query)).json(&message.to_edit())).map(drop)
}
