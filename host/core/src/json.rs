//! A JSON text that is known to parse, kept as text: the host passes payloads on far more often than it looks into them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::sync::Arc;

/// A JSON text. Cheap to clone. In JSON it stands as itself; in binary formats as a string.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Arc<str>);

impl Json {
    /// Takes a text that must be one JSON value.
    ///
    /// # Errors
    /// What does not parse, with its line and column.
    pub fn parse(text: impl Into<Arc<str>>) -> Result<Self, serde_json::Error> {
        let text = text.into();
        serde_json::from_str::<serde::de::IgnoredAny>(&text)?;
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
            Box::<RawValue>::deserialize(deserializer).map(|raw| Self(Box::<str>::from(raw).into()))
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
}
