//! What an event means for whoever is on duty: phase and severity.

use super::facts::Fields;
use super::words::{last_word, words};
use serde::{Deserialize, Serialize};

/// Whether something began, changed or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Something began: an incident was created, a system degraded.
    Opened,
    /// Something that goes on has changed.
    Changed,
    /// It is over: resolved, closed, healthy again.
    Resolved,
    /// Nothing that begins or ends, or nothing that says so.
    Notice,
}

/// How bad it is. Ordered: the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nobody must do anything.
    Info,
    /// Somebody should look.
    Warning,
    /// Something does not work.
    Error,
    /// Something important does not work.
    Critical,
}

impl Severity {
    /// `info`, `warning`, `error` or `critical`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

const OPENED: &[&str] = &[
    "added",
    "alerting",
    "began",
    "begun",
    "breached",
    "created",
    "crashed",
    "degraded",
    "detected",
    "down",
    "exceeded",
    "failed",
    "failing",
    "fired",
    "firing",
    "offline",
    "opened",
    "raised",
    "reopened",
    "reported",
    "started",
    "triggered",
    "unavailable",
    "unhealthy",
    "unreachable",
];

const CHANGED: &[&str] = &[
    "acknowledged",
    "assigned",
    "changed",
    "commented",
    "deescalated",
    "edited",
    "escalated",
    "extended",
    "modified",
    "postponed",
    "progressed",
    "renamed",
    "rescheduled",
    "reassigned",
    "unassigned",
    "updated",
];

const RESOLVED: &[&str] = &[
    "available",
    "canceled",
    "cancelled",
    "cleared",
    "closed",
    "completed",
    "deleted",
    "done",
    "ended",
    "finished",
    "fixed",
    "healthy",
    "online",
    "operational",
    "reachable",
    "recovered",
    "removed",
    "resolved",
    "restored",
    "solved",
    "succeeded",
    "up",
];

/// Fields that say what a change was, most telling first.
const CHANGES: [&str; 8] =
    ["action", "newstatus", "newstate", "statuschange", "status", "state", "currentstatus", "currentstate"];

/// Fields that say how bad it is.
pub(super) const SEVERITY_FIELDS: [&str; 6] = ["severity", "priority", "urgency", "impact", "level", "loglevel"];

const CRITICAL: &[&str] =
    &["alert", "blocker", "critical", "disaster", "emergency", "fatal", "highest", "p0", "p1", "panic", "sev0", "sev1", "urgent"];
const ERROR: &[&str] = &[
    "down",
    "error",
    "failed",
    "failing",
    "high",
    "major",
    "offline",
    "outage",
    "p2",
    "sev2",
    "severe",
    "unavailable",
    "unhealthy",
    "unreachable",
];
const WARNING: &[&str] = &["average", "degraded", "medium", "minor", "moderate", "p3", "sev3", "warn", "warning"];
const INFO: &[&str] = &[
    "debug",
    "info",
    "informational",
    "information",
    "low",
    "lowest",
    "none",
    "normal",
    "notice",
    "p4",
    "p5",
    "sev4",
    "sev5",
    "trivial",
];

/// By the event type's last word. Where that says only that something changed, or nothing, the payload may say that it is over;
/// and a status that "changed" may have become a bad one.
pub(super) fn phase(event_type: &str, fields: &Fields<'_>) -> Phase {
    let last = last_word(event_type);
    let by_word = phase_of(&last);
    if !matches!(by_word, Phase::Changed | Phase::Notice) {
        return by_word;
    }
    let by_fields: Vec<_> =
        CHANGES.iter().filter_map(|name| fields.first_text(&[name])).map(|(_, text)| phase_of_text(text)).collect();
    if by_fields.contains(&Phase::Resolved) {
        Phase::Resolved
    } else if by_fields.contains(&Phase::Opened) && (last == "changed" || by_word == Phase::Notice) {
        Phase::Opened
    } else {
        by_word
    }
}

/// Whether something that goes on was taken on by somebody: the event type's last word or a field of the payload says so.
pub(super) fn acknowledged(event_type: &str, phase: Phase, fields: &Fields<'_>) -> bool {
    let says_so = |text: &str| matches!(words(text).as_slice(), [only] if only == "acknowledged");
    let by_fields = || CHANGES.iter().filter_map(|name| fields.first_text(&[name])).any(|(_, text)| says_so(text));
    matches!(phase, Phase::Changed | Phase::Notice) && (last_word(event_type) == "acknowledged" || by_fields())
}

fn phase_of(word: &str) -> Phase {
    if OPENED.contains(&word) {
        Phase::Opened
    } else if CHANGED.contains(&word) {
        Phase::Changed
    } else if RESOLVED.contains(&word) {
        Phase::Resolved
    } else {
        Phase::Notice
    }
}

/// Only a value that is the word itself: `closed`, not `not closed yet`.
fn phase_of_text(text: &str) -> Phase {
    match words(text).as_slice() {
        [only] => phase_of(only),
        _ => Phase::Notice,
    }
}

/// By the payload's own word for it; where there is none, by the status or the event type's last word.
pub(super) fn severity(severity: Option<&str>, status: Option<&str>, event_type: &str) -> Severity {
    let rank = |text: &str| words(text).iter().find_map(|word| ranked(word));
    severity.and_then(rank).or_else(|| status.and_then(rank)).or_else(|| ranked(&last_word(event_type))).unwrap_or(Severity::Info)
}

fn ranked(word: &str) -> Option<Severity> {
    let lists = [(CRITICAL, Severity::Critical), (ERROR, Severity::Error), (WARNING, Severity::Warning), (INFO, Severity::Info)];
    lists.into_iter().find(|(list, _)| list.contains(&word)).map(|(_, severity)| severity)
}
