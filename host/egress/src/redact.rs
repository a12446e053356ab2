//! Taking secrets out of what comes back.
//!
//! A receiver may echo what it was sent. Each value of at least four bytes is looked for in its plain form and in the forms
//! that echoes usually have: JSON-escaped, percent-encoded, hexadecimal and base64, each as the usual libraries write it, and
//! without the white space that a header loses at its ends. A receiver that wants to tell a secret to the provider can always
//! find another form; the grant decides whom to trust.

use crate::seal::Seals;
use crate::substitute::{COMPONENT, SEGMENT, json_escaped};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use memchr::memmem;
use percent_encoding::{AsciiSet, utf8_percent_encode};
use postern_core::manifest::SECRET_MARK;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;
use url::Url;
use zeroize::Zeroizing;

/// Shorter values are not looked for: they would be found everywhere.
pub(crate) const SHORTEST: usize = 4;
/// How far a match in base64 is extended to each side. The digits at its ends belong to the secret and its neighbour both.
const BASE64_REACH: usize = 512;
/// Segments of a secret URL's path from this length on are secrets of their own; shorter ones are words like `services`.
const SEGMENT_SHORTEST: usize = 16;
/// Likewise values of its query.
const QUERY_VALUE_SHORTEST: usize = 8;

/// JavaScript's `encodeURIComponent` leaves these as well.
const JAVASCRIPT: &AsciiSet = &COMPONENT.remove(b'!').remove(b'\'').remove(b'(').remove(b')').remove(b'*');

/// Python's `quote` leaves the slash.
const PYTHON: &AsciiSet = &COMPONENT.remove(b'/');

/// PHP's `urlencode` leaves no tilde.
const PHP: &AsciiSet = &COMPONENT.add(b'~');

/// JavaScript's `encodeURI` leaves whatever has a meaning in a URL.
const WHOLE_URL: &AsciiSet = &SEGMENT.remove(b'/').remove(b'?').remove(b'#');

/// Everything that is looked for of one secret.
#[derive(Default)]
pub(crate) struct Needles {
    /// Longest first does not matter: all matches are found, then merged.
    list: Vec<Needle>,
    longest: usize,
    /// Finds in one pass whether any of them is in a text at all. Hardly any text has one.
    any: Option<AhoCorasick>,
}

struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    base64: bool,
}

impl Needles {
    /// The forms of a secret. The flag says whether it is a URL, whose parts are secrets too: an echo seldom shows the whole URL,
    /// mostly its path or its query.
    pub(crate) fn new(secret: &str, is_url: bool) -> Self {
        let mut needles = Self::default();
        needles.add_forms(secret);
        if is_url && let Ok(url) = Url::parse(secret) {
            needles.add_forms(url.as_str());
            let path = url.path().trim_matches('/');
            needles.add_forms(path);
            if let Some(query) = url.query() {
                needles.add_forms(&format!("{path}?{query}"));
                needles.add_forms(query);
            }
            path.split('/').filter(|part| part.len() >= SEGMENT_SHORTEST).for_each(|part| needles.add_forms(part));
            for (_, value) in url.query_pairs().filter(|(_, value)| value.len() >= QUERY_VALUE_SHORTEST) {
                needles.add_forms(&value);
            }
        }
        needles
    }

    /// The same, prepared for many texts, which takes longer than to look through a few.
    pub(crate) fn hastened(self) -> Self {
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::LeftmostFirst).kind(Some(AhoCorasickKind::ContiguousNFA));
        let any = builder.build(self.list.iter().map(|needle| needle.bytes.as_slice())).ok();
        Self { any, ..self }
    }

    /// How many bytes it takes, about.
    pub(crate) fn memory(&self) -> usize {
        let list: usize = self.list.iter().map(|needle| size_of::<Needle>() + needle.bytes.len()).sum();
        list + self.any.as_ref().map_or(0, AhoCorasick::memory_usage)
    }

    fn longest(&self) -> usize {
        self.longest
    }

    fn add_forms(&mut self, secret: &str) {
        self.add_spellings(secret);
        let trimmed = secret.trim_matches([' ', '\t']);
        if trimmed.len() < secret.len() {
            self.add_spellings(trimmed);
        }
        if !secret.is_ascii() {
            // Servers that take the bytes of a header for Latin-1, as Node.js does.
            let misread = Zeroizing::new(trimmed.bytes().map(char::from).collect::<String>());
            self.add_spellings(&misread);
        }
    }

    fn add_spellings(&mut self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        self.add(secret);
        let json = json_escaped(secret);
        self.add(&json);
        if json != secret {
            // JSON in JSON.
            self.add(&json_escaped(&json));
        }
        let lower = |unit| format!("\\u{unit:04x}");
        let escaped = [
            json_with(secret, |c| !c.is_ascii(), lower),
            json_with(secret, |c| matches!(c, '<' | '>' | '&'), lower),
            // .NET's.
            json_with(secret, |c| !c.is_ascii() || "\"&'+<>`".contains(c), |unit| format!("\\u{unit:04X}")),
        ];
        escaped.iter().flatten().for_each(|escaped| self.add(escaped));
        for set in [COMPONENT, SEGMENT, JAVASCRIPT, PYTHON, WHOLE_URL] {
            self.add_percent_encoded(utf8_percent_encode(secret, set).into());
        }
        for set in [COMPONENT, PHP] {
            // In a query, a plus is a space.
            self.add_percent_encoded(utf8_percent_encode(secret, set).to_string().replace("%20", "+").into());
        }
        self.add_percent_encoded(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>().into());
        let hexadecimal = secret.bytes().fold(String::with_capacity(secret.len() * 2), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        self.add(&hexadecimal.to_ascii_uppercase());
        self.add(&hexadecimal);
        self.add_base64(secret.as_bytes());
    }

    fn add_percent_encoded(&mut self, encoded: Cow<'_, str>) {
        self.add(&encoded);
        self.add(&with_lower_escapes(&encoded));
    }

    /// Base64 turns three bytes into four digits, so a text embedded in another has three possible spellings, by its distance
    /// from the beginning. Digits that the neighbours have a part in are left out.
    fn add_base64(&mut self, secret: &[u8]) {
        for offset in 0..3 {
            let mut padded = Zeroizing::new(vec![0; offset]);
            padded.extend_from_slice(secret);
            let first = (offset * 8).div_ceil(6);
            let last = padded.len() * 8 / 6;
            for engine in [&STANDARD, &URL_SAFE] {
                let digits = Zeroizing::new(engine.encode(&*padded));
                let digits = &digits[first..last];
                self.push(digits, true);
                if digits.contains(['/', '+']) {
                    self.push(&digits.replace('/', "\\/"), true);
                    self.push(&digits.replace('+', "\\u002B"), true);
                    let encoded = digits.replace('/', "%2F").replace('+', "%2B");
                    self.push(&with_lower_escapes(&encoded), true);
                    self.push(&encoded, true);
                }
            }
        }
    }

    fn add(&mut self, form: &str) {
        self.push(form, false);
        if form.contains('/') {
            // Some JSON writers escape slashes.
            self.push(&form.replace('/', "\\/"), false);
        }
    }

    fn push(&mut self, form: &str, base64: bool) {
        if form.len() >= SHORTEST && !self.list.iter().any(|needle| needle.bytes.as_slice() == form.as_bytes()) {
            self.longest = self.longest.max(form.len());
            self.list.push(Needle { bytes: Zeroizing::new(form.as_bytes().to_vec()), base64 });
        }
    }

    /// Where they are in a text. Forms overlap, and so do their places.
    fn places(&self, text: &[u8]) -> Vec<Range<usize>> {
        if self.any.as_ref().is_some_and(|any| !any.is_match(text)) {
            return Vec::new();
        }
        let mut places = Vec::new();
        for needle in &self.list {
            for start in memmem::find_iter(text, needle.bytes.as_slice()) {
                let place = start..start + needle.bytes.len();
                places.push(if needle.base64 { whole_base64(text, place) } else { place });
            }
        }
        places
    }
}

/// `%2F` as `%2f`, everywhere in a percent-encoded text.
fn with_lower_escapes(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut lower, part| {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        lower.extend(["%", &digits.to_ascii_lowercase(), rest]);
        lower
    })
}

/// The inside of the JSON string for a text, where `write` writes the UTF-16 units of the characters that `escaped` names;
/// none if it has none.
fn json_with(text: &str, escaped: impl Fn(char) -> bool, write: impl Fn(u16) -> String) -> Option<String> {
    text.contains(&escaped).then(|| {
        text.chars().fold(String::new(), |mut output, c| {
            if escaped(c) {
                output.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| write(*unit)));
            } else {
                output.push_str(&json_escaped(c.encode_utf8(&mut [0; 4])));
            }
            output
        })
    })
}

fn contains_ignoring_case(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part))
}

/// The base64 digits around a place.
fn whole_base64(text: &[u8], place: Range<usize>) -> Range<usize> {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let before = text[..place.start].iter().rev().take(BASE64_REACH).take_while(|byte| is_digit(byte)).count();
    let after = text[place.end..].iter().take(BASE64_REACH).take_while(|byte| is_digit(byte) || **byte == b'=').count();
    place.start - before..place.end + after
}

impl Seals {
    /// The text up to a cut without the secrets, or none if it has none. What begins before the cut is looked at whole.
    fn take_out(&self, text: &[u8], cut: usize) -> Option<Vec<u8>> {
        let mut places: Vec<_> = self.needles().flat_map(|needles| needles.places(text)).collect();
        places.retain(|place| place.start < cut);
        if places.is_empty() {
            return None;
        }
        places.sort_unstable_by_key(|place| place.start);
        let mut output = Vec::with_capacity(text.len());
        let mut done = 0;
        let mut places = places.into_iter().peekable();
        while let Some(mut place) = places.next() {
            // Touching places are one.
            while let Some(next) = places.next_if(|next| next.start < place.end) {
                place.end = place.end.max(next.end);
            }
            output.extend_from_slice(&text[done..place.start]);
            output.extend_from_slice(SECRET_MARK.as_bytes());
            done = place.end;
        }
        output.extend_from_slice(&text[done..cut.max(done)]);
        Some(output)
    }

    /// How far beyond a cut one must look so that no secret is cut in two.
    pub(crate) fn longest(&self) -> usize {
        self.needles().map(Needles::longest).max().unwrap_or(0)
    }

    /// The bytes without the secrets of this call: `[secret]` stands where one was. Nothing is copied if there was none.
    pub(crate) fn redact_bytes<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        self.take_out(text, text.len()).map_or(Cow::Borrowed(text), Cow::Owned)
    }

    /// Whether a secret is in a header's name, which has lost the difference between capitals and small letters.
    pub(crate) fn is_in_name(&self, name: &str) -> bool {
        let mut needles = self.needles().flat_map(|needles| &needles.list);
        needles.any(|needle| contains_ignoring_case(name.as_bytes(), &needle.bytes))
    }

    /// About the first `most` bytes without the secrets of this call; a secret that begins before the cut is taken out whole.
    pub(crate) fn redact_beginning<'a>(&self, text: &'a [u8], most: usize) -> Cow<'a, [u8]> {
        if self.is_empty() {
            return Cow::Borrowed(&text[..text.len().min(most.saturating_add(4))]);
        }
        let window = &text[..text.len().min(most.saturating_add(self.longest()))];
        // The end of the whole text is no cut.
        let cut = if window.len() < most { window.len() } else { most };
        match self.take_out(window, cut) {
            Some(clean) => Cow::Owned(clean),
            None => Cow::Borrowed(window),
        }
    }

    /// The text without the secrets of this call: `[secret]` stands where one was.
    pub fn redact(&self, text: &str) -> String {
        match self.redact_bytes(text.as_bytes()) {
            Cow::Borrowed(_) => text.to_owned(),
            // What was taken out were whole characters, so this never loses anything.
            Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// The text without secrets and without placeholders, for records.
    pub(crate) fn mask<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        match self.mask_placeholders(text) {
            None => self.redact_bytes(text),
            Some(masked) => Cow::Owned(self.redact_bytes(&masked).into_owned()),
        }
    }

    /// Likewise for a text.
    pub(crate) fn mask_text(&self, text: &str) -> String {
        match self.mask(text.as_bytes()) {
            Cow::Borrowed(_) => text.to_owned(),
            Cow::Owned(masked) => String::from_utf8_lossy(&masked).into_owned(),
        }
    }
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
