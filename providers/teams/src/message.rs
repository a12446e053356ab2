//! Which card is posted, and that the whole message fits.

use crate::card;
use crate::config::Config;
use crate::connection::Connection;
use crate::markdown::escape;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, escaped_anew};
use serde_json::{Value, json};

/// A message may have about 28 KB: <https://learn.microsoft.com/connectors/teams>, known issues. The page does not say in which
/// encoding; Teams counts other messages in UTF-16
/// (<https://learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages>). So it is kept in both.
const MESSAGE_BYTES: usize = 28_000;

/// How many characters each text may have: the most that leave the message within its bound. With the last, the largest usual card
/// has 10,000 bytes.
const STEPS: [usize; 10] = [12_000, 8000, 4000, 2000, 1000, 500, 250, 120, 60, 30];

/// What a card's texts stand in.
const TEXTS: [&str; 5] = ["text", "title", "value", "label", "altText"];

/// The message of a delivery: by its template, or the usual card.
pub(crate) fn of(delivery: &Delivery<Config, Connection>) -> Result<Value, Failure> {
    let Config { message_template, card_template } = &delivery.config;
    match (filled(card_template), filled(message_template)) {
        (Some(text), _) => {
            let card = checked(text)?;
            fit(|longest| shortened(&card, longest)).ok_or_else(|| {
                let size = size(&around(&card));
                Failure::never(format!(
                    "cardTemplate made a message of {size} bytes, which no shorter texts bring to the {MESSAGE_BYTES} that Teams takes"
                ))
            })
        }
        (None, Some(text)) => {
            let text = escaped_anew(text, escape);
            fit(|longest| card::markdown(&Limit::characters(longest).shorten(&text))).ok_or_else(unfit)
        }
        (None, None) => {
            let notice = delivery.notice();
            let source = format!("{} · {} · {}", delivery.event.event_id, notice.time, delivery.subscription.name);
            fit(|longest| card::usual(&notice, &source, longest)).ok_or_else(unfit)
        }
    }
}

/// A message that tries a webhook.
pub(crate) fn test() -> Value {
    around(&card::test())
}

/// No card of ours is that large.
fn unfit() -> Failure {
    Failure::never("the message does not fit what Teams takes")
}

/// A template that is not empty.
fn filled<T>(template: &Option<Template<T>>) -> Option<&str> {
    template.as_deref().filter(|text| !text.trim().is_empty())
}

/// The card that a template made.
fn checked(text: &str) -> Result<Value, Failure> {
    let wrong = |reason: &dyn std::fmt::Display| Failure::never(format!("cardTemplate made no Adaptive Card: {reason}"));
    let card: Value = serde_json::from_str(text).map_err(|error| wrong(&error))?;
    if card["type"] == "AdaptiveCard" {
        Ok(card)
    } else {
        Err(wrong(&"it is an object whose `type` is `AdaptiveCard`, without the message around it"))
    }
}

/// The message with the longest texts that fit.
fn fit(card: impl Fn(usize) -> Value) -> Option<Value> {
    STEPS.into_iter().map(|longest| around(&card(longest))).find(|message| size(message) <= MESSAGE_BYTES)
}

/// What the workflow takes: <https://learn.microsoft.com/connectors/teams>, "Microsoft Teams Webhook".
fn around(card: &Value) -> Value {
    json!({
        "type": "message",
        "attachments": [{ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card }],
    })
}

/// Bytes, by the encoding that needs more.
fn size(message: &Value) -> usize {
    let text = message.to_string();
    text.len().max(2 * text.encode_utf16().count())
}

/// A card with each text cut to `longest` characters, wherever it stands.
fn shortened(value: &Value, longest: usize) -> Value {
    match value {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                let value = match value {
                    Value::String(text) if TEXTS.contains(&name.as_str()) => Limit::characters(longest).shorten(text).into(),
                    other => shortened(other, longest),
                };
                (name.clone(), value)
            };
            Value::Object(fields.iter().map(field).collect())
        }
        Value::Array(items) => items.iter().map(|item| shortened(item, longest)).collect(),
        other => other.clone(),
    }
}
