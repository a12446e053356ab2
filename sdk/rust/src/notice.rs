//! A reading of any event for people: a message that is good enough at 3 a.m. with nothing configured.
//!
//! Nothing here knows one platform. The event type's id and the payload's usual names (`title`, `severity`, `status`,
//! `…Id`, `…At`) are read by lists of words; what is in no list is still shown, with its name made readable.
//!
//! ```
//! # use postern_provider::notice::{Notice, Phase, Severity};
//! let payload = serde_json::json!({"incidentId": "inc-7", "title": "Disk full", "severity": "critical", "systemIds": ["db-1"]});
//! let notice = Notice::read("incident.incident.created", &payload);
//! assert_eq!(notice.title, "Incident created: Disk full");
//! assert_eq!(notice.summary, "Incident created: Disk full (critical)");
//! assert_eq!((notice.phase, notice.severity), (Phase::Opened, Severity::Critical));
//! assert_eq!(notice.facts[2].label, "Systems");
//! ```
//!
//! | module | reads |
//! |---|---|
//! | `words` | names: of event types and of fields |
//! | `meaning` | phase and severity |
//! | `facts` | the payload's fields as labels and values |
//! | `time` | times |

mod facts;
mod meaning;
mod time;
mod words;

pub use facts::Fact;
pub use meaning::{Phase, Severity};

use crate::text::{Limit, one_line};
use crate::{Delivery, Event};
use serde_json::Value;

/// The longest title, in characters. Long enough for a sentence; targets that take less shorten it further.
pub const LONGEST_TITLE: usize = 250;

/// The longest description, in characters.
pub const LONGEST_DESCRIPTION: usize = 4000;

/// The longest link, in bytes.
const LONGEST_LINK: usize = 2048;

/// Fields that name the thing that happened, most telling first.
const SUBJECTS: [&str; 6] = ["title", "subject", "summary", "headline", "name", "displayname"];

/// Fields that tell more about it, in sentences.
const DESCRIPTIONS: [&str; 7] = ["description", "details", "message", "body", "text", "reason", "error"];

/// Fields that lead to it.
const LINKS: [&str; 6] = ["url", "link", "href", "htmlurl", "weburl", "permalink"];

/// Fields that hold its present status, most telling first.
const STATUSES: [&str; 4] = ["newstatus", "status", "newstate", "state"];

/// Fields that hold the status before.
const FORMER_STATUSES: [&str; 4] = ["previousstatus", "oldstatus", "previousstate", "oldstate"];

/// Fields that say where it is, most telling first.
const SOURCES: [&str; 18] = [
    "source",
    "hostname",
    "host",
    "server",
    "node",
    "instance",
    "systemname",
    "systemnames",
    "system",
    "systems",
    "systemid",
    "systemids",
    "servicename",
    "service",
    "services",
    "serviceid",
    "serviceids",
    "component",
];

/// An event as a person reads it. All texts are plain: escape them for the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What kind of event: `Incident created`.
    pub kind: String,
    /// What it is about, if the payload says: `Disk full`, `Checkout`, `inc-7`.
    pub subject: Option<String>,
    /// Kind and subject: `Incident created: Disk full`. One line of at most [`LONGEST_TITLE`] characters.
    pub title: String,
    /// The title with severity and status behind it: `Incident created: Disk full (critical, investigating)`. One line.
    pub summary: String,
    /// The payload's own words on it, which may have several lines: at most [`LONGEST_DESCRIPTION`] characters.
    pub description: Option<String>,
    /// Whether something began, changed or ended.
    pub phase: Phase,
    /// Whether somebody has taken on something that goes on: what changed is that it was acknowledged.
    pub acknowledged: bool,
    /// How bad it is.
    pub severity: Severity,
    /// The status that it has now, as the payload has it: `investigating`.
    pub status: Option<String>,
    /// Where it is, if the payload names a host, system or service: `checkout, payments`. One line.
    pub source: Option<String>,
    /// The payload's other fields, in order: at most 20, and one more that says how many were left out.
    pub facts: Vec<Fact>,
    /// A page about it, if the payload names one with `https://` or `http://`. It is among the facts too.
    pub link: Option<String>,
    /// When it happened: `2026-01-02 03:04:05 UTC`. Empty where [`Notice::read`] was not given it.
    pub time: String,
    /// Whether an administrator is only trying the subscription out. Title and summary say so.
    pub test: bool,
}

impl Notice {
    /// Reads an event type's id and a payload.
    pub fn read(event_type: &str, payload: &Value) -> Self {
        let kind = words::event_kind(event_type);
        let fields = facts::Fields::of(payload);
        let named = fields.first_text(&SUBJECTS).or_else(|| fields.first_named());
        let subject = named.as_ref().map(|(_, text)| one_line(text)).filter(|text| !text.is_empty());
        let described =
            fields.first_text(&DESCRIPTIONS).filter(|(name, _)| named.as_ref().is_none_or(|(other, _)| other != name));
        let status = fields.first_text(&STATUSES).map(|(_, text)| one_line(text));
        let severity_word = fields.first_text(&meaning::SEVERITY_FIELDS).map(|(_, text)| one_line(text));
        let former = fields.first_text(&FORMER_STATUSES).map(|(_, text)| one_line(text));

        let title = match &subject {
            Some(subject) => format!("{kind}: {subject}"),
            None => kind.clone(),
        };
        let title = Limit::characters(LONGEST_TITLE).shorten(&title).into_owned();
        let change = match (&former, &status) {
            (Some(former), Some(status)) if former != status => Some(format!("{former} → {status}")),
            (Some(former), None) => Some(format!("was {former}")),
            _ => status.clone(),
        };
        let aside: Vec<_> = severity_word.iter().chain(&change).map(|word| short_word(word)).collect();
        let summary = if aside.is_empty() { title.clone() } else { format!("{title} ({})", aside.join(", ")) };
        let shown = [&named, &described].into_iter().flatten().map(|(name, _)| *name).collect::<Vec<_>>();
        let phase = meaning::phase(event_type, &fields);
        Self {
            phase,
            acknowledged: meaning::acknowledged(event_type, phase, &fields),
            severity: meaning::severity(severity_word.as_deref(), status.as_deref(), event_type),
            description: described.map(|(_, text)| Limit::characters(LONGEST_DESCRIPTION).shorten(text.trim()).into_owned()),
            source: fields.first_shown(&SOURCES),
            facts: fields.facts(&shown),
            link: fields.first_text(&LINKS).map(|(_, text)| text.trim()).filter(|text| is_link(text)).map(str::to_owned),
            time: String::new(),
            test: false,
            kind,
            subject,
            title,
            summary,
            status,
        }
    }

    /// What is seen first, from across the room: a coloured circle for the severity, or a tick for what is over.
    pub fn sign(&self) -> &'static str {
        match (self.phase, self.severity) {
            (Phase::Resolved, _) => "✅",
            (_, Severity::Critical) => "🔴",
            (_, Severity::Error) => "🟠",
            (_, Severity::Warning) => "🟡",
            (_, Severity::Info) => "🔵",
        }
    }

    /// Reads an event.
    pub fn of(event: &Event) -> Self {
        let time = time::readable(&event.timestamp).unwrap_or_else(|| event.timestamp.clone());
        Self { time, ..Self::read(&event.event_id, &event.payload.value()) }
    }
}

impl<C, N> Delivery<C, N> {
    /// The event as a person reads it. One that only tries the subscription out is marked as a test.
    pub fn notice(&self) -> Notice {
        let notice = Notice::of(&self.event);
        if !self.test {
            return notice;
        }
        let marked = |text: String| format!("[Test] {text}");
        let title = Limit::characters(LONGEST_TITLE).shorten(&marked(notice.title)).into_owned();
        Notice { title, summary: marked(notice.summary), test: true, ..notice }
    }
}

fn short_word(word: &str) -> String {
    Limit::characters(40).shorten(word).into_owned()
}

fn is_link(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty())
        && text.len() <= LONGEST_LINK
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"'`|\\^{}".contains(c))
}

#[cfg(test)]
#[path = "notice/tests.rs"]
mod tests;
