//! Texts that must fit a target: shortened with a visible mark, escaped, or replaced by a digest.
//!
//! ```
//! use postern_provider::text::{Limit, escape_markup};
//! assert_eq!(Limit::characters(8).shorten("Disk full on db-1"), "Disk fu…");
//! assert_eq!(Limit::characters(12).shorten_escaped("a < b and c", escape_markup), "a &lt; b an…");
//! ```

use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// What stands where a text was cut.
pub const MARK: char = '…';

/// How long a text may be, in the unit that the target counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    most: usize,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Characters,
    Utf16,
    Bytes,
}

impl Limit {
    /// So many characters (Unicode scalar values).
    pub const fn characters(most: usize) -> Self {
        Self { most, unit: Unit::Characters }
    }

    /// So many UTF-16 code units: what a target written in JavaScript or Java calls characters.
    pub const fn utf16(most: usize) -> Self {
        Self { most, unit: Unit::Utf16 }
    }

    /// So many bytes of UTF-8.
    pub const fn bytes(most: usize) -> Self {
        Self { most, unit: Unit::Bytes }
    }

    /// How long a text is, in this limit's unit.
    pub fn length(self, text: &str) -> usize {
        match self.unit {
            Unit::Characters => text.chars().count(),
            Unit::Utf16 => text.encode_utf16().count(),
            Unit::Bytes => text.len(),
        }
    }

    /// Whether a text fits.
    pub fn fits(self, text: &str) -> bool {
        self.length(text) <= self.most
    }

    /// The text itself if it fits, else its beginning and [`MARK`], which fit together. No character is cut in two. A limit that
    /// leaves no room for the mark gives an empty text.
    pub fn shorten(self, text: &str) -> Cow<'_, str> {
        if self.fits(text) {
            return Cow::Borrowed(text);
        }
        Cow::Owned(self.cut(text, |character, escaped| escaped.push(character)))
    }

    /// Escapes a text and shortens what comes out, so that no escape is cut in two either. `escape` appends one character as
    /// the target wants it: [`escape_markup`], [`escape_markdown`].
    pub fn shorten_escaped(self, text: &str, escape: impl Fn(char, &mut String)) -> String {
        let whole = escaped(text, &escape);
        if self.fits(&whole) { whole } else { self.cut(text, escape) }
    }

    fn cut(self, text: &str, escape: impl Fn(char, &mut String)) -> String {
        let Some(room) = self.most.checked_sub(self.length(MARK.encode_utf8(&mut [0; 4]))) else { return String::new() };
        let (mut kept, mut used) = (String::new(), 0);
        for character in text.chars() {
            let before = kept.len();
            escape(character, &mut kept);
            used += self.length(&kept[before..]);
            if used > room {
                kept.truncate(before);
                break;
            }
        }
        kept.truncate(kept.trim_end().len());
        kept.push(MARK);
        kept
    }
}

/// A whole text, escaped.
pub fn escaped(text: &str, escape: impl Fn(char, &mut String)) -> String {
    let mut escaped = String::with_capacity(text.len());
    text.chars().for_each(|character| escape(character, &mut escaped));
    escaped
}

/// Escapes `&`, `<` and `>` as entities: what Slack's mrkdwn and Telegram's HTML ask for.
pub fn escape_markup(character: char, escaped: &mut String) {
    match character {
        '&' => escaped.push_str("&amp;"),
        '<' => escaped.push_str("&lt;"),
        '>' => escaped.push_str("&gt;"),
        _ => escaped.push(character),
    }
}

/// Puts a backslash before each ASCII punctuation character, as CommonMark allows (section 2.4), so that nothing in a text is
/// read as Markdown.
pub fn escape_markdown(character: char, escaped: &mut String) {
    if character.is_ascii_punctuation() {
        escaped.push('\\');
    }
    escaped.push(character);
}

/// The SHA-256 of a text as 64 lower-case hexadecimal digits: what stands for a key that a target does not take as it is.
///
/// A key must not be shortened: two that differ only in what was cut would be one.
pub fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes what any kind of Markdown reads as a mark, inside a line or at its beginning, as a numeric entity.
///
/// Every kind decodes these, since Markdown is made into HTML. A backslash is read everywhere by CommonMark alone: others know it
/// before some characters, and show it before the rest.
pub fn escape_as_entity(character: char, escaped: &mut String) {
    let line = || escaped.rsplit('\n').next().unwrap_or_default();
    let is_mark = match character {
        '&' | '<' | '>' | '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '|' | '$' | ':' => true,
        '#' | '+' | '-' | '=' => line().trim().is_empty(),
        // `1. ` begins a list.
        '.' | ')' => !line().is_empty() && line().bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    if is_mark {
        escaped.push_str(&format!("&#{};", u32::from(character)));
    } else {
        escaped.push(character);
    }
}

/// WORD JOINER: it has no width and belongs to no name, so it parts a mark from what it would mark.
pub const JOINER: char = '\u{2060}';

/// Parts an `@` from what follows by a WORD JOINER, which has no width: `@all` reads the same and mentions nobody. For targets
/// that have no escape for mentions. An `@` behind a letter or a digit is that of an e-mail address and stays.
pub fn escape_mention(character: char, escaped: &mut String) {
    let mentions = character == '@' && !escaped.ends_with(char::is_alphanumeric);
    escaped.push(character);
    if mentions {
        escaped.push(JOINER);
    }
}

/// Both [`escape_markdown`] and [`escape_mention`]: for targets that read `\@all` as a mention all the same.
pub fn escape_markdown_and_mention(character: char, escaped: &mut String) {
    let mentions = character == '@' && !escaped.ends_with(char::is_alphanumeric);
    escape_markdown(character, escaped);
    if mentions {
        escaped.push(JOINER);
    }
}

/// Escapes anew what is escaped already: every backslash with the ASCII punctuation behind it becomes what `escape` makes of
/// that character.
///
/// In a template of Markdown, the host escapes the values like this. A target that reads more than CommonMark in a text, mentions
/// say, wants more for them, and less for what the administrator wrote.
pub fn escaped_anew(markdown: &str, escape: impl Fn(char, &mut String)) -> String {
    let mut again = String::with_capacity(markdown.len());
    let mut characters = markdown.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.next_if(|next| character == '\\' && next.is_ascii_punctuation()) {
            Some(punctuation) => escape(punctuation, &mut again),
            None => again.push(character),
        }
    }
    again
}

/// The text on one line: every run of white space and control characters becomes one space.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_as_it_is() {
        assert!(matches!(Limit::characters(3).shorten("äöü"), Cow::Borrowed("äöü")));
        assert!(matches!(Limit::bytes(6).shorten("äöü"), Cow::Borrowed("äöü")));
        assert!(matches!(Limit::utf16(4).shorten("🔥🔥"), Cow::Borrowed("🔥🔥")));
    }

    #[test]
    fn what_is_longer_ends_with_the_mark_and_fits_in_every_unit() {
        let text = "ä🔥b ä🔥b ä🔥b";
        for most in 0..30 {
            for limit in [Limit::characters(most), Limit::utf16(most), Limit::bytes(most)] {
                let short = limit.shorten(text);
                assert!(limit.fits(&short), "{limit:?} {short}");
                assert!(short == text || short.is_empty() || short.ends_with(MARK), "{limit:?} {short}");
            }
        }
        assert_eq!(Limit::characters(4).shorten(text), "ä🔥b…", "white space before the mark goes");
        assert_eq!(Limit::utf16(4).shorten(text), "ä🔥…");
        assert_eq!(Limit::utf16(3).shorten(text), "ä…", "no half of a pair");
        assert_eq!(Limit::bytes(8).shorten(text), "ä…", "a mark of three bytes");
        assert_eq!(Limit::bytes(2).shorten(text), "");
    }

    #[test]
    fn an_escape_is_never_cut() {
        assert_eq!(Limit::characters(11).shorten_escaped("a<b", escape_markup), "a&lt;b");
        for most in 1..12 {
            let short = Limit::characters(most).shorten_escaped("<<<<", escape_markup);
            assert!(
                short.chars().count() <= most && short.ends_with(MARK) && short.trim_end_matches(MARK).len().is_multiple_of(4),
                "{short}"
            );
        }
        assert_eq!(Limit::characters(4).shorten_escaped("*a**", escape_markdown), "\\*a…");
    }

    #[test]
    fn a_digest_stands_for_a_key() {
        // The example of FIPS 180-4.
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(digest(&"x".repeat(500)), digest(&"x".repeat(501)));
    }

    #[test]
    fn markup_and_markdown_are_escaped() {
        assert_eq!(escaped("<a & b>", escape_markup), "&lt;a &amp; b&gt;");
        assert_eq!(escaped("# [x](y) ä", escape_markdown), "\\# \\[x\\]\\(y\\) ä");
        assert_eq!(escaped("<a & @b>", escape_mention), "<a & @\u{2060}b>");
        assert_eq!(one_line(" a\r\n\tb \u{7}c "), "a b c");
    }

    #[test]
    fn what_is_a_mark_somewhere_becomes_an_entity() {
        let entity = |text| escaped(text, escape_as_entity);
        assert_eq!(entity("<a & *b*> [c] 3-4 #5 1. e.g."), "&#60;a &#38; &#42;b&#42;&#62; &#91;c&#93; 3-4 #5 1. e.g.");
        assert_eq!(entity("- a\n1. b\n12) c\n # d\n=\n--"), "&#45; a\n1&#46; b\n12&#41; c\n &#35; d\n&#61;\n&#45;-");
        assert_eq!(Limit::characters(9).shorten_escaped("1. abcdef", escape_as_entity), "1&#46; a…");
        assert_eq!(escaped_anew(r"**x**\: \*\-", escape_as_entity), "**x**&#58; &#42;-");
    }

    #[test]
    fn a_mention_is_parted_and_an_address_is_not() {
        assert_eq!(escaped("@all, (@ops) a@b.c ä@x", escape_mention), "@\u{2060}all, (@\u{2060}ops) a@b.c ä@x");
        assert_eq!(escaped("_@all a@b", escape_markdown_and_mention), "\\_\\@\u{2060}all a\\@b");
        let short = Limit::characters(6).shorten_escaped("@all @all", escape_mention);
        assert_eq!(short, "@\u{2060}all…");
    }

    #[test]
    fn only_what_was_escaped_is_escaped_anew() {
        let anew = |text| escaped_anew(text, escape_markdown_and_mention);
        assert_eq!(anew(r"**@ops** \@all \*"), "**@ops** \\@\u{2060}all \\*");
        assert_eq!(anew(r"\\@ops \a \"), r"\\@ops \a \", "a backslash that is escaped itself escapes nothing");
    }
}
