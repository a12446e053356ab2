//! Texts that the host fills in before a provider sees them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// A text that an administrator writes as a template and that the host renders for each delivery.
///
/// The provider gets the finished text. `T` says what the text is for, so that the host knows how to escape each value:
/// `Template<Json>` is a JSON text, `Template<Url>` a URL, whose scheme, host and port cannot be filled in.
pub struct Template<T> {
    text: String,
    target: PhantomData<T>,
}

/// What a template makes.
pub trait Target {
    /// The value of the schema's keyword `x-template`.
    const NAME: &'static str;
    /// A pattern that the template itself must have, where there is one.
    const PATTERN: Option<&'static str> = None;
}

/// A template is no URI before it is rendered, so `format: uri` would refuse it. This holds what can be held: the scheme, a
/// host without a template in it, and no credentials before the host, where they would be stored in clear.
const URL: &str = r"^https?://[^\s/?#{}@\\]+([/?#].*)?$";

macro_rules! target {
    ($(#[$doc:meta])* $name:ident = $text:literal $(, $pattern:expr)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}

        impl Target for $name {
            const NAME: &'static str = $text;
            $(const PATTERN: Option<&'static str> = Some($pattern);)?
        }
    };
}

target!(
    /// A JSON text.
    Json = "json"
);
target!(
    /// A URL: values may stand in its path and query.
    Url = "url", URL
);
target!(
    /// Plain text.
    Text = "text"
);
target!(
    /// The value of an HTTP header: one line.
    Header = "header"
);
target!(
    /// Markdown.
    Markdown = "markdown"
);

impl<T> Template<T> {
    /// A finished text; for tests.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self { text: text.into(), target: PhantomData }
    }
}

impl<T> Deref for Template<T> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl<T> AsRef<str> for Template<T> {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl<T> fmt::Display for Template<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<T> fmt::Debug for Template<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl<T> Clone for Template<T> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), target: PhantomData }
    }
}

impl<T> Serialize for Template<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, T> Deserialize<'de> for Template<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from_text)
    }
}

impl<T: Target> JsonSchema for Template<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Template_{}", T::NAME).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({ "type": "string", "x-template": T::NAME });
        if let Some(pattern) = T::PATTERN {
            schema.insert("pattern".into(), pattern.into());
        }
        schema
    }
}
