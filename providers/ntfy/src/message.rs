//! What is published: <https://docs.ntfy.sh/publish/#publish-as-json>.

use crate::config::Config;
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, one_line};
use serde_json::{Value, json};

/// A longer title is refused: <https://docs.ntfy.sh/publish/#limitations>.
const TITLE: Limit = Limit::bytes(1024);

/// A longer message becomes a file: <https://docs.ntfy.sh/publish/#limitations>.
const MESSAGE: usize = 4096;

/// The description, so that the fields below it are seen too.
const DESCRIPTION: Limit = Limit::bytes(2000);

/// The line that says where a message comes from.
const SOURCE: Limit = Limit::bytes(400);

/// A template that is not empty.
fn filled<T>(template: &Option<Template<T>>) -> Option<&str> {
    template.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

/// The message of a delivery. Nothing in it depends on the attempt, so that an earlier one is known by it.
pub(crate) fn body(delivery: &Delivery<Config, Connection>, sequence: &str) -> Value {
    let config = &delivery.config;
    let notice = delivery.notice();
    let title = match filled(&config.title_template) {
        Some(text) if notice.test => one_line(&format!("[Test] {text}")),
        Some(text) => one_line(text),
        None => format!("{} {}", notice.sign(), notice.summary),
    };
    let message = match filled(&config.message_template) {
        Some(text) => Limit::bytes(MESSAGE).shorten(text).into_owned(),
        None => told(&notice, delivery),
    };
    let mut body = json!({
        "topic": config.topic,
        "title": TITLE.shorten(&title),
        "message": message,
        "priority": config.priority.number(&notice),
        "sequence_id": sequence,
    });
    if !config.tags.is_empty() {
        body["tags"] = json!(config.tags);
    }
    if let Some(page) = filled(&config.click_template).or(notice.link.as_deref()) {
        body["click"] = json!(page);
    }
    if let Some(icon) = &config.icon_url {
        body["icon"] = json!(icon);
    }
    body
}

/// The payload's own words, its fields, and where it comes from.
fn told(notice: &Notice, delivery: &Delivery<Config, Connection>) -> String {
    let source = one_line(&format!("{} · {} · {}", delivery.event.event_id, notice.time, delivery.subscription.name));
    let source = SOURCE.shorten(&source);
    let facts: Vec<_> = notice.facts.iter().map(|fact| format!("{}: {}", fact.label, fact.value)).collect();
    let description = notice.description.as_deref().map(|text| DESCRIPTION.shorten(text).into_owned());
    let parts: Vec<_> = description.into_iter().chain(Some(facts.join("\n")).filter(|facts| !facts.is_empty())).collect();
    if parts.is_empty() {
        return source.into_owned();
    }
    let room = Limit::bytes(MESSAGE - source.len() - 2);
    format!("{}\n\n{source}", room.shorten(&parts.join("\n\n")))
}

/// A message that tries a topic, says so, and makes no sound. Each replaces the one before.
pub(crate) fn test(topic: &str) -> Value {
    json!({
        "topic": topic,
        "title": "Test",
        "message": "Postern tries whether it can publish to this topic. Nothing has happened.",
        "priority": 1,
        "sequence_id": "postern-test",
    })
}
