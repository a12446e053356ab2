//! An answer, and what its status means for a delivery.

use super::{link, retry_after};
use crate::text::{Limit, one_line};
use crate::{Failure, clock};
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::time::Duration;

/// How much of an answer's text a failure quotes, in characters.
const QUOTED: usize = 200;

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names are in lower case.
    pub headers: Vec<(String, String)>,
    /// At most 1 MiB.
    pub body: Vec<u8>,
    /// Whether the body was cut at its bound.
    pub truncated: bool,
}

impl Response {
    /// The first header of this name, however it is written.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// Fails the delivery by the schedule when the body is no such JSON: an overloaded proxy may have sent a page.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Failure::backoff(format!("the answer is not the JSON that was expected: {error}")))
    }

    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The answer itself if it is a success.
    ///
    /// # Errors
    /// Otherwise what [`failure`](Self::failure) makes of it.
    pub fn success(self) -> Result<Self, Failure> {
        if self.is_success() { Ok(self) } else { Err(self.failure()) }
    }

    /// How long the target asks to wait, at most a day.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after::parse(self.header("retry-after")?, self.header("date"), clock::now())
    }

    /// Where the header `Link` (RFC 8288) leads by a relation: `next` is the next page of many lists.
    ///
    /// The target chose it. The host lets no request go to a host that was not granted, wherever it leads.
    pub fn link(&self, relation: &str) -> Option<&str> {
        let mut links = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("link"));
        links.find_map(|(_, value)| link::find(value, relation))
    }

    /// What an answer that is no success means, as far as HTTP says it:
    ///
    /// | status | retry |
    /// |---|---|
    /// | 408, 425, 429, 5xx | when `Retry-After` says, else by the schedule |
    /// | 3xx | never: redirects are not followed unless the request asks for it |
    /// | 410 and every other 4xx | never |
    pub fn failure(&self) -> Failure {
        self.failure_retrying(&[])
    }

    /// Like [`failure`](Self::failure), and `also` are tried again too.
    pub fn failure_retrying(&self, also: &[u16]) -> Failure {
        let again = matches!(self.status, 408 | 425 | 429 | 500..=599) || also.contains(&self.status);
        let message = self.describe();
        match self.retry_after() {
            Some(delay) if again => Failure::after(delay, message),
            None if again => Failure::backoff(message),
            _ => Failure::never(message),
        }
    }

    /// Like [`failure`](Self::failure), with the reason that the target gave in place of the body: the `message` of an error in
    /// JSON, say. An empty reason leaves the body.
    pub fn failure_because(&self, reason: &str) -> Failure {
        let Failure { message, retry } = self.failure();
        let reason = quote(reason);
        let message = if reason.is_empty() { message } else { self.describe_with(&reason) };
        Failure { message, retry }
    }

    fn describe(&self) -> String {
        self.describe_with(&quote(&self.text()))
    }

    fn describe_with(&self, text: &str) -> String {
        let meaning = match self.status {
            300..=399 => match self.header("location") {
                Some(location) => format!(" (redirects are not followed; it points to {})", quote(location)),
                None => " (redirects are not followed)".to_owned(),
            },
            401 | 403 => " (check the credentials)".to_owned(),
            404 => " (check the URL)".to_owned(),
            410 => " (the receiver is gone for good)".to_owned(),
            429 => " (too many requests)".to_owned(),
            _ => String::new(),
        };
        let separator = if text.is_empty() { "" } else { ": " };
        format!("the target answered HTTP {}{meaning}{separator}{text}", self.status)
    }
}

/// The beginning of a text, on one line.
fn quote(text: &str) -> String {
    // An answer may have a megabyte; what is quoted is in its beginning.
    let beginning = &text[..text.floor_char_boundary(64 * QUOTED)];
    Limit::characters(QUOTED).shorten(&one_line(beginning)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Retry;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Response { status, headers, body: body.into(), truncated: false }
    }

    #[test]
    fn a_status_decides_whether_to_try_again() {
        for (status, retry) in [
            (301, Retry::Never),
            (400, Retry::Never),
            (404, Retry::Never),
            (408, Retry::Backoff),
            (410, Retry::Never),
            (425, Retry::Backoff),
            (429, Retry::Backoff),
            (500, Retry::Backoff),
            (599, Retry::Backoff),
        ] {
            assert_eq!(answer(status, &[], "").failure().retry, retry, "{status}");
        }
        assert_eq!(answer(404, &[], "").failure_retrying(&[404]).retry, Retry::Backoff);
        assert!(answer(204, &[], "").success().is_ok());
    }

    #[test]
    fn retry_after_counts_only_where_a_retry_may_help() {
        let wait = [("retry-after", "7")];
        assert_eq!(answer(503, &wait, "").failure().retry, Retry::After(Duration::from_secs(7)));
        assert_eq!(answer(400, &wait, "").failure().retry, Retry::Never);
        assert_eq!(answer(503, &[("retry-after", "soon")], "").failure().retry, Retry::Backoff);
    }

    #[test]
    fn a_failure_quotes_one_short_line() {
        assert_eq!(answer(400, &[], " no\r\n good \u{1b}[31m").failure().message, "the target answered HTTP 400: no good [31m");
        let message = answer(500, &[], &"ä".repeat(10_000)).failure().message;
        assert_eq!(message.chars().count(), "the target answered HTTP 500: ".len() + QUOTED);
        assert!(message.ends_with('…'));
    }

    #[test]
    fn a_failure_gives_the_targets_own_reason() {
        let busy = answer(429, &[("retry-after", "7")], r#"{"error": {"message": "slow\ndown"}}"#);
        let failure = busy.failure_because("slow\ndown");
        assert_eq!(failure.message, "the target answered HTTP 429 (too many requests): slow down");
        assert_eq!(failure.retry, Retry::After(Duration::from_secs(7)));
        assert_eq!(answer(400, &[], "no").failure_because(" ").message, "the target answered HTTP 400: no");
    }
}
