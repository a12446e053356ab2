//! What is sent: <https://docs.opsgenie.com/docs/alert-api>, whose tables have the limits. The service is written in Java, so
//! its characters are counted in UTF-16.

use crate::config::Config;
use crate::connection::Connection;
use crate::responders;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, MARK, one_line};
use serde_json::{Map, Value, json};

/// `message`: 130 characters.
const MESSAGE: Limit = Limit::utf16(130);

/// `description`: 15,000 characters.
const DESCRIPTION: Limit = Limit::utf16(15_000);

/// `entity`: 512 characters.
const ENTITY: Limit = Limit::utf16(512);

/// `source`: 100 characters.
const SOURCE: Limit = Limit::utf16(100);

/// `note`: 25,000 characters; the mark of the delivery takes some of them.
const NOTE: Limit = Limit::utf16(24_500);

/// `tags`: 50 characters each.
const TAG: Limit = Limit::utf16(50);

/// `details`: 8,000 characters in all, names and values.
const DETAILS: usize = 8000;

/// The property by which an alert of a delivery is found again.
pub(crate) const DELIVERY: &str = "Postern delivery";

/// Who did it, as alerts show it: at most 100 characters.
const USER: &str = "Postern";

/// A new alert.
pub(crate) fn body(delivery: &Delivery<Config, Connection>, notice: &Notice, alias: &str) -> Result<Value, Failure> {
    let config = &delivery.config;
    let message = match filled(&config.message_template).map(one_line) {
        Some(message) if delivery.test => format!("[Test] {message}"),
        Some(message) => message,
        None => plain(&notice.summary),
    };
    let description = match filled(&config.description_template) {
        Some(description) => description.to_owned(),
        None => plain(&described(delivery, notice)),
    };
    let mut body = json!({
        "message": MESSAGE.shorten(&message),
        "alias": alias,
        "description": DESCRIPTION.shorten(&description),
        "details": details(delivery, notice)?,
        "priority": config.priorities.of(notice.severity),
        "source": source(delivery),
        "user": USER,
    });
    let entity = filled(&config.entity_template).map(one_line).or_else(|| notice.source.as_deref().map(plain));
    if let Some(entity) = entity {
        body["entity"] = json!(ENTITY.shorten(&entity));
    }
    for (name, entries) in [("responders", responders::of(config)), ("tags", tags(config))] {
        if !entries.is_empty() {
            body[name] = entries.into();
        }
    }
    Ok(body)
}

/// A note for an alert that is there, alone or with its acknowledgement or closing.
pub(crate) fn note(delivery: &Delivery<Config, Connection>, notice: &Notice) -> Value {
    let text = match filled(&delivery.config.note_template) {
        Some(note) if delivery.test => format!("[Test] {note}"),
        Some(note) => note.to_owned(),
        None => plain(&format!("{}\n\n{}", notice.summary, described(delivery, notice))),
    };
    let note = format!("{}\n\n{}", NOTE.shorten(&text), mark(&delivery.id));
    json!({ "note": note, "source": source(delivery), "user": USER })
}

/// The last line of a note, by which it is found again.
pub(crate) fn mark(delivery: &str) -> String {
    format!("{DELIVERY}: {delivery}")
}

/// The payload's own words, its fields, and where the event comes from.
fn described(delivery: &Delivery<Config, Connection>, notice: &Notice) -> String {
    let facts: Vec<_> = notice.facts.iter().map(|fact| format!("{}: {}", fact.label, fact.value)).collect();
    let origin = format!("{} · {} · {}", delivery.event.event_id, notice.time, delivery.subscription.name);
    let parts = [notice.description.clone().unwrap_or_default(), facts.join("\n"), origin];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// HTML in an alert is shown as such (<https://docs.opsgenie.com/docs/alerts-and-alert-fields>), while text messages and calls
/// would spell out an entity. So what might begin or end a tag becomes a character that looks like it.
fn plain(text: &str) -> String {
    text.replace('<', "‹").replace('>', "›")
}

fn source(delivery: &Delivery<Config, Connection>) -> String {
    SOURCE.shorten(&format!("Postern: {}", one_line(&delivery.subscription.name))).into_owned()
}

/// Extra properties: texts only, or the request is refused as a whole.
fn details(delivery: &Delivery<Config, Connection>, notice: &Notice) -> Result<Map<String, Value>, Failure> {
    let mut details = Map::new();
    details.insert(DELIVERY.into(), json!(delivery.id));
    let mut left = DETAILS - length(DELIVERY) - length(&delivery.id);
    for (name, value) in wanted_details(delivery, notice)? {
        // Room for what says that more was left out.
        let room = left.saturating_sub(length(&name) + 10);
        let value = Limit::utf16(room).shorten(&value).into_owned();
        if value.is_empty() {
            details.insert(MARK.into(), json!("more"));
            log::warn("some extra properties were left out: an alert has room for 8,000 characters of them");
            break;
        }
        left -= length(&name) + length(&value);
        details.entry(name).or_insert(json!(value));
    }
    Ok(details)
}

fn wanted_details(delivery: &Delivery<Config, Connection>, notice: &Notice) -> Result<Vec<(String, String)>, Failure> {
    let Some(text) = filled(&delivery.config.details_template) else {
        let facts = notice.facts.iter().map(|fact| (plain(&fact.label), plain(&fact.value)));
        let link = notice.link.iter().map(|link| ("Link".to_owned(), link.clone()));
        return Ok(facts.chain(link).collect());
    };
    let details: Map<String, Value> = serde_json::from_str(text)
        .map_err(|error| Failure::never(format!("detailsTemplate made no JSON object: {error}; check it in the subscription")))?;
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(details.into_iter().map(|(name, value)| (name, text(value))).filter(|(_, value)| !value.is_empty()).collect())
}

fn tags(config: &Config) -> Vec<Value> {
    let mut tags: Vec<String> = Vec::new();
    for tag in config.tags.iter().map(|tag| TAG.shorten(&one_line(tag)).into_owned()) {
        if !tag.is_empty() && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags.into_iter().map(Value::from).collect()
}

/// A template's text, unless it is empty.
fn filled<T>(template: &Option<Template<T>>) -> Option<&str> {
    template.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

fn length(text: &str) -> usize {
    text.encode_utf16().count()
}
