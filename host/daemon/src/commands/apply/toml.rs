//! TOML, with the place of each part.

use super::document::{At, Content, Document};
use super::place::{Mistakes, Place};
use serde_json::{Number, Value};
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads a file.
pub(super) fn read(file: &Arc<str>, text: &str, mistakes: &mut Mistakes) -> Option<Document> {
    let lines = Lines::new(text);
    let at = |(line, column)| Place { file: file.clone(), line, column };
    match DeTable::parse(text) {
        Ok(table) => match content(&lines, (1, 1), DeValue::Table(table.into_inner())) {
            Ok(content) => Some(Document::new(file, content)),
            Err((place, message)) => {
                mistakes.add(at(place), message);
                None
            }
        },
        Err(error) => {
            let place = error.span().map_or((1, 1), |span| lines.at(&span));
            mistakes.add(at(place), format!("not TOML: {}", error.message()));
            None
        }
    }
}

fn content(lines: &Lines<'_>, at: At, value: DeValue<'_>) -> Result<Content, (At, String)> {
    let number = |number: Option<Number>, text: &str| {
        let plain = number.map(|number| Content::Plain(number.into()));
        plain.ok_or_else(|| (at, format!("JSON has no such number as {text}")))
    };
    Ok(match value {
        DeValue::String(text) => Content::Plain(Value::String(text.into_owned())),
        DeValue::Boolean(flag) => Content::Plain(flag.into()),
        DeValue::Datetime(moment) => Content::Plain(moment.to_string().into()),
        DeValue::Integer(integer) => {
            let (digits, radix) = (integer.as_str(), integer.radix());
            number(i64::from_str_radix(digits, radix).ok().map(Number::from), digits)?
        }
        DeValue::Float(float) => number(float.as_str().parse().ok().and_then(Number::from_f64), float.as_str())?,
        DeValue::Array(items) => {
            let item = |item: Spanned<DeValue<'_>>| {
                let at = lines.at(&item.span());
                Ok((at, content(lines, at, item.into_inner())?))
            };
            Content::List(items.into_iter().map(item).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'_>>)| {
                let at = lines.at(&key.span());
                let inner = content(lines, at, value.into_inner())?;
                Ok((at, std::borrow::Cow::into_owned(key.into_inner()), inner))
            };
            Content::Map(table.into_iter().map(entry).collect::<Result<_, _>>()?)
        }
    })
}

/// Where the lines of a text begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    fn at(&self, span: &Range<usize>) -> At {
        let line = self.starts.partition_point(|start| *start <= span.start);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.text.get(start..span.start).map_or(0, |before| before.chars().count());
        (line as u64, column as u64 + 1)
    }
}
