//! What issues and comments say.

use crate::config::Config;
use crate::connection::Connection;
use crate::document::{Block, Document, Style, link};
use crate::markdown;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, one_line};
use serde_json::Value;

/// A summary: one line of 255 characters ("Summary can't exceed 255 characters").
const SUMMARY: Limit = Limit::utf16(255);

/// A template that is not empty.
fn filled<T>(template: &Option<Template<T>>) -> Option<&str> {
    template.as_deref().filter(|text| !text.trim().is_empty())
}

/// The summary. One that only tries the subscription out says so, whatever the template.
pub(crate) fn summary(delivery: &Delivery<Config, Connection>) -> String {
    let notice = delivery.notice();
    let text = match filled(&delivery.config.summary_template) {
        Some(text) if notice.test => one_line(&format!("[Test] {text}")),
        Some(text) => one_line(text),
        None => notice.title,
    };
    SUMMARY.shorten(&text).into_owned()
}

/// The description.
pub(crate) fn description(delivery: &Delivery<Config, Connection>) -> Value {
    written(filled(&delivery.config.description_template), |document| told(delivery, document))
}

/// A comment on what happened since.
pub(crate) fn comment(delivery: &Delivery<Config, Connection>) -> Value {
    written(filled(&delivery.config.comment_template), |document| {
        document.paragraph(&delivery.notice().summary, &Style::strong());
        told(delivery, document);
    })
}

fn written(template: Option<&str>, usual: impl FnOnce(&mut Document)) -> Value {
    let mut document = Document::new();
    match template {
        Some(text) => markdown::write(text, &mut document),
        None => usual(&mut document),
    }
    document.finish()
}

/// What the payload says: in its own words, then field by field, then where it comes from. All of it is plain text, so
/// nothing in a payload mentions anybody or looks like something else.
fn told(delivery: &Delivery<Config, Connection>, document: &mut Document) {
    let notice = delivery.notice();
    if let Some(description) = &notice.description {
        document.paragraphs(description);
    }
    document.open(Block::BulletList);
    for fact in &notice.facts {
        document.open(Block::Item);
        document.text(&format!("{}: ", fact.label), &Style::strong());
        document.text(&fact.value, &Style::default());
        document.close();
    }
    document.close();
    document.open(Block::Paragraph);
    let source = format!("{} · {} · {}", delivery.event.event_id, notice.time, delivery.subscription.name);
    document.text(&source, &Style::emphasis());
    if let Some(target) = notice.link.as_deref().and_then(link) {
        document.text(" · ", &Style::emphasis());
        document.text("Open", &Style { link: Some(target), ..Style::emphasis() });
    }
    document.close();
}
