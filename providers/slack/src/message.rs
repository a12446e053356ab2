//! What is posted: blocks for the channel, and a text for notifications and screen readers.
//!
//! Limits are those of <https://docs.slack.dev/reference/block-kit/blocks>. All blocks together may have about 13,200
//! characters (`msg_blocks_too_long`, slackapi/bolt-js#2509); the usual message stays below 12,500 by its parts' limits.

use crate::config::Config;
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, escape_markup, escaped};
use serde_json::{Value, json};

/// A header block's text: 150 characters.
const HEADER: Limit = Limit::characters(150);

/// A section's text: 3,000 characters.
const SECTION: Limit = Limit::characters(3000);

/// A field of a section may have 2,000 characters; 21 of these fit the whole message's limit.
const FIELD: Limit = Limit::characters(400);

/// Fields in one section: 10.
const FIELDS: usize = 10;

/// The text of all markdown blocks together: 12,000 characters.
const MARKDOWN: Limit = Limit::characters(12_000);

/// The last line, well within a context element's limits.
const CONTEXT: Limit = Limit::characters(300);

/// The text beside the blocks. Slack cuts it at 40,000 characters; notifications show a line or two.
const FALLBACK: Limit = Limit::characters(3000);

/// Blocks in one message: 50.
const BLOCKS: usize = 50;

/// A message before it is said where it goes.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) text: String,
    pub(crate) blocks: Value,
}

impl Message {
    /// The message of a delivery: by its template, or the usual one.
    pub(crate) fn of(delivery: &Delivery<Config, Connection>) -> Result<Self, Failure> {
        let notice = delivery.notice();
        let blocks = match (filled(&delivery.config.blocks_template), filled(&delivery.config.message_template)) {
            (Some(blocks), _) => checked(blocks)?,
            (None, Some(text)) => json!([{ "type": "markdown", "text": MARKDOWN.shorten(text) }]),
            (None, None) => usual(&notice, &delivery.event.event_id, &delivery.subscription.name),
        };
        Ok(Self { text: FALLBACK.shorten_escaped(&notice.summary, escape_markup), blocks })
    }

    /// A message that tries a webhook, and says so.
    pub(crate) fn test() -> Self {
        let text = "Test: Postern tries whether this webhook can be reached. Nothing has happened.";
        Self { text: text.to_owned(), blocks: json!([{ "type": "section", "text": plain(text) }]) }
    }
}

/// A template that is not empty.
fn filled<T>(template: &Option<Template<T>>) -> Option<&str> {
    template.as_deref().filter(|text| !text.trim().is_empty())
}

/// The blocks that a template made.
fn checked(text: &str) -> Result<Value, Failure> {
    let wrong = |reason: String| Failure::never(format!("blocksTemplate made no list of blocks: {reason}"));
    let blocks: Vec<Value> = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    match blocks.len() {
        0 => Err(wrong("it is empty".into())),
        count if count > BLOCKS => Err(wrong(format!("{count} blocks; Slack takes at most {BLOCKS}"))),
        _ => Ok(blocks.into()),
    }
}

fn usual(notice: &Notice, event_type: &str, subscription: &str) -> Value {
    let header = format!("{} {}", notice.sign(), notice.title);
    let mut blocks = vec![json!({ "type": "header", "text": plain(&HEADER.shorten(&header)) })];
    if let Some(description) = &notice.description {
        blocks.push(json!({ "type": "section", "text": mrkdwn(SECTION.shorten_escaped(description, escape_markup)) }));
    }
    for facts in notice.facts.chunks(FIELDS) {
        let field = |label: &str, value: &str| {
            // Text that only looks like mrkdwn (`*`, `_`) does no harm; what makes mentions and links is escaped.
            mrkdwn(FIELD.shorten_escaped(&format!("*{label}*\n{value}"), escape_markup))
        };
        let fields: Vec<_> = facts.iter().map(|fact| field(&fact.label, &fact.value)).collect();
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    let source = CONTEXT.shorten(&format!("{event_type} · {} · {subscription}", notice.time)).into_owned();
    let mut context = vec![plain(&source)];
    if let Some(link) = &notice.link {
        context.push(mrkdwn(format!("<{}|Open>", escaped(link, escape_markup))));
    }
    blocks.push(json!({ "type": "context", "elements": context }));
    blocks.into()
}

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

fn mrkdwn(text: String) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}
