//! Times as people read them.

use std::time::{Duration, UNIX_EPOCH};

/// Seconds since 1970 that a number in a field of times can mean: from 2001 to 2286.
const SECONDS: std::ops::Range<u64> = 1_000_000_000..10_000_000_000;

/// RFC 3339 as `2026-01-02 03:04:05 UTC`, without the fraction; `None` for every other text. An offset stays as it is.
pub(super) fn readable(text: &str) -> Option<String> {
    let text = text.trim();
    let (date, clock, rest) = (text.get(..10)?, text.get(11..19)?, text.get(19..)?);
    let shaped = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text
                .bytes()
                .zip(shape.bytes())
                .all(|(byte, wanted)| if wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted })
    };
    if !shaped(date, "0000-00-00") || !matches!(text.as_bytes()[10], b'T' | b't' | b' ') || !shaped(clock, "00:00:00") {
        return None;
    }
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let zone = match zone {
        "Z" | "z" | "+00:00" | "-00:00" => "UTC",
        _ if shaped(zone, "+00:00") || shaped(zone, "-00:00") => zone,
        _ => return None,
    };
    Some(format!("{date} {clock} {zone}"))
}

/// A number of seconds or milliseconds since 1970, likewise.
pub(super) fn readable_number(number: u64) -> Option<String> {
    let seconds = if SECONDS.contains(&number) { number } else { number / 1000 };
    if !SECONDS.contains(&seconds) {
        return None;
    }
    readable(&humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_loses_what_only_machines_need() {
        for (text, expected) in [
            ("2026-01-02T03:04:05.678Z", "2026-01-02 03:04:05 UTC"),
            ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05 UTC"),
            ("2026-01-02t03:04:05.123456+00:00", "2026-01-02 03:04:05 UTC"),
            ("2026-01-02 03:04:05-07:30", "2026-01-02 03:04:05 -07:30"),
        ] {
            assert_eq!(readable(text).as_deref(), Some(expected), "{text}");
        }
        for other in ["", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04:05+2", "Disk full since 2026", "ääääääääääääää"]
        {
            assert_eq!(readable(other), None, "{other}");
        }
    }

    #[test]
    fn seconds_and_milliseconds_are_told_apart_by_their_size() {
        assert_eq!(readable_number(1_767_323_045).as_deref(), Some("2026-01-02 03:04:05 UTC"));
        assert_eq!(readable_number(1_767_323_045_678).as_deref(), Some("2026-01-02 03:04:05 UTC"));
        for other in [0, 4711, 999_999_999, 99_999_999_999_999] {
            assert_eq!(readable_number(other), None, "{other}");
        }
    }
}
