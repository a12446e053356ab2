//! What a file says, and where it says it.

use super::place::Place;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A value as a parser of one of the formats gives it, with the places of its parts.
pub(super) enum Content {
    Plain(Value),
    List(Vec<(At, Content)>),
    /// Each entry is where its key is.
    Map(Vec<(At, String, Content)>),
}

/// Line and column, from 1.
pub(super) type At = (u64, u64);

/// A YAML document or a TOML file.
#[derive(Clone)]
pub(super) struct Document {
    file: Arc<str>,
    /// All that it says. It may hold secrets.
    pub(super) value: Value,
    places: BTreeMap<String, At>,
}

impl Document {
    /// A document of a file.
    pub(super) fn new(file: &Arc<str>, content: Content) -> Self {
        let mut places = BTreeMap::new();
        let value = flatten(content, &mut String::new(), &mut places);
        Self { file: file.clone(), value, places }
    }

    /// Where a JSON pointer's value is; if it is not there, where the nearest thing around it is.
    pub(super) fn place(&self, pointer: &str) -> Place {
        let mut pointer = pointer;
        let (line, column) = loop {
            match (self.places.get(pointer), pointer.rfind('/')) {
                (Some(at), _) => break *at,
                (None, Some(end)) => pointer = &pointer[..end],
                (None, None) => break (1, 1),
            }
        };
        Place { file: self.file.clone(), line, column }
    }

    /// The file's name, as it was found.
    pub(super) fn file(&self) -> &str {
        &self.file
    }
}

fn flatten(content: Content, pointer: &mut String, places: &mut BTreeMap<String, At>) -> Value {
    let mut enter = |key: &str, at: At, inner: Content| {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&escape(key));
        places.insert(pointer.clone(), at);
        let value = flatten(inner, pointer, places);
        pointer.truncate(length);
        value
    };
    match content {
        Content::Plain(value) => value,
        Content::List(items) => {
            items.into_iter().enumerate().map(|(index, (at, item))| enter(&index.to_string(), at, item)).collect()
        }
        Content::Map(entries) => {
            let mut map = Map::new();
            for (at, key, inner) in entries {
                let value = enter(&key, at, inner);
                map.insert(key, value);
            }
            Value::Object(map)
        }
    }
}

/// A key as it stands in a JSON pointer (RFC 6901).
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
