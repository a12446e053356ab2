//! A JSON text that is known to parse, kept as text: the host passes payloads on far more often than it looks into them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::sync::Arc;

/// The deepest nesting of a JSON text: 100 levels, below what parsing into a value can take.
pub const DEEPEST: usize = 100;

/// A JSON text. Cheap to clone. In JSON it stands as itself; in binary formats as a string.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Arc<str>);

impl Json {
    /// Takes a text that must be one JSON value.
    ///
    /// # Errors
    /// What does not parse, with its line and column; or it is nested deeper than [`DEEPEST`].
    pub fn parse(text: impl Into<Arc<str>>) -> Result<Self, serde_json::Error> {
        let text = text.into();
        serde_json::from_str::<serde::de::IgnoredAny>(&text)?;
        if is_too_deep(&text) {
            return Err(serde::de::Error::custom(format!("nested deeper than {DEEPEST} levels")));
        }
        Ok(Self(text))
    }

    /// The text of a value.
    pub fn from_value(value: &serde_json::Value) -> Self {
        Self(value.to_string().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value that the text stands for.
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).expect("a Json holds only text that parses")
    }
}

/// Whether a text that is known to parse nests deeper than [`DEEPEST`].
fn is_too_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => rest = behind_string(rest),
            b'[' | b'{' if depth == DEEPEST => return true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    false
}

/// What follows the string whose inside this begins with. Most of a payload is inside of strings, which this passes quickly.
fn behind_string(mut inside: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', inside) {
        let escape = usize::from(inside[at] == b'\\');
        let after = inside.get(at + 1 + escape..).unwrap_or_default();
        if escape == 0 {
            return after;
        }
        inside = after;
    }
    &[]
}

impl std::fmt::Debug for Json {
    /// Only the size: a payload never reaches a log by accident.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Json({} bytes)", self.0.len())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
            raw.serialize(serializer)
        } else {
            serializer.serialize_str(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let raw = Box::<RawValue>::deserialize(deserializer)?;
            if is_too_deep(raw.get()) {
                return Err(serde::de::Error::custom(format!("nested deeper than {DEEPEST} levels")));
            }
            Ok(Self(Box::<str>::from(raw).into()))
        } else {
            Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_text_and_refuses_what_does_not_parse() {
        let json = Json::parse(r#"{"b":1,"a":[1.50]}"#).unwrap();
        assert_eq!(serde_json::to_string(&json).unwrap(), r#"{"b":1,"a":[1.50]}"#);
        assert_eq!(serde_json::from_str::<Json>(r#"{"b":1,"a":[1.50]}"#).unwrap(), json);
        assert!(Json::parse("{").is_err());
    }

    #[test]
    fn nesting_is_bounded_and_brackets_in_strings_do_not_count() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(Json::parse(nested(DEEPEST)).is_ok_and(|json| json.to_value().is_array()));
        assert!(Json::parse(nested(DEEPEST + 1)).is_err());
        assert!(serde_json::from_str::<Json>(&nested(DEEPEST + 1)).is_err());
        assert!(Json::parse(format!(r#"["\"{}"]"#, "[".repeat(200))).is_ok());
    }
}
