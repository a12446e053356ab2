//! What is posted: an attachment with the severity's colour
//! (<https://developers.mattermost.com/integrate/reference/message-attachments/>), or a text by a template.

use crate::config::Config;
use crate::connection::Connection;
use postern_provider::notice::{Phase, Severity};
use postern_provider::prelude::*;
use postern_provider::text::{Limit, escape_as_entity, escape_mention, escaped, escaped_anew};
use serde_json::{Value, json};

/// A post's text: 16,383 characters. What is longer becomes several posts
/// (<https://developers.mattermost.com/integrate/webhooks/incoming/#tips-and-best-practices>). The usual message stays far below it
/// by its parts' limits.
const TEXT: Limit = Limit::characters(16_383);

/// The description. Its marks grow to entities.
const DESCRIPTION: Limit = Limit::characters(12_000);

/// What is shown beside another field: longer values have a row of their own.
const SHORT: Limit = Limit::characters(40);

/// A footer is cut at 300 characters.
const FOOTER: Limit = Limit::characters(300);

/// The body for a delivery: by its template, or the usual one.
pub(crate) fn body(delivery: &Delivery<Config, Connection>) -> Value {
    let config = &delivery.config;
    let notice = delivery.notice();
    let mut body = match config.message_template.as_deref().filter(|text| !text.trim().is_empty()) {
        Some(template) => json!({ "text": TEXT.shorten(&escaped_anew(template, escape)) }),
        None => {
            json!({ "attachments": [attachment(&notice, &delivery.event.event_id, &delivery.subscription.name)] })
        }
    };
    dress(&mut body, config);
    // For other integrations, which read posts by the API.
    body["props"] = json!({ "postern_delivery": delivery.id, "postern_event_type": delivery.event.event_id });
    if let Some(priority) = config.priority.name(&notice) {
        body["priority"] = json!({ "priority": priority });
        if config.request_acknowledgement {
            body["priority"]["requested_ack"] = json!(true);
        }
    }
    body
}

/// A message that tries a webhook, and says so.
pub(crate) fn test(config: Option<&Config>) -> Value {
    let mut body = json!({ "text": "Test: Postern tries whether this webhook can be reached. Nothing has happened." });
    if let Some(config) = config {
        dress(&mut body, config);
    }
    body
}

/// Where it goes, and as whom.
fn dress(body: &mut Value, config: &Config) {
    let dressed = [
        ("channel", &config.channel),
        ("username", &config.username),
        ("icon_url", &config.icon_url),
        ("icon_emoji", &config.icon_emoji),
    ];
    for (name, value) in dressed {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
}

fn attachment(notice: &Notice, event_type: &str, subscription: &str) -> Value {
    let markdown = |text: &str| escaped(text, escape);
    let plain = |text: &str| escaped(text, escape_mention);
    // The title stands in the text: whether the attachment's own title is read as Markdown is documented nowhere.
    let mut text = format!("**{} {}**", notice.sign(), markdown(&notice.title));
    if let Some(description) = &notice.description {
        // White space at a line's beginning would make code of it.
        let lines: Vec<_> = description.lines().map(str::trim).collect();
        text.push_str(&format!("\n\n{}", DESCRIPTION.shorten_escaped(&lines.join("\n"), escape)));
    }
    if let Some(link) = &notice.link {
        text.push_str(&format!("\n\n[Open]({})", link.replace('(', "%28").replace(')', "%29")));
    }
    let field = |title: &str, value: &str| json!({ "title": plain(title), "value": markdown(value), "short": SHORT.fits(value) });
    let fields: Vec<_> = notice.facts.iter().map(|fact| field(&fact.label, &fact.value)).collect();
    let source = format!("{event_type} · {} · {subscription}", notice.time);
    json!({
        "fallback": plain(&notice.summary),
        "color": colour(notice),
        "text": text,
        "fields": fields,
        "footer": FOOTER.shorten_escaped(&source, escape_mention),
    })
}

/// Escapes for Mattermost's Markdown. Its web client reads a backslash before some characters only (mattermost/marked,
/// `inline.escape`), and its server finds `\@all` and `&#64;all` all the same.
fn escape(character: char, escaped: &mut String) {
    match character {
        '@' => escape_mention(character, escaped),
        _ => escape_as_entity(character, escaped),
    }
}

/// The border's colour.
fn colour(notice: &Notice) -> &'static str {
    match (notice.phase, notice.severity) {
        (Phase::Resolved, _) => "#2e9e4f",
        (_, Severity::Critical) => "#d32f2f",
        (_, Severity::Error) => "#ef6c00",
        (_, Severity::Warning) => "#f2c200",
        (_, Severity::Info) => "#1e88e5",
    }
}
