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

/// A number of seconds, as some targets write into their answers' bodies, perhaps with a fraction: `0.65`. At most a day,
/// rounded up to whole milliseconds; `None` for what is no time to wait.
pub fn seconds(number: f64) -> Option<Duration> {
    let milliseconds = (number * 1000.0).ceil();
    if !milliseconds.is_finite() || milliseconds < 0.0 {
        return None;
    }
    // A number beyond the type's range becomes its greatest.
    Some(Duration::from_millis(milliseconds as u64).min(LONGEST_DELAY))
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
    fn seconds_may_have_a_fraction() {
        assert_eq!(seconds(0.65), Some(Duration::from_millis(650)));
        assert_eq!(seconds(1.0001), Some(Duration::from_millis(1001)));
        assert_eq!(seconds(0.0), Some(Duration::ZERO));
        assert_eq!(seconds(1e300), Some(LONGEST_DELAY));
        for nonsense in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(seconds(nonsense), None);
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
