//! What is posted.

use crate::config::Config;
use crate::connection::Connection;
use crate::markdown;
use crate::styled::{Style, Styled};
use postern_provider::prelude::*;
use postern_provider::text::{Limit, escape_mention, escaped};

/// A message's text: 4096 characters "after entities parsing" (<https://core.telegram.org/bots/api#sendmessage>), counted like
/// the entities in UTF-16 code units.
const TEXT: usize = 4096;

/// The description, so that the facts have room too.
const DESCRIPTION: Limit = Limit::utf16(2000);

/// The last line.
const SOURCE: Limit = Limit::utf16(300);

/// What is kept free of facts, for the last lines.
const RESERVE: usize = 350;

/// The message of a delivery: by its template, or the usual one.
pub(crate) fn of(delivery: &Delivery<Config, Connection>, notice: &Notice) -> Styled {
    let template = delivery.config.message_template.as_deref().map(markdown::styled);
    let message = template
        .filter(|styled| !styled.text.trim().is_empty())
        .unwrap_or_else(|| usual(notice, &delivery.event.event_id, &delivery.subscription.name));
    message.shortened(TEXT)
}

fn usual(notice: &Notice, event_type: &str, subscription: &str) -> Styled {
    let plain = |text: &str| escaped(text, escape_mention);
    let mut message = Styled::default();
    message.push_styled(Style::Bold, &plain(&format!("{} {}", notice.sign(), notice.title)));
    if let Some(description) = &notice.description {
        message.push("\n\n");
        message.push(&plain(&DESCRIPTION.shorten(description)));
    }
    message.push("\n");
    for fact in &notice.facts {
        let mut longer = message.clone();
        longer.push("\n");
        longer.push_styled(Style::Bold, &plain(&fact.label));
        longer.push(": ");
        longer.push_styled(Style::Code, &fact.value);
        if longer.length() > TEXT - RESERVE {
            message.push("\n…");
            break;
        }
        message = longer;
    }
    if !notice.facts.is_empty() {
        message.push("\n");
    }
    message.push("\n");
    let source = format!("{event_type} · {} · {subscription}", notice.time);
    message.push_styled(Style::Italic, &plain(&SOURCE.shorten(&source)));
    if let Some(link) = &notice.link {
        message.push("\n");
        message.push_styled(Style::Link(link.clone()), "Open");
    }
    message
}
