//! What is posted: an embed, unless a template says otherwise.

use crate::config::Config;
use crate::connection::Connection;
use crate::limits::{self, CONTENT, EMBEDS};
use postern_provider::notice::{Phase, Severity};
use postern_provider::prelude::*;
use postern_provider::text::{escape_markdown, escaped};
use serde_json::{Value, json};

/// The flag `SUPPRESS_EMBEDS`: <https://docs.discord.com/developers/resources/message#message-object-message-flags>.
const NO_PREVIEWS: u32 = 1 << 2;

/// Values up to this many characters stand beside each other.
const INLINE: usize = 40;

/// A message: a text, or embeds.
#[derive(Debug)]
pub(crate) struct Message {
    content: Option<String>,
    embeds: Vec<Value>,
}

impl Message {
    /// The message of a delivery: by its template, or the usual one.
    pub(crate) fn of(delivery: &Delivery<Config, Connection>) -> Result<Self, Failure> {
        let (content, mut embeds) = match (filled(&delivery.config.embeds_template), filled(&delivery.config.message_template)) {
            (Some(embeds), _) => (None, checked(embeds)?),
            (None, Some(text)) => (Some(CONTENT.shorten(text).into_owned()), Vec::new()),
            (None, None) => (None, vec![usual(&delivery.notice(), delivery)]),
        };
        limits::fit(&mut embeds);
        Ok(Self { content, embeds })
    }

    /// The parameters of a new message: <https://docs.discord.com/developers/resources/webhook#execute-webhook>.
    pub(crate) fn to_post(&self, config: &Config) -> Value {
        let mut body = json!({ "allowed_mentions": { "parse": [] } });
        let optional = [
            ("content", self.content.as_ref().map(|text| json!(text))),
            // Links in a text are those of a payload: they are not to fill the channel with pictures.
            ("flags", self.content.as_ref().map(|_| json!(NO_PREVIEWS))),
            ("embeds", Some(json!(self.embeds)).filter(|_| !self.embeds.is_empty())),
            ("username", config.username.as_ref().map(|name| json!(name))),
            ("avatar_url", config.avatar_url.as_ref().map(|url| json!(url))),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                body[name] = value;
            }
        }
        body
    }

    /// The parameters of an edit, which names everything, so that nothing of the message before stays:
    /// <https://docs.discord.com/developers/resources/webhook#edit-webhook-message>. Mentions are allowed unless an edit itself
    /// forbids them.
    pub(crate) fn to_edit(&self) -> Value {
        let flags = if self.content.is_some() { NO_PREVIEWS } else { 0 };
        json!({ "content": self.content, "embeds": self.embeds, "flags": flags, "allowed_mentions": { "parse": [] } })
    }
}

/// A template that is not empty.
fn filled<T>(template: &Option<Template<T>>) -> Option<&str> {
    template.as_deref().filter(|text| !text.trim().is_empty())
}

/// The embeds that a template made.
fn checked(text: &str) -> Result<Vec<Value>, Failure> {
    let wrong = |reason: String| Failure::never(format!("embedsTemplate made no list of embeds: {reason}"));
    let embeds: Vec<Value> = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    match embeds.len() {
        0 => Err(wrong("it is empty".into())),
        count if count > EMBEDS => Err(wrong(format!("{count} embeds; Discord takes at most {EMBEDS}"))),
        _ if !embeds.iter().all(Value::is_object) => Err(wrong("each embed is an object".into())),
        _ => Ok(embeds),
    }
}

/// <https://docs.discord.com/developers/resources/message#embed-object>
fn usual(notice: &Notice, delivery: &Delivery<Config, Connection>) -> Value {
    let field = |label: &str, value: &str| {
        let name = if label.is_empty() { "…".to_owned() } else { escaped(label, escape_inline) };
        json!({ "name": name, "value": escaped(value, escape_markdown), "inline": value.chars().count() <= INLINE })
    };
    let mut embed = json!({
        "title": format!("{} {}", notice.sign(), escaped(&notice.title, escape_inline)),
        "color": color(notice),
        "fields": notice.facts.iter().map(|fact| field(&fact.label, &fact.value)).collect::<Vec<_>>(),
        // No Markdown is read here.
        "footer": { "text": format!("{} · {}", delivery.event.event_id, delivery.subscription.name) },
        "timestamp": delivery.event.timestamp,
    });
    if let Some(description) = &notice.description {
        embed["description"] = json!(escaped(description, escape_markdown));
    }
    if let Some(link) = &notice.link {
        embed["url"] = json!(link);
    }
    embed
}

/// Titles are one line and know emphasis, code, mentions and links, but no blocks: `inc-7: done` stays as it is.
fn escape_inline(character: char, escaped: &mut String) {
    if matches!(character, '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '[' | ']') {
        escaped.push('\\');
    }
    escaped.push(character);
}

/// The bar at the side, in the sign's colour.
fn color(notice: &Notice) -> u32 {
    match (notice.phase, notice.severity) {
        (Phase::Resolved, _) => 0x2E_A0_43,
        (_, Severity::Critical) => 0xD9_2D_20,
        (_, Severity::Error) => 0xF0_7C_00,
        (_, Severity::Warning) => 0xF2_C0_37,
        (_, Severity::Info) => 0x3B_82_F6,
    }
}
