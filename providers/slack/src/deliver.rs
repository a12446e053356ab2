//! One delivery: a new message, a reply to the entity's first one, or that one anew.

use crate::api::{self, Refusal};
use crate::config::{Config, LaterEvents};
use crate::connection::{Connection, Method};
use crate::message::Message;
use crate::webhook;
use postern_provider::clock;
use postern_provider::prelude::*;
use serde_json::{Value, json};
use std::time::{Duration, UNIX_EPOCH};

/// The type of the metadata that marks our messages: <https://docs.slack.dev/messaging/message-metadata>.
const METADATA: &str = "postern_delivery";

/// How far back an earlier post is looked for: the longest wait between two attempts.
const LOOK_BACK: Duration = Duration::from_secs(24 * 60 * 60);

/// Errors that say that the first message can no longer be updated or answered, while the channel can be posted to.
const FIRST_IS_GONE: [&str; 6] = [
    "message_not_found",
    "cant_update_message",
    "edit_window_closed",
    "cannot_reply_to_message",
    "restricted_action_non_threadable_channel",
    "restricted_action_thread_locked",
];

/// A message by its place.
#[derive(Clone, Debug, Deserialize)]
struct Posted {
    channel: String,
    ts: String,
}

impl Posted {
    /// From an external id. One that is none of ours leads nowhere.
    fn parse(external_id: &str) -> Option<Self> {
        let (channel, ts) = external_id.split_once(':')?;
        let is_time = !ts.is_empty() && ts.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        (is_id(channel) && is_time).then(|| Self { channel: channel.to_owned(), ts: ts.to_owned() })
    }

    fn receipt(&self) -> Receipt {
        Receipt::with_external_id(format!("{}:{}", self.channel, self.ts))
    }
}

/// What a delivery does, by the settings and by what an earlier event of the entity left.
enum Plan {
    New,
    Reply(Posted),
    Update(Posted),
}

impl Plan {
    fn of(delivery: &Delivery<Config, Connection>) -> Self {
        let first = delivery.entity.as_ref().and_then(|entity| entity.external_id.as_deref()).and_then(Posted::parse);
        match (delivery.config.later_events, first) {
            (LaterEvents::Thread, Some(first)) => Self::Reply(first),
            (LaterEvents::Update, Some(first)) => Self::Update(first),
            _ => Self::New,
        }
    }
}

pub(crate) fn run(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
    let connection = delivery.connection()?;
    let message = Message::of(delivery)?;
    if connection.method == Method::Webhook {
        let Config { channel, username, icon_emoji, .. } = &delivery.config;
        let dressed = [("channel", channel.as_deref()), ("username", username.as_deref()), ("icon_emoji", icon_emoji.as_deref())];
        return webhook::post(connection, &message, &dressed).map(|()| Receipt::none());
    }
    let posted = match Plan::of(delivery) {
        Plan::New => post(delivery, connection, &message, None),
        Plan::Reply(first) => post(delivery, connection, &message, Some(&first)),
        Plan::Update(first) => update(connection, &message, &first),
    };
    let posted = match posted {
        Err(refusal) if refusal.is(&FIRST_IS_GONE) => {
            log::warn(format!("posting a new message, since the first cannot be continued: {}", refusal.failure));
            post(delivery, connection, &message, None)
        }
        posted => posted,
    };
    posted.map(|posted| posted.receipt()).map_err(Refusal::into_failure)
}

/// <https://docs.slack.dev/reference/methods/chat.postMessage>
fn post(
    delivery: &Delivery<Config, Connection>,
    connection: &Connection,
    message: &Message,
    first: Option<&Posted>,
) -> Result<Posted, Refusal> {
    let channel = match first {
        Some(first) => &first.channel,
        None => channel(&delivery.config, connection)?,
    };
    let mut body = json!({
        "channel": channel,
        "text": message.text,
        "blocks": message.blocks,
        "unfurl_links": false,
        "unfurl_media": false,
        "metadata": { "event_type": METADATA, "event_payload": { "delivery": delivery.id } },
    });
    let optional = [
        ("thread_ts", first.map(|first| first.ts.as_str())),
        ("username", delivery.config.username.as_deref()),
        ("icon_emoji", delivery.config.icon_emoji.as_deref()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    api::post(connection, "chat.postMessage", &body)
}

/// <https://docs.slack.dev/reference/methods/chat.update>
fn update(connection: &Connection, message: &Message, first: &Posted) -> Result<Posted, Refusal> {
    let body = json!({ "channel": first.channel, "ts": first.ts, "text": message.text, "blocks": message.blocks });
    api::post(connection, "chat.update", &body)
}

fn channel<'a>(config: &'a Config, connection: &'a Connection) -> Result<&'a String, Failure> {
    let channel = config.channel.as_ref().or(connection.channel.as_ref());
    channel.ok_or_else(|| Failure::never("no channel is named: set one in the subscription or in its connection"))
}

/// Whether it is a conversation's ID and no name.
fn is_id(channel: &str) -> bool {
    channel.starts_with(['C', 'G', 'D']) && channel.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    messages: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    ts: String,
    #[serde(default)]
    metadata: Value,
}

/// Looks for the message of an earlier attempt by its metadata.
///
/// It needs a scope that posting does not (`channels:history`, `groups:history`). Without it, and where the channel is known by
/// its name alone, nothing is found, and the message is posted again.
pub(crate) fn find(delivery: &Delivery<Config, Connection>) -> Result<Option<Receipt>, Failure> {
    let connection = delivery.connection()?;
    if connection.method == Method::Webhook {
        return Ok(None);
    }
    let (method, channel, first) = match Plan::of(delivery) {
        // A second update says what the first did.
        Plan::Update(_) => return Ok(None),
        Plan::Reply(first) => ("conversations.replies", first.channel, Some(first.ts)),
        Plan::New => ("conversations.history", channel(&delivery.config, connection)?.clone(), None),
    };
    if !is_id(&channel) {
        return Ok(None);
    }
    let since = clock::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(LOOK_BACK);
    let oldest = format!("{}.000000", since.as_secs());
    let mut arguments =
        vec![("channel", channel.as_str()), ("oldest", &oldest), ("include_all_metadata", "true"), ("limit", "200")];
    arguments.extend(first.as_deref().map(|ts| ("ts", ts)));
    match api::read::<Page>(connection, method, &arguments) {
        Ok(page) => {
            let is_ours = |found: &&Found| {
                found.metadata["event_type"] == METADATA && found.metadata["event_payload"]["delivery"] == delivery.id.as_str()
            };
            Ok(page.messages.iter().find(is_ours).map(|found| Posted { channel, ts: found.ts.clone() }.receipt()))
        }
        Err(refusal) if refusal.failure.retry == Retry::Never => {
            log::warn(format!("an earlier message cannot be looked for: {}", refusal.failure));
            Ok(None)
        }
        Err(refusal) => Err(refusal.into_failure()),
    }
}
