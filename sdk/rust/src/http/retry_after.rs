//! How long a target asks to wait: `Retry-After`, RFC 9110 section 10.2.3.

use crate::failure::LONGEST_DELAY;
use std::time::{Duration, SystemTime};

/// Reads the header's value: seconds, or an HTTP date.
///
/// A date counts from the target's own `Date`, where it sent one, since its clock may differ from ours; else from `now`.
/// A date that is past means no delay. A value that is neither is as good as none. No wait is longer than a day.
pub(super) fn parse(value: &str, date: Option<&str>, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let delay = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit mean "very long".
        value.parse().map_or(LONGEST_DELAY, Duration::from_secs)
    } else {
        let until = httpdate::parse_http_date(value).ok()?;
        let from = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok()).unwrap_or(now);
        until.duration_since(from).unwrap_or(Duration::ZERO)
    };
    Some(delay.min(LONGEST_DELAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn seconds_and_dates_are_understood_and_nonsense_is_not() {
        let parse = |value| parse(value, None, at(784_111_747));
        assert_eq!(parse("120"), Some(Duration::from_secs(120)));
        assert_eq!(parse(" 0 "), Some(Duration::ZERO));
        assert_eq!(parse(DATE), Some(Duration::from_secs(30)));
        assert_eq!(parse("99999999999999999999999"), Some(LONGEST_DELAY));
        for nonsense in ["", "-1", "1.5", "soon", "Sun, 06 Nov"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_date_counts_from_the_targets_own_clock() {
        let parse = |date| parse(DATE, date, at(0));
        assert_eq!(parse(Some("Sun, 06 Nov 1994 08:49:07 GMT")), Some(Duration::from_secs(30)));
        assert_eq!(parse(Some("Sun, 06 Nov 1994 09:00:00 GMT")), Some(Duration::ZERO));
        assert_eq!(parse(Some("rubbish")), Some(LONGEST_DELAY));
    }
}
