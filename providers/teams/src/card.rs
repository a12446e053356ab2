//! The usual card: <https://learn.microsoft.com/adaptive-cards/schema-explorer/adaptive-card>.
//!
//! What a payload says stands in `TextRun`s, which read no Markdown
//! (<https://learn.microsoft.com/adaptive-cards/schema-explorer/text-run>). A `FactSet` would read it, and so would a `TextBlock`
//! (<https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format>), and what is escaped for them
//! looks different on desktop and phone (microsoft/AdaptiveCards#5590).

use postern_provider::notice::{Phase, Severity};
use postern_provider::prelude::*;
use postern_provider::text::{Limit, MARK};
use serde_json::{Value, json};

/// The newest that Teams shows is 1.5 (<https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-reference>);
/// what stands in the card came with 1.2.
const VERSION: &str = "1.2";

/// Lines of a description that are shown. A `TextRun` is one line, so each costs an element.
const LINES: usize = 30;

/// The card for an event; none of its texts is longer than `longest` characters.
pub(crate) fn usual(notice: &Notice, source: &str, longest: usize) -> Value {
    let shorten = |text: &str| Limit::characters(longest).shorten(text).into_owned();
    let title = shorten(&format!("{} {}", notice.sign(), notice.title));
    let headline = rich(&[json!({ "type": "TextRun", "text": title, "size": "Large", "weight": "Bolder" })]);
    let mut body = vec![json!({ "type": "Container", "style": style(notice), "bleed": true, "items": [headline] })];
    if let Some(description) = &notice.description {
        body.extend(lines(&shorten(description)).iter().map(|line| rich(&[run(line)])));
    }
    for fact in &notice.facts {
        let label = json!({ "type": "TextRun", "text": format!("{}: ", shorten(&fact.label)), "weight": "Bolder" });
        body.push(rich(&[label, run(&shorten(&fact.value))]));
    }
    body.push(rich(&[json!({ "type": "TextRun", "text": shorten(source), "size": "Small", "isSubtle": true })]));
    let mut card = around(body);
    if let Some(link) = &notice.link {
        card["actions"] = json!([{ "type": "Action.OpenUrl", "title": "Open", "url": link }]);
    }
    card
}

/// A card of one text in Markdown.
pub(crate) fn markdown(text: &str) -> Value {
    around(vec![json!({ "type": "TextBlock", "text": text, "wrap": true })])
}

/// A card that tries a webhook, and says so.
pub(crate) fn test() -> Value {
    around(vec![rich(&[run("Test: Postern tries whether this workflow can be reached. Nothing has happened.")])])
}

fn around(body: Vec<Value>) -> Value {
    json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": VERSION,
        "msteams": { "width": "Full" },
        "body": body,
    })
}

fn rich(inlines: &[Value]) -> Value {
    json!({ "type": "RichTextBlock", "spacing": "Small", "inlines": inlines })
}

fn run(text: &str) -> Value {
    json!({ "type": "TextRun", "text": text })
}

/// The lines that are not empty; a mark in place of those beyond [`LINES`].
fn lines(text: &str) -> Vec<String> {
    let mut written = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned);
    let mut shown: Vec<_> = written.by_ref().take(LINES).collect();
    shown.extend(written.next().map(|_| MARK.to_string()));
    shown
}

/// The colour behind the headline: <https://learn.microsoft.com/adaptive-cards/schema-explorer/container>.
fn style(notice: &Notice) -> &'static str {
    match (notice.phase, notice.severity) {
        (Phase::Resolved, _) => "good",
        (_, Severity::Critical | Severity::Error) => "attention",
        (_, Severity::Warning) => "warning",
        (_, Severity::Info) => "accent",
    }
}
