//! Rendered texts as values of Jira's types: <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/>,
//! "Create issue".

use crate::config::FieldType;
use crate::document::Document;
use crate::markdown;
use crate::metadata::called;
use postern_provider::text::{Limit, one_line};
use serde_json::{Value, json};

/// Text fields of one line, and labels. Their bound is in no page, so it is that of a summary.
const LINE: Limit = Limit::utf16(255);

/// How many values one field gets at most.
const MOST: usize = 100;

/// A text as the value of a field, or why it is none. `allowed` are the values that the field can have, if they are known.
pub(crate) fn of(kind: FieldType, text: &str, allowed: &[Value]) -> Result<Value, String> {
    let text = text.trim();
    let each = |make: &dyn Fn(&str) -> Result<Value, String>| {
        let values = several(text)?;
        values.iter().map(|value| make(value)).collect::<Result<Vec<_>, _>>().map(Value::from)
    };
    match kind {
        FieldType::Automatic => Err("its type is not known".into()),
        FieldType::Text => Ok(LINE.shorten(&one_line(text)).into()),
        FieldType::Paragraph => {
            let mut document = Document::new();
            markdown::write(text, &mut document);
            Ok(document.finish())
        }
        FieldType::Number => number(text),
        FieldType::Date => date(text).map(Value::from).ok_or_else(|| wants("a date such as 2026-01-02", text)),
        FieldType::DateTime => date_time(text).map(Value::from).ok_or_else(|| wants("a time such as 2026-01-02T03:04:05Z", text)),
        FieldType::Option => chosen("value", text, allowed),
        FieldType::Options => each(&|value| chosen("value", value, allowed)),
        FieldType::Cascading => cascading(text, allowed),
        FieldType::User => Ok(json!({ "accountId": text })),
        FieldType::Users => each(&|value| Ok(json!({ "accountId": value }))),
        FieldType::Group => Ok(json!({ "name": text })),
        FieldType::Groups => each(&|value| Ok(json!({ "name": value }))),
        FieldType::Labels => Ok(labels(text)?.into()),
        FieldType::Named => chosen("name", text, allowed),
        FieldType::NamedList => each(&|value| chosen("name", value, allowed)),
        FieldType::Json => serde_json::from_str(text).map_err(|error| format!("it wants JSON: {error}")),
    }
}

/// Labels in a text. A label has no spaces ("The label … contains spaces which is invalid").
pub(crate) fn labels(text: &str) -> Result<Vec<String>, String> {
    let label = |value: String| LINE.shorten(&value.split_whitespace().collect::<Vec<_>>().join("_")).into_owned();
    Ok(several(text)?.into_iter().map(label).collect())
}

fn wants(what: &str, text: &str) -> String {
    format!("it wants {what}, and got `{}`", Limit::characters(60).shorten(&one_line(text)))
}

/// Values that are separated by commas, or a JSON list.
fn several(text: &str) -> Result<Vec<String>, String> {
    let values: Vec<String> = match text.starts_with('[') {
        true => serde_json::from_str(text).map_err(|_| wants("a JSON list of texts", text))?,
        false => text.split(',').map(str::to_owned).collect(),
    };
    let values = values.iter().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    Ok(values.take(MOST).collect())
}

fn number(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(Value::Number(number)) => Ok(Value::Number(number)),
        _ => Err(wants("a number", text)),
    }
}

/// One of the allowed values by its id, so that neither case nor a translation matters; where they are not known, by what it
/// is called.
fn chosen(name: &str, text: &str, allowed: &[Value]) -> Result<Value, String> {
    if allowed.is_empty() {
        return Ok(json!({ name: text }));
    }
    let fits = |value: &&Value| called(value).is_some_and(|called| same(called, text)) || value["id"] == text;
    match allowed.iter().find(fits).and_then(|value| value["id"].as_str()) {
        Some(id) => Ok(json!({ "id": id })),
        None => Err(none_of(text, allowed)),
    }
}

fn none_of(text: &str, allowed: &[Value]) -> String {
    let names: Vec<_> = allowed.iter().filter_map(called).take(20).collect();
    wants(&format!("one of {}", names.join(", ")), text)
}

/// `parent > child`, or the parent alone.
fn cascading(text: &str, allowed: &[Value]) -> Result<Value, String> {
    let (parent, child) = match text.split_once('>') {
        Some((parent, child)) => (parent.trim(), Some(child.trim())),
        None => (text, None),
    };
    let mut value = chosen("value", parent, allowed)?;
    if let Some(child) = child {
        let found = allowed.iter().find(|option| called(option).is_some_and(|called| same(called, parent)));
        let children = found.and_then(|option| option["children"].as_array()).map_or(&[][..], Vec::as_slice);
        value["child"] = chosen("value", child, children)?;
    }
    Ok(value)
}

pub(crate) fn same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// The date of a date or a time: `2026-01-02`.
fn date(text: &str) -> Option<String> {
    let day = text.get(..10)?;
    let behind = text.get(10..)?;
    (shaped(day, "0000-00-00") && (behind.is_empty() || behind.starts_with(['T', 't', ' ']))).then(|| day.to_owned())
}

/// RFC 3339 as Jira writes and reads it: milliseconds, and an offset without a colon, `2026-01-02T03:04:05.000+0000`
/// (<https://developer.atlassian.com/server/jira/platform/jira-rest-api-example-create-issue-7897248>, "DateTimeField").
fn date_time(text: &str) -> Option<String> {
    let (day, clock, rest) = (date(text)?, text.get(11..19)?, text.get(19..)?);
    let digits = rest.strip_prefix('.').unwrap_or_default();
    let fraction: String = digits.chars().take_while(char::is_ascii_digit).collect();
    let zone = if rest.starts_with('.') { &digits[fraction.len()..] } else { rest };
    let offset = zone.get(1..).unwrap_or_default();
    let zone = match zone {
        "Z" | "z" => "+0000".to_owned(),
        _ if shaped(offset, "00:00") || shaped(offset, "0000") => zone.replace(':', ""),
        _ => return None,
    };
    (shaped(clock, "00:00:00") && zone.starts_with(['+', '-'])).then(|| format!("{day}T{clock}.{fraction:0<3.3}{zone}"))
}

fn shaped(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, wanted)| if wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_json() {
        for (kind, text, expected) in [
            (FieldType::Text, " a\nb ", json!("a b")),
            (FieldType::Number, "3", json!(3)),
            (FieldType::Number, "-2.5", json!(-2.5)),
            (FieldType::Date, "2026-01-02T03:04:05Z", json!("2026-01-02")),
            (FieldType::DateTime, "2026-01-02T03:04:05Z", json!("2026-01-02T03:04:05.000+0000")),
            (FieldType::DateTime, "2026-01-02T03:04:05.6789+01:30", json!("2026-01-02T03:04:05.678+0130")),
            (FieldType::Option, "Gold", json!({"value": "Gold"})),
            (FieldType::Options, "Gold, Silver,", json!([{"value": "Gold"}, {"value": "Silver"}])),
            (FieldType::Options, "[\"a, b\"]", json!([{"value": "a, b"}])),
            (FieldType::Cascading, "EU > Berlin", json!({"value": "EU", "child": {"value": "Berlin"}})),
            (FieldType::User, "5b10a", json!({"accountId": "5b10a"})),
            (FieldType::Users, "a,b", json!([{"accountId": "a"}, {"accountId": "b"}])),
            (FieldType::Group, "ops", json!({"name": "ops"})),
            (FieldType::Groups, "ops", json!([{"name": "ops"}])),
            (FieldType::Labels, "on call,  db", json!(["on_call", "db"])),
            (FieldType::Named, "Highest", json!({"name": "Highest"})),
            (FieldType::NamedList, "1.0,2.0", json!([{"name": "1.0"}, {"name": "2.0"}])),
            (FieldType::Json, "{\"key\": \"OPS-1\"}", json!({"key": "OPS-1"})),
        ] {
            assert_eq!(of(kind, text, &[]), Ok(expected), "{kind} {text}");
        }
        let paragraph = of(FieldType::Paragraph, "*a*", &[]).unwrap();
        assert_eq!(paragraph["content"][0]["content"][0]["marks"], json!([{"type": "em"}]));
    }

    #[test]
    fn what_does_not_fit_says_what_was_wanted() {
        for (kind, text, expected) in [
            (FieldType::Number, "many", "a number"),
            (FieldType::Number, "\"3\"", "a number"),
            (FieldType::Date, "tomorrow", "a date"),
            (FieldType::Date, "2026-01-02x", "a date"),
            (FieldType::DateTime, "2026-01-02", "a time"),
            (FieldType::DateTime, "2026-01-02T03:04:05", "a time"),
            (FieldType::DateTime, "2026-01-02T03:04:05.1ö", "a time"),
            (FieldType::Options, "[1]", "a JSON list"),
            (FieldType::Json, "{", "JSON"),
        ] {
            let reason = of(kind, text, &[]).unwrap_err();
            assert!(reason.contains(expected), "{kind} {text}: {reason}");
        }
    }

    #[test]
    fn known_options_are_chosen_by_their_id() {
        let allowed = [
            json!({"id": "1", "value": "EU", "children": [{"id": "11", "value": "Berlin"}]}),
            json!({"id": "2", "name": "Highest"}),
        ];
        assert_eq!(of(FieldType::Option, "eu", &allowed), Ok(json!({"id": "1"})));
        assert_eq!(of(FieldType::Named, "2", &allowed), Ok(json!({"id": "2"})));
        assert_eq!(of(FieldType::Cascading, "EU > berlin", &allowed), Ok(json!({"id": "1", "child": {"id": "11"}})));
        assert_eq!(of(FieldType::Option, "Asia", &allowed), Err("it wants one of EU, Highest, and got `Asia`".into()));
    }
}
