//! What the exchanges of an attempt tell: why it failed, whether its effect is known, how the destination is, and until
//! when it wants to be left alone. Pure.

use crate::schedule::Health;
use postern_core::Timestamp;
use postern_core::delivery::{Cause, Class, Exchange, ExchangeResult, Outcome, Reason, Retry};
use postern_core::retry::LONGEST_AFTER;
use std::time::Duration;

/// How long a target that refused for its rate limit without saying for how long is left alone.
const UNNAMED_PAUSE: Duration = Duration::from_secs(30);

/// Why an attempt failed.
pub fn reason(cause: Cause, exchanges: &[Exchange]) -> Reason {
    let class = match cause {
        Cause::Trap => Class::Trap,
        Cause::Deadline => Class::Deadline,
        Cause::Limit => Class::Limit,
        Cause::Contract => Class::Contract,
        Cause::Config => Class::Config,
        Cause::Unavailable => Class::Unavailable,
        Cause::Provider => return of_exchange(exchanges.last()),
    };
    class.into()
}

fn of_exchange(last: Option<&Exchange>) -> Reason {
    let class = match last.map(|exchange| &exchange.result) {
        None => Class::Provider,
        Some(ExchangeResult::Answered { status, .. }) => return Reason { class: Class::Http, status: Some(*status) },
        Some(ExchangeResult::Denied { .. }) => Class::Denied,
        Some(ExchangeResult::Failed { kind, .. }) => match kind.as_str() {
            "timeout" => Class::Timeout,
            "dns" => Class::Dns,
            "refused" | "reset" | "protocol" | "response-too-large" => Class::Connection,
            "tls" => Class::Tls,
            _ => Class::Provider,
        },
    };
    class.into()
}

/// What is to be done after a failure of which the provider does not say it. One that did not come to an end itself may do so next
/// time; of others the last request tells, as the contract has it (`failure` in `wit/provider.wit`).
pub fn retry(cause: Cause, exchanges: &[Exchange]) -> Retry {
    let last = exchanges.last().filter(|_| cause == Cause::Provider).map(|exchange| &exchange.result);
    let hopeless = match last {
        None => false,
        Some(ExchangeResult::Denied { .. }) => true,
        Some(ExchangeResult::Answered { status, .. }) => (300..500).contains(status) && !matches!(status, 408 | 425 | 429),
        Some(ExchangeResult::Failed { kind, .. }) => {
            ["denied", "invalid-request", "request-too-large", "too-many-requests", "redirect"].contains(&kind.as_str())
        }
    };
    if hopeless { Retry::Never } else { Retry::Backoff }
}

/// Whether a failed attempt may have had its effect: a request was sent whose answer did not come, or it was answered
/// well and the provider did not get to say what that means, or it was answered with a redirect that could not be followed to its
/// end. `told`: whether the provider said what is to be done.
pub fn is_ambiguous(told: bool, exchanges: &[Exchange]) -> bool {
    let redirected = |exchange: &Exchange| matches!(exchange.result, ExchangeResult::Answered { status: 301..=303, .. });
    match exchanges.split_last().map(|(last, before)| (&last.result, before.last())) {
        Some((ExchangeResult::Failed { sent: true, .. }, _)) => true,
        Some((ExchangeResult::Answered { status, .. }, _)) => *status < 400 && !told,
        Some((ExchangeResult::Failed { .. } | ExchangeResult::Denied { .. }, before)) => before.is_some_and(redirected),
        None => false,
    }
}

/// How the destination is, by the last thing that was heard of it.
pub fn health(exchanges: &[Exchange]) -> Health {
    let heard = exchanges.iter().rev().find_map(|exchange| match &exchange.result {
        ExchangeResult::Denied { .. } => None,
        ExchangeResult::Answered { status, .. } => Some(if *status < 500 { Health::Works } else { Health::Fails }),
        ExchangeResult::Failed { kind, .. } => match kind.as_str() {
            "timeout" | "dns" | "refused" | "reset" | "tls" | "protocol" => Some(Health::Fails),
            _ => None,
        },
    });
    heard.unwrap_or(Health::Unknown)
}

/// Until when the target wants to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The moment, at most 24 hours away.
    pub until: Timestamp,
    /// Whether it refused this attempt for its rate (status 429, or 503 with `Retry-After`), which then uses up no retry.
    pub refused: bool,
}

/// Reads the rate headers of the last answer.
///
/// `Retry-After` (RFC 9110, 10.2.3) in seconds or as a date; `RateLimit-Remaining` and `-Reset` (seconds), and the common
/// `X-RateLimit-…` ones, whose reset is seconds or a moment in seconds since 1970; `X-RateLimit-Reset-After` (Discord) in
/// seconds with a fraction. Without a word, 429 means 30 seconds; what the provider asks for counts before the headers.
pub fn pause(exchanges: &[Exchange], outcome: &Outcome, now: Timestamp) -> Option<Pause> {
    let ExchangeResult::Answered { status, response_headers, .. } = &exchanges.last()?.result else { return None };
    let header = |name: &str| {
        let found = response_headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    };
    let asked = match outcome {
        Outcome::Failure { retry: Retry::After { milliseconds }, .. } => Some(Duration::from_millis(*milliseconds)),
        _ => None,
    };
    let retry_after = header("retry-after").and_then(|value| delay(value, now));
    let refused = *status == 429 || (*status == 503 && retry_after.is_some());
    let failed = matches!(outcome, Outcome::Failure { .. });
    let wait = if refused && failed {
        asked.or(retry_after).or_else(|| until_reset(&header, now)).unwrap_or(UNNAMED_PAUSE)
    } else {
        let remaining = header("ratelimit-remaining").or_else(|| header("x-ratelimit-remaining"));
        if remaining != Some("0") {
            return None;
        }
        until_reset(&header, now)?
    };
    Some(Pause { until: now.saturating_add(wait.min(LONGEST_AFTER)), refused: refused && failed })
}

fn until_reset<'a>(header: &impl Fn(&str) -> Option<&'a str>, now: Timestamp) -> Option<Duration> {
    let names = ["x-ratelimit-reset-after", "ratelimit-reset", "x-ratelimit-reset"];
    names.iter().find_map(|name| header(name).and_then(|value| delay(value, now)))
}

/// Seconds, perhaps with a fraction; a moment in seconds since 1970; or a date.
fn delay(value: &str, now: Timestamp) -> Option<Duration> {
    /// Nobody asks for that many seconds, and no clock shows so few.
    const YEAR: f64 = 366.0 * 86_400.0;
    if let Ok(number) = value.parse::<f64>() {
        let seconds = if number > YEAR { number - now.as_millis() as f64 / 1_000.0 } else { number };
        return Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let millis = date.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis();
    Some(Timestamp::from_millis(i64::try_from(millis).ok()?).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_767_323_045_000;

    fn exchange(result: ExchangeResult) -> Exchange {
        Exchange {
            method: "POST".into(),
            url: "https://example.com/".into(),
            request_headers: Vec::new(),
            request_body: None,
            started_at: Timestamp::from_millis(NOW),
            duration_micros: 1,
            address: None,
            http_version: None,
            timings: Default::default(),
            result,
        }
    }

    fn answered(status: u16, headers: &[(&str, &str)]) -> Exchange {
        let response_headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        exchange(ExchangeResult::Answered { status, response_headers, response_body: None })
    }

    fn failed(kind: &str, sent: bool) -> Exchange {
        exchange(ExchangeResult::Failed { kind: kind.into(), message: "no".into(), sent })
    }

    fn failure(retry: Retry) -> Outcome {
        Outcome::Failure { cause: Cause::Provider, message: "no".into(), retry, ambiguous: false }
    }

    #[test]
    fn why_it_failed_and_how_the_destination_is() {
        let denied = || exchange(ExchangeResult::Denied { code: "grant".into(), message: "no".into() });
        let http = |status| Reason { class: Class::Http, status: Some(status) };
        let table = [
            (vec![answered(503, &[])], http(503), Health::Fails),
            (vec![answered(410, &[])], http(410), Health::Works),
            (vec![answered(200, &[])], http(200), Health::Works),
            (vec![failed("timeout", true)], Class::Timeout.into(), Health::Fails),
            (vec![failed("dns", false)], Class::Dns.into(), Health::Fails),
            (vec![failed("reset", true)], Class::Connection.into(), Health::Fails),
            (vec![failed("too-many-requests", false)], Class::Provider.into(), Health::Unknown),
            (vec![answered(500, &[]), denied()], Class::Denied.into(), Health::Fails),
            (vec![], Class::Provider.into(), Health::Unknown),
        ];
        for (exchanges, expected, expected_health) in table {
            assert_eq!((reason(Cause::Provider, &exchanges), health(&exchanges)), (expected, expected_health), "{exchanges:?}");
        }
        assert_eq!(reason(Cause::Trap, &[answered(200, &[])]), Class::Trap.into());
    }

    #[test]
    fn what_a_provider_does_not_say_its_last_request_tells() {
        let denied = exchange(ExchangeResult::Denied { code: "grant".into(), message: "no".into() });
        for (exchanges, expected) in [
            (vec![], Retry::Backoff),
            (vec![answered(404, &[]), answered(200, &[])], Retry::Backoff),
            (vec![answered(500, &[])], Retry::Backoff),
            (vec![answered(408, &[])], Retry::Backoff),
            (vec![answered(425, &[])], Retry::Backoff),
            (vec![answered(429, &[])], Retry::Backoff),
            (vec![failed("timeout", true)], Retry::Backoff),
            (vec![failed("response-too-large", true)], Retry::Backoff),
            (vec![answered(302, &[])], Retry::Never),
            (vec![answered(200, &[]), answered(400, &[])], Retry::Never),
            (vec![answered(410, &[])], Retry::Never),
            (vec![failed("redirect", true)], Retry::Never),
            (vec![denied], Retry::Never),
        ] {
            assert_eq!(retry(Cause::Provider, &exchanges), expected, "{exchanges:?}");
            assert_eq!(retry(Cause::Trap, &exchanges), Retry::Backoff);
        }
    }

    #[test]
    fn an_effect_is_unknown_when_the_answer_is_or_when_nobody_could_tell_of_it() {
        assert!(is_ambiguous(true, &[failed("timeout", true)]));
        assert!(!is_ambiguous(true, &[failed("refused", false)]));
        assert!(is_ambiguous(false, &[answered(201, &[])]));
        assert!(!is_ambiguous(true, &[answered(201, &[])]), "the provider saw the answer and calls it a failure");
        assert!(!is_ambiguous(false, &[answered(500, &[])]) && !is_ambiguous(false, &[]));
        assert!(is_ambiguous(true, &[answered(303, &[]), failed("refused", false)]), "what led there may have worked");
        assert!(!is_ambiguous(true, &[answered(200, &[]), failed("refused", false)]));
    }

    #[test]
    fn targets_say_when_they_want_to_hear_more() {
        let now = Timestamp::from_millis(NOW);
        let reset = (NOW / 1_000 + 60).to_string();
        let date = "Fri, 02 Jan 2026 03:04:35 GMT";
        type Headers<'a> = Vec<(&'a str, &'a str)>;
        type Expected = Option<(u64, bool)>;
        let table: Vec<(u16, Headers<'_>, Retry, Expected)> = vec![
            (429, vec![], Retry::Backoff, Some((30_000, true))),
            (429, vec![("Retry-After", "7")], Retry::Backoff, Some((7_000, true))),
            (429, vec![("Retry-After", "7")], Retry::After { milliseconds: 9_000 }, Some((9_000, true))),
            (429, vec![("Retry-After", date)], Retry::Backoff, Some((30_000, true))),
            (429, vec![("X-RateLimit-Reset-After", "1.5")], Retry::Backoff, Some((1_500, true))),
            (429, vec![("X-RateLimit-Reset", reset.as_str())], Retry::Backoff, Some((60_000, true))),
            (429, vec![("Retry-After", "999999999")], Retry::Backoff, Some((0, true))),
            (429, vec![("Retry-After", "9999999")], Retry::Backoff, Some((86_400_000, true))),
            (503, vec![], Retry::Backoff, None),
            (503, vec![("Retry-After", "2")], Retry::Backoff, Some((2_000, true))),
            (200, vec![("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "5")], Retry::Backoff, Some((5_000, false))),
            (200, vec![("X-RateLimit-Remaining", "1"), ("X-RateLimit-Reset", "5")], Retry::Backoff, None),
            (200, vec![("RateLimit-Remaining", "0")], Retry::Backoff, None),
        ];
        for (status, headers, retry, expected) in table {
            let outcome = if status == 200 { Outcome::Success { external_id: None } } else { failure(retry) };
            let expected =
                expected.map(|(millis, refused)| Pause { until: now.saturating_add(Duration::from_millis(millis)), refused });
            assert_eq!(pause(&[answered(status, &headers)], &outcome, now), expected, "{status} {headers:?}");
        }
        assert_eq!(pause(&[failed("timeout", true)], &failure(Retry::Backoff), now), None);
    }
}
