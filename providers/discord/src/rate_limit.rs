//! How long Discord asks to wait: <https://docs.discord.com/developers/topics/rate-limits>.

use postern_provider::http::{self, Response};
use postern_provider::log;
use serde::Deserialize;
use serde_json::Number;
use std::time::Duration;

/// The body of an answer of 429.
#[derive(Deserialize)]
struct Limited {
    retry_after: Number,
}

/// The wait that an answer asks for.
///
/// `retry_after` is a number of seconds with a fraction. The version that URLs without one lead to (6) has whole milliseconds
/// there, and in `Retry-After` too (discord/discord-api-docs#2360), so the header is believed only where there is no such body: then
/// it is not Discord's API that answers but what stands before it. A limit that is used up gives no call before its reset.
pub(crate) fn wait(response: &Response) -> Option<Duration> {
    if response.status != 429 {
        return response.retry_after();
    }
    let asked = match response.json::<Limited>() {
        Ok(Limited { retry_after }) => match retry_after.as_u64() {
            Some(milliseconds) => http::seconds(milliseconds as f64 / 1000.0),
            None => retry_after.as_f64().and_then(http::seconds),
        },
        Err(_) => response.retry_after(),
    };
    asked.max(until_reset(response))
}

/// How long the limit that the request counted towards stays used up, if it is.
fn until_reset(response: &Response) -> Option<Duration> {
    let number = |name| response.header(name)?.trim().parse::<f64>().ok();
    let used_up = number("x-ratelimit-remaining").is_some_and(|remaining| remaining == 0.0);
    number("x-ratelimit-reset-after").filter(|_| used_up).and_then(http::seconds)
}

/// Says when the next call would come too early. A call knows nothing of the next one, so it can do no more.
pub(crate) fn note(response: &Response) {
    if let Some(reset) = until_reset(response) {
        log::debug(format!("Discord's limit for this webhook is used up for {} ms", reset.as_millis()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_provider::testing::response;

    fn waits(headers: &[(&str, &str)], body: &str) -> Option<u128> {
        wait(&response(429, headers, body)).map(|wait| wait.as_millis())
    }

    #[test]
    fn a_fraction_is_seconds_and_a_whole_number_milliseconds() {
        assert_eq!(waits(&[("Retry-After", "65")], r#"{"retry_after": 64.57, "global": false}"#), Some(64_570));
        assert_eq!(waits(&[("Retry-After", "2")], r#"{"retry_after": 1.0}"#), Some(1000));
        assert_eq!(waits(&[("Retry-After", "6457")], r#"{"retry_after": 6457}"#), Some(6457), "version 6");
        assert_eq!(waits(&[("Retry-After", "3600")], "error code: 1015"), Some(3_600_000), "no answer of the API");
        assert_eq!(waits(&[], "<html>"), None);
    }

    #[test]
    fn a_limit_that_is_used_up_is_waited_out() {
        let used_up = [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset-After", "1.25")];
        assert_eq!(waits(&used_up, r#"{"retry_after": 1}"#), Some(1250));
        assert_eq!(waits(&used_up, r#"{"retry_after": 1336.57}"#), Some(1_336_570), "one that is shared with others");
        assert_eq!(
            waits(&[("X-RateLimit-Remaining", "9"), ("X-RateLimit-Reset-After", "64.57")], r#"{"retry_after": 0.3}"#),
            Some(300)
        );
        assert_eq!(waits(&[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset-After", "soon")], ""), None);
    }
}
