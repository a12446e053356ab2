//! The bounds of every request, in one place. It can be a section of a configuration file.

use postern_core::retry::Span;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The bounds of requests, answers and records. Sizes are in bytes, durations are written as `10s` or `500ms`.
///
/// A request that exceeds one is refused before anything is sent; a secret that replaces its placeholder counts with its
/// own size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// The longest URL. Default: 8 KiB.
    pub url_bytes: usize,
    /// How many headers a request may have. Default: 64.
    pub request_headers: usize,
    /// The names and values of a request's headers, together. Default: 16 KiB.
    pub request_header_bytes: usize,
    /// The largest body of a request. Default: 1 MiB.
    pub request_body_bytes: usize,
    /// How many headers an answer may have. Default: 128.
    pub response_headers: usize,
    /// The names and values of an answer's headers, together. Default: 64 KiB.
    pub response_header_bytes: usize,
    /// How much of an answer's body is read; the rest is cut off and the answer says so. Default: 1 MiB.
    pub response_body_bytes: usize,
    /// The time for a whole exchange when the provider names none. Default: 10 s.
    pub timeout: Span,
    /// The shortest time that a provider may ask for; less counts as this. Default: 100 ms.
    pub shortest_timeout: Span,
    /// The longest time that a provider may ask for; more counts as this. Default: 60 s.
    pub longest_timeout: Span,
    /// The time to resolve a name, connect and shake hands. Default: 10 s.
    pub connect_timeout: Span,
    /// The time until the answer begins, connecting included. Default: 30 s.
    pub first_byte_timeout: Span,
    /// The time to resolve a name. Default: 5 s.
    pub dns_timeout: Span,
    /// How many requests one call of a provider may make. Default: 8.
    pub requests_per_call: u32,
    /// How many redirects a request may follow, whatever the provider asks for; each counts as a request. Default: 5.
    pub redirects: u32,
    /// How much of each body the record of an exchange keeps. Default: 4 KiB.
    pub exchange_body_bytes: usize,
    /// The largest message that is signed for a provider. Default: 1 MiB.
    pub hmac_message_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            url_bytes: 8 * KIB,
            request_headers: 64,
            request_header_bytes: 16 * KIB,
            request_body_bytes: MIB,
            response_headers: 128,
            response_header_bytes: 64 * KIB,
            response_body_bytes: MIB,
            timeout: Span(Duration::from_secs(10)),
            shortest_timeout: Span(Duration::from_millis(100)),
            longest_timeout: Span(Duration::from_secs(60)),
            connect_timeout: Span(Duration::from_secs(10)),
            first_byte_timeout: Span(Duration::from_secs(30)),
            dns_timeout: Span(Duration::from_secs(5)),
            requests_per_call: 8,
            redirects: 5,
            exchange_body_bytes: 4 * KIB,
            hmac_message_bytes: MIB,
        }
    }
}

impl Limits {
    /// The time for an exchange whose provider asked for so many milliseconds.
    pub(crate) fn timeout_for(&self, asked_milliseconds: Option<u32>) -> Bound {
        let Some(asked) = asked_milliseconds else { return Bound::new(self.timeout.0, "egress.limits.timeout") };
        let asked = Bound::new(Duration::from_millis(asked.into()).max(self.shortest_timeout.0), Bound::OF_THE_PROVIDER);
        asked.or_less(Bound::new(self.longest_timeout.0, "egress.limits.longest-timeout"))
    }
}

/// A time and where it is set, so that an error can say which bound was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// How long.
    pub(crate) time: Duration,
    /// The configuration key, or who else set it.
    pub(crate) set_by: &'static str,
}

impl Bound {
    /// What the provider asked for itself.
    pub(crate) const OF_THE_PROVIDER: &str = "set by the provider";

    pub(crate) fn new(time: Duration, set_by: &'static str) -> Self {
        Self { time, set_by }
    }

    /// The shorter of two.
    pub(crate) fn or_less(self, other: Self) -> Self {
        if other.time < self.time { other } else { self }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "within {} ms ({})", self.time.as_millis(), self.set_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_a_configuration_section() {
        let limits: Limits = serde_json::from_str(r#"{"url-bytes": 100, "timeout": "2s"}"#).unwrap();
        assert_eq!(limits.url_bytes, 100);
        assert_eq!(limits.timeout.0, Duration::from_secs(2));
        assert_eq!(limits.requests_per_call, 8, "what is left out has its default");
        assert!(serde_json::from_str::<Limits>(r#"{"url": 1}"#).is_err(), "an unknown key is an error");
        let written = serde_json::to_string(&Limits::default()).unwrap();
        assert_eq!(serde_json::from_str::<Limits>(&written).unwrap(), Limits::default());
    }

    #[test]
    fn a_timeout_is_kept_within_its_bounds() {
        let limits = Limits::default();
        let written = |asked| limits.timeout_for(asked).to_string();
        assert_eq!(written(None), "within 10000 ms (egress.limits.timeout)");
        assert_eq!(written(Some(1)), "within 100 ms (set by the provider)");
        assert_eq!(written(Some(250)), "within 250 ms (set by the provider)");
        assert_eq!(written(Some(90_000)), "within 60000 ms (egress.limits.longest-timeout)");
    }
}
