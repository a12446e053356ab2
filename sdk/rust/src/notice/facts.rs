//! The payload's fields as labels and values, bounded.

use super::{time, words};
use crate::text::{Limit, MARK, one_line};
use serde_json::Value;

/// How many facts a notice holds at most, apart from the one that says how many were left out.
pub(super) const MOST_FACTS: usize = 20;

/// The longest label, in characters.
const LONGEST_LABEL: usize = 60;

/// The longest value, in characters.
const LONGEST_VALUE: usize = 300;

/// How many entries of a list are shown.
const MOST_ENTRIES: usize = 10;

/// How many of the payload's fields are looked at. A payload with more is no message for people.
const MOST_FIELDS: usize = 500;

/// Fields of an object that stand for it.
const NAMES: [&str; 5] = ["name", "title", "displayname", "key", "id"];

/// One field of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is: `Systems`.
    pub label: String,
    /// Its value on one line: `checkout, payments`.
    pub value: String,
}

/// The payload's fields with names to compare by.
pub(super) struct Fields<'a>(Vec<(String, &'a str, &'a Value)>);

impl<'a> Fields<'a> {
    pub(super) fn of(payload: &'a Value) -> Self {
        let fields = payload.as_object().into_iter().flatten().take(MOST_FIELDS);
        Self(fields.map(|(name, value)| (words::key(name), name.as_str(), value)).collect())
    }

    /// The first of these fields that holds a text, with its own name.
    pub(super) fn first_text(&self, keys: &[&str]) -> Option<(&'a str, &'a str)> {
        let text = |wanted: &&str| {
            let found =
                self.0.iter().find(|(key, _, value)| key == wanted && value.as_str().is_some_and(|text| !text.trim().is_empty()));
            found.and_then(|(_, name, value)| Some((*name, value.as_str()?)))
        };
        keys.iter().find_map(text)
    }

    /// The first of these fields that says anything, as a fact shows it.
    pub(super) fn first_shown(&self, keys: &[&str]) -> Option<String> {
        let shown =
            |wanted: &&str| self.0.iter().filter(|(key, ..)| key == wanted).find_map(|(_, name, value)| shown_value(name, value));
        keys.iter().find_map(shown)
    }

    /// The first field that names something: `systemName`, else `incidentId`, else `id`.
    pub(super) fn first_named(&self) -> Option<(&'a str, &'a str)> {
        let ending = |wanted: &str| {
            let found = self.0.iter().find(|(_, name, value)| {
                words::words(name).last().is_some_and(|last| last == wanted)
                    && value.as_str().is_some_and(|text| !text.trim().is_empty())
            });
            found.and_then(|(_, name, value)| Some((*name, value.as_str()?)))
        };
        ending("name").or_else(|| ending("id"))
    }

    /// Every field but those in `shown`, in the payload's order.
    pub(super) fn facts(&self, shown: &[&str]) -> Vec<Fact> {
        let mut found: Vec<(String, Fact)> = Vec::new();
        for (_, name, value) in self.0.iter().filter(|(_, name, _)| !shown.contains(name)) {
            match value {
                // An object's own fields, one level deep.
                Value::Object(inner) if !inner.is_empty() => {
                    for (inner_name, value) in inner.iter().take(MOST_ENTRIES) {
                        push(&mut found, &format!("{name} {inner_name}"), value);
                    }
                    if let Some(more) = inner.len().checked_sub(MOST_ENTRIES).filter(|more| *more > 0) {
                        let value = format!("{MARK} and {more} more fields");
                        found.push(((*name).to_owned(), Fact { label: words::label(name), value }));
                    }
                }
                _ => push(&mut found, name, value),
            }
        }
        tell_apart(&mut found, shown);
        let left_out = found.len().saturating_sub(MOST_FACTS);
        found.truncate(MOST_FACTS);
        let mut facts: Vec<_> = found.into_iter().map(|(_, fact)| fact).collect();
        if left_out > 0 {
            let fields = if left_out == 1 { "field" } else { "fields" };
            facts.push(Fact { label: "More".to_owned(), value: format!("{MARK} {left_out} more {fields}") });
        }
        facts
    }
}

fn push(found: &mut Vec<(String, Fact)>, name: &str, value: &Value) {
    if let Some(value) = shown_value(name, value) {
        let label = Limit::characters(LONGEST_LABEL).shorten(&words::label(name)).into_owned();
        found.push((name.to_owned(), Fact { label, value }));
    }
}

/// `systemId` beside `systemName` is not another "System" but the "System ID"; likewise if the name stands in the title.
fn tell_apart(found: &mut [(String, Fact)], shown: &[&str]) {
    let taken: Vec<_> = shown.iter().map(|name| words::label(name)).collect();
    let labels: Vec<_> = found.iter().map(|(_, fact)| fact.label.clone()).collect();
    for (name, fact) in found {
        if taken.contains(&fact.label) || labels.iter().filter(|label| **label == fact.label).count() > 1 {
            fact.label = Limit::characters(LONGEST_LABEL).shorten(&words::whole_label(name)).into_owned();
        }
    }
}

/// A value on one line; `None` for one that says nothing.
fn shown_value(name: &str, value: &Value) -> Option<String> {
    let text = match value {
        Value::Array(items) => list(name, items)?,
        Value::Object(_) => named(value)?,
        scalar => scalar_text(name, scalar)?,
    };
    Some(Limit::characters(LONGEST_VALUE).shorten(&text).into_owned())
}

fn scalar_text(name: &str, value: &Value) -> Option<String> {
    match value {
        Value::Bool(true) => Some("yes".to_owned()),
        Value::Bool(false) => Some("no".to_owned()),
        Value::Number(number) => {
            let time = number.as_u64().filter(|_| is_time(name)).and_then(time::readable_number);
            Some(time.unwrap_or_else(|| number.to_string()))
        }
        Value::String(text) => {
            let line = one_line(text);
            (!line.is_empty()).then(|| time::readable(&line).unwrap_or(line))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether a number in this field may be a time.
fn is_time(name: &str) -> bool {
    words::words(name)
        .last()
        .is_some_and(|last| matches!(last.as_str(), "at" | "time" | "timestamp" | "date" | "since" | "until"))
}

fn list(name: &str, items: &[Value]) -> Option<String> {
    if items.is_empty() {
        return None;
    }
    let mut shown: Vec<_> =
        items.iter().take(MOST_ENTRIES).filter_map(|item| scalar_text(name, item).or_else(|| named(item))).collect();
    if shown.is_empty() {
        return Some(if items.len() == 1 { "1 entry".to_owned() } else { format!("{} entries", items.len()) });
    }
    let left_out = items.len() - shown.len();
    if left_out > 0 {
        shown.push(format!("{MARK} and {left_out} more"));
    }
    Some(shown.join(", "))
}

/// What stands for an object: its name, or how much is in it.
fn named(value: &Value) -> Option<String> {
    let fields = Fields::of(value);
    let name = fields.first_text(&NAMES).map(|(_, text)| one_line(text));
    name.or_else(|| match value.as_object()?.len() {
        0 => None,
        1 => Some("1 field".to_owned()),
        count => Some(format!("{count} fields")),
    })
}
