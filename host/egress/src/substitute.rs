//! Putting secrets in the places of their placeholders, escaped as each place needs it.

use crate::seal::{Entry, MARK, Seals};
use memchr::memmem;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use postern_core::manifest::SECRET_MARK;
use std::borrow::Cow;
use std::ops::Range;
use zeroize::Zeroizing;

/// RFC 3986: what stands for itself everywhere in a URL.
pub(crate) const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// RFC 3986: what stands for itself in a segment of a path. Servers that compare paths byte by byte get the usual spelling:
/// `/bot123:ABC/`, not `/bot123%3AABC/`.
pub(crate) const SEGMENT: &AsciiSet = &COMPONENT
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// How a secret is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// Not at all.
    Verbatim,
    /// As the inside of a JSON string.
    Json,
    /// As a part of a path's segment.
    Segment,
    /// As a part of a query.
    Query,
    /// As a part of a form (`application/x-www-form-urlencoded`).
    Form,
}

/// Why a secret is not put in the place of its placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misplaced {
    /// The result would exceed its bound.
    TooLarge,
    /// The secret would begin inside an escape that the provider left unfinished. Whoever reads the escape would take the
    /// secret's first characters for a part of it, and an honest echo would tell the rest.
    InEscape,
}

impl Escape {
    fn apply<'a>(self, secret: &'a str) -> Cow<'a, str> {
        match self {
            Self::Verbatim => Cow::Borrowed(secret),
            Self::Json => Cow::Owned(json_escaped(secret)),
            Self::Segment => utf8_percent_encode(secret, SEGMENT).into(),
            Self::Query => utf8_percent_encode(secret, COMPONENT).into(),
            Self::Form => url::form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>().into(),
        }
    }

    /// Whether a text ends inside an escape of its own kind.
    fn is_unfinished(self, text: &[u8]) -> bool {
        let hexadecimal = |tail: &[u8]| tail.iter().all(u8::is_ascii_hexdigit);
        match self {
            Self::Verbatim => false,
            Self::Json => {
                // `\\`, `\\u` and up to three digits; a backslash that is itself escaped begins none.
                let digits = text.iter().rev().take(3).take_while(|byte| byte.is_ascii_hexdigit()).count();
                let begins = |end: usize| {
                    let backslashes = text[..end].iter().rev().take_while(|byte| **byte == b'\\').count();
                    backslashes % 2 == 1
                };
                begins(text.len())
                    || (0..=digits).any(|digits| {
                        let end = text.len() - digits;
                        text[..end].ends_with(b"u") && begins(end - 1)
                    })
            }
            Self::Segment | Self::Query | Self::Form => (1..=2.min(text.len())).any(|length| {
                let tail = &text[text.len() - length..];
                tail[0] == b'%' && hexadecimal(&tail[1..])
            }),
        }
    }

    /// How a body of this content type is escaped.
    pub(crate) fn of_body(content_type: Option<&str>) -> Self {
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let ends_with = |end: &str| {
            let at = essence.len().wrapping_sub(end.len());
            essence.get(at..).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
        };
        if ends_with("/json") || ends_with("+json") {
            Self::Json
        } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::Form
        } else {
            Self::Verbatim
        }
    }
}

/// The inside of the JSON string for a text.
pub(crate) fn json_escaped(text: &str) -> String {
    let mut quoted = serde_json::Value::from(text).to_string();
    quoted.pop();
    quoted.remove(0);
    quoted
}

impl Seals {
    /// The text with each placeholder replaced, or none if it has none.
    ///
    /// # Errors
    /// The result would have more than `limit` bytes, or a placeholder stands inside an escape.
    pub(crate) fn substitute(&self, text: &[u8], escape: Escape, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, Misplaced> {
        self.replace(text, limit, |entry, output, next| {
            if escape.is_unfinished(output) {
                return Err(Misplaced::InEscape);
            }
            let secret = entry.secret.expose();
            output.extend_from_slice(escape.apply(secret).as_bytes());
            // What the provider appended to a URL's placeholder goes on behind the `/` that belonged to it.
            if entry.is_url && !secret.ends_with('/') && next.is_some_and(|next| next.is_ascii_alphanumeric()) {
                output.push(b'/');
            }
            Ok(())
        })
    }

    /// The text with each placeholder replaced by `[secret]`, or none if it has none.
    pub(crate) fn mask_placeholders(&self, text: &[u8]) -> Option<Vec<u8>> {
        let masked = self.replace(text, usize::MAX, |_, output, _| {
            output.extend_from_slice(SECRET_MARK.as_bytes());
            Ok(())
        });
        masked.ok().flatten().map(|mut masked| std::mem::take(&mut *masked))
    }

    /// Whether the text has a placeholder of this call.
    pub(crate) fn occurs_in(&self, text: &[u8]) -> bool {
        self.occurring(text).next().is_some()
    }

    /// The secrets whose placeholders are in the text.
    pub(crate) fn occurring<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = &'a Entry> {
        let entries = if memmem::find(text, MARK).is_some() { self.entries.as_slice() } else { &[] };
        entries.iter().filter(|entry| memmem::find(text, entry.core.as_bytes()).is_some())
    }

    fn replace(
        &self,
        text: &[u8],
        limit: usize,
        mut put: impl FnMut(&Entry, &mut Vec<u8>, Option<u8>) -> Result<(), Misplaced>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Misplaced> {
        if self.is_empty() || memmem::find(text, MARK).is_none() {
            return Ok(None);
        }
        let mut places: Vec<(Range<usize>, &Entry)> = Vec::new();
        for entry in &self.entries {
            for start in memmem::find_iter(text, entry.core.as_bytes()) {
                let core = start..start + entry.core.len();
                let place = if entry.is_url { whole_url(text, core) } else { Some(core) };
                places.extend(place.map(|place| (place, entry)));
            }
        }
        if places.is_empty() {
            return Ok(None);
        }
        places.sort_unstable_by_key(|(place, _)| place.start);
        let mut output = Zeroizing::new(Vec::with_capacity(text.len() + 128));
        let mut done = 0;
        for (place, entry) in places {
            output.extend_from_slice(&text[done..place.start]);
            put(entry, &mut output, if text[place.clone()].ends_with(b"/") { text.get(place.end).copied() } else { None })?;
            done = place.end;
            // Checked on the way: many short placeholders may stand for long secrets.
            if output.len() > limit {
                return Err(Misplaced::TooLarge);
            }
        }
        output.extend_from_slice(&text[done..]);
        if output.len() > limit { Err(Misplaced::TooLarge) } else { Ok(Some(output)) }
    }
}

/// The whole placeholder of a URL around its core, as it stands or escaped for JSON or for a URL's component.
fn whole_url(text: &[u8], core: Range<usize>) -> Option<Range<usize>> {
    for (front, slash) in [("https://", "/"), ("https:\\/\\/", "\\/"), ("https%3A%2F%2F", "%2F")] {
        let start = core.start.wrapping_sub(front.len());
        if text.get(start..core.start).is_some_and(|found| found.eq_ignore_ascii_case(front.as_bytes())) {
            let rest = &text[core.end..];
            let has_slash = rest.get(..slash.len()).is_some_and(|found| found.eq_ignore_ascii_case(slash.as_bytes()));
            return Some(start..core.end + if has_slash { slash.len() } else { 0 });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn put(text: impl Fn(&str) -> String, secret: &str, escape: Escape) -> String {
        let mut seals = Seals::new();
        let placeholder = seals.seal(Secret::new(secret));
        let result = seals.substitute(text(&placeholder).as_bytes(), escape, 1000).unwrap().unwrap();
        String::from_utf8(result.to_vec()).unwrap()
    }

    #[test]
    fn a_secret_is_escaped_for_its_place() {
        let secret = "a\"b\\c/d e&f:é";
        assert_eq!(put(|p| format!("Bearer {p}."), secret, Escape::Verbatim), format!("Bearer {secret}."));
        assert_eq!(put(|p| format!("\"{p}\""), secret, Escape::Json), "\"a\\\"b\\\\c/d e&f:é\"");
        assert_eq!(put(|p| format!("/bot{p}/x"), secret, Escape::Segment), "/bota%22b%5Cc%2Fd%20e&f:%C3%A9/x");
        assert_eq!(put(|p| format!("a={p}&b={p}"), "x y&z", Escape::Query), "a=x%20y%26z&b=x%20y%26z");
        assert_eq!(put(|p| format!("a={p}"), "x y&z", Escape::Form), "a=x+y%26z");
    }

    #[test]
    fn a_url_is_replaced_whole_in_every_spelling() {
        let mut seals = Seals::new();
        let placeholder = seals.seal_uri(Secret::new("https://h.example/a?b=c"));
        let host = placeholder.trim_start_matches("https://").trim_end_matches('/').to_owned();
        let put = |text: String, escape| {
            seals.substitute(text.as_bytes(), escape, 1000).unwrap().map(|text| String::from_utf8(text.to_vec()).unwrap())
        };
        assert_eq!(put(format!("u={placeholder}"), Escape::Verbatim).unwrap(), "u=https://h.example/a?b=c");
        assert_eq!(put(format!("\"https:\\/\\/{host}\\/\""), Escape::Json).unwrap(), "\"https://h.example/a?b=c\"");
        assert_eq!(put(format!("u=https%3a%2F%2F{host}%2F&x"), Escape::Form).unwrap(), "u=https%3A%2F%2Fh.example%2Fa%3Fb%3Dc&x");
        assert_eq!(put(format!("{placeholder}more"), Escape::Verbatim).unwrap(), "https://h.example/a?b=c/more");
        assert_eq!(put(host, Escape::Verbatim), None, "a part of a placeholder is none");
    }

    #[test]
    fn the_result_is_bounded() {
        let mut seals = Seals::new();
        let placeholder = seals.seal(Secret::new("x".repeat(500)));
        assert!(matches!(seals.substitute(placeholder.repeat(3).as_bytes(), Escape::Verbatim, 1000), Err(Misplaced::TooLarge)));
        assert!(matches!(seals.substitute(b"sealed-0123", Escape::Verbatim, 1000), Ok(None)));
    }

    #[test]
    fn a_secret_does_not_begin_inside_an_escape() {
        let mut seals = Seals::new();
        let placeholder = seals.seal(Secret::new("41-the-rest"));
        let put = |before: &str, escape| seals.substitute(format!("a{before}{placeholder}").as_bytes(), escape, 1000).map(drop);
        for escape in [Escape::Form, Escape::Query, Escape::Segment] {
            for unfinished in ["%", "%4", "%f", "%25%"] {
                assert_eq!(put(unfinished, escape), Err(Misplaced::InEscape), "{unfinished} {escape:?}");
            }
            for finished in ["", "4", "%41", "%zz", "%4z"] {
                assert_eq!(put(finished, escape), Ok(()), "{finished} {escape:?}");
            }
        }
        for unfinished in ["\\", "\\u", "\\u0", "\\u00", "\\u004", "\\\\\\u004"] {
            assert_eq!(put(unfinished, Escape::Json), Err(Misplaced::InEscape), "{unfinished}");
        }
        for finished in ["", "u004", "\\n", "\\\\", "\\\\u004", "\\u0041", "%4"] {
            assert_eq!(put(finished, Escape::Json), Ok(()), "{finished}");
        }
        assert_eq!(put("%4", Escape::Verbatim), Ok(()), "no escape there");
    }

    #[test]
    fn the_content_type_decides_how_a_body_is_escaped() {
        for json in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"] {
            assert_eq!(Escape::of_body(Some(json)), Escape::Json, "{json}");
        }
        assert_eq!(Escape::of_body(Some("application/x-www-form-urlencoded;charset=x")), Escape::Form);
        for other in [None, Some("text/plain"), Some("json"), Some("")] {
            assert_eq!(Escape::of_body(other), Escape::Verbatim);
        }
    }
}
