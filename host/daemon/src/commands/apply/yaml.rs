//! YAML, with the place of each part.

use super::document::{At, Content, Document};
use super::place::{Mistakes, Place};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::Spanned;
use std::fmt;
use std::sync::Arc;

/// How deep values may be nested: twice what the server takes of a schema.
const DEEPEST: usize = 128;

/// How many values the aliases of a file may stand for.
const MOST_REPEATED: usize = 100_000;

/// Reads every document of a file.
pub(super) fn read(file: &Arc<str>, text: &str, mistakes: &mut Mistakes) -> Vec<Document> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEEPEST },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MOST_REPEATED },
        // YAML 1.2: `on` and `no` are texts, and so is `0755`.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        // A snippet of the file may show a secret.
        with_snippet: false,
    };
    match serde_saphyr::from_multiple_with_options::<Content>(text, options) {
        Ok(contents) => contents.into_iter().map(|content| Document::new(file, content)).collect(),
        Err(error) => {
            let error = error.without_snippet();
            let (line, column) = error.location().map_or((1, 1), |location| (location.line(), location.column()));
            let text = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            let message = text.lines().next().unwrap_or_default();
            // The place stands before the message already.
            let message = message.find(" at line ").map_or(message, |end| &message[..end]);
            mistakes.add(Place { file: file.clone(), line, column }, format!("not YAML as it is needed here: {message}"));
            Vec::new()
        }
    }
}

fn at<T>(spanned: &Spanned<T>) -> At {
    (spanned.referenced.line(), spanned.referenced.column())
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value as JSON has them")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Plain(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Content, E> {
        Number::from_f64(value).map(|number| Content::Plain(number.into())).ok_or_else(|| E::custom("JSON has no such number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Plain(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Plain(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Content, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Spanned<Content>>()? {
            items.push((at(&item), item.value));
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            entries.push((at(&key), key.value, access.next_value()?));
        }
        Ok(Content::Map(entries))
    }
}
