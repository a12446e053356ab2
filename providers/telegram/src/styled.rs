//! A text and its styles, as Telegram takes them: <https://core.telegram.org/bots/api#messageentity>. Positions and lengths are
//! counted in UTF-16 code units.

use postern_provider::text::{Limit, MARK};
use serde_json::{Value, json};

/// What a part of a text looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Bold,
    Italic,
    Strikethrough,
    /// In it Telegram looks for no mention, link or command:
    /// <https://core.telegram.org/bots/api#formatting-options>.
    Code,
    /// Several lines of code, in this language if it has a name.
    Pre(String),
    Blockquote,
    /// A link to this URL.
    Link(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entity {
    style: Style,
    offset: usize,
    length: usize,
}

impl Entity {
    fn json(&self) -> Value {
        let (kind, detail) = match &self.style {
            Style::Bold => ("bold", None),
            Style::Italic => ("italic", None),
            Style::Strikethrough => ("strikethrough", None),
            Style::Code => ("code", None),
            Style::Pre(language) => ("pre", Some(("language", language)).filter(|_| !language.is_empty())),
            Style::Blockquote => ("blockquote", None),
            Style::Link(url) => ("text_link", Some(("url", url))),
        };
        let mut json = json!({ "type": kind, "offset": self.offset, "length": self.length });
        if let Some((name, value)) = detail {
            json[name] = value.as_str().into();
        }
        json
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Styled {
    pub(crate) text: String,
    entities: Vec<Entity>,
    length: usize,
}

impl Styled {
    /// Its styles, as the API has them.
    pub(crate) fn entities(&self) -> Value {
        self.entities.iter().map(Entity::json).collect()
    }

    /// Its length in UTF-16 code units.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.length += units(text);
    }

    pub(crate) fn push_styled(&mut self, style: Style, text: &str) {
        let from = self.length;
        self.push(text);
        self.style(style, from);
    }

    /// Gives a style to what was pushed since the length was `from`.
    pub(crate) fn style(&mut self, style: Style, from: usize) {
        if let Some(length) = self.length.checked_sub(from).filter(|length| *length > 0) {
            self.entities.push(Entity { style, offset: from, length });
        }
    }

    /// Without white space at its end.
    pub(crate) fn trimmed(mut self) -> Self {
        self.cut(self.text.trim_end().len());
        self
    }

    /// Itself if it has at most so many units, else its beginning and the mark, which together have.
    pub(crate) fn shortened(mut self, most: usize) -> Self {
        if self.length > most {
            let kept = Limit::utf16(most).shorten(&self.text).into_owned();
            self.cut(kept.len() - MARK.len_utf8());
            self.push(MARK.encode_utf8(&mut [0; 4]));
        }
        self
    }

    /// Keeps so many bytes of the text, and what is left of its styles.
    fn cut(&mut self, bytes: usize) {
        self.text.truncate(bytes);
        self.length = units(&self.text);
        self.entities.retain_mut(|entity| {
            entity.length = entity.length.min(self.length.saturating_sub(entity.offset));
            entity.length > 0
        });
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Styled {
        let mut styled = Styled::default();
        styled.push("🔴 ");
        styled.push_styled(Style::Bold, "Disk 🔥");
        styled.push(" ");
        styled.push_styled(Style::Link("https://example.com/".into()), "Open");
        styled
    }

    #[test]
    fn positions_are_counted_in_utf16_units() {
        let entities = json!([
            {"type": "bold", "offset": 3, "length": 7},
            {"type": "text_link", "url": "https://example.com/", "offset": 11, "length": 4},
        ]);
        assert_eq!(sample().entities(), entities);
        assert_eq!(sample().length(), 15);
    }

    #[test]
    fn a_cut_leaves_what_is_left_of_each_style() {
        for most in 2..15 {
            let short = sample().shortened(most);
            assert!(short.length() <= most && short.text.ends_with(MARK), "{short:?}");
            assert_eq!(short.length(), units(&short.text));
            assert!(short.entities.iter().all(|entity| entity.offset + entity.length < short.length()), "{short:?}");
        }
        let short = sample().shortened(9);
        assert_eq!((short.text.as_str(), short.entities[0].length, short.entities.len()), ("🔴 Disk…", 4, 1));
        assert_eq!(sample().shortened(15), sample());
    }
}
