//! What is posted: Markdown for the space, and a plain text for clients that show none. Of Markdown Webex reads a part:
//! <https://developer.webex.com/formatting-messages.html>.

use crate::config::Config;
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, escape_as_entity, escaped_anew};

/// A message's text: 7439 bytes, in Markdown and plain alike
/// (<https://developer.webex.com/docs/api/v1/messages/create-a-message>).
const TEXT: Limit = Limit::bytes(7439);

/// The headline.
const TITLE: Limit = Limit::bytes(800);

/// The description, so that the facts have room too.
const DESCRIPTION: Limit = Limit::bytes(3000);

/// One fact's value.
const VALUE: Limit = Limit::bytes(600);

/// The last line.
const SOURCE: Limit = Limit::bytes(500);

/// A link's target. A longer one stands among the facts alone.
const LINK: Limit = Limit::bytes(1500);

/// A message before it is said where it goes.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) markdown: String,
    pub(crate) text: String,
}

impl Message {
    /// The message of a delivery: by its template, or the usual one.
    pub(crate) fn of(delivery: &Delivery<Config, Connection>) -> Self {
        let notice = delivery.notice();
        let markdown = match delivery.config.message_template.as_deref().filter(|text| !text.trim().is_empty()) {
            Some(template) => TEXT.shorten(&escaped_anew(template, escape)).into_owned(),
            None => usual(&notice, &delivery.event.event_id, &delivery.subscription.name),
        };
        Self { markdown, text: TEXT.shorten(&notice.summary).into_owned() }
    }
}

fn usual(notice: &Notice, event_type: &str, subscription: &str) -> String {
    let mut start = format!("**{} {}**\n", notice.sign(), TITLE.shorten_escaped(&notice.title, escape));
    if let Some(description) = &notice.description {
        // White space at a line's beginning would make code of it.
        let lines: Vec<_> = description.lines().map(str::trim).collect();
        start.push_str(&format!("\n{}\n", DESCRIPTION.shorten_escaped(&lines.join("\n"), escape)));
    }
    let source = format!("{event_type} · {} · {subscription}", notice.time);
    let mut end = format!("\n_{}_", SOURCE.shorten_escaped(&source, escape));
    // Characters that would end the target are in no link of a notice, apart from parentheses.
    let link = notice.link.as_deref().map(|link| link.replace('(', "%28").replace(')', "%29"));
    if let Some(link) = link.filter(|link| LINK.fits(link)) {
        end.push_str(&format!(" · [Open]({link})"));
    }
    let mut facts = String::from("\n");
    for fact in &notice.facts {
        let value = VALUE.shorten_escaped(&fact.value, escape);
        let line = format!("- **{}:** {value}\n", VALUE.shorten_escaped(&fact.label, escape));
        if !TEXT.fits(&format!("{start}{facts}{line}- …\n{end}")) {
            facts.push_str("- …\n");
            break;
        }
        facts.push_str(&line);
    }
    let facts = if notice.facts.is_empty() { "" } else { facts.as_str() };
    format!("{start}{facts}{end}")
}

/// Escapes for Webex's Markdown, of which nothing says where it reads a backslash. A mention is `<@…>`, so it goes with the `<`.
/// A line break needs two spaces before it.
fn escape(character: char, escaped: &mut String) {
    match character {
        '\n' => escaped.push_str("  \n"),
        _ => escape_as_entity(character, escaped),
    }
}
