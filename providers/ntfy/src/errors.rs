//! What ntfy's errors mean. They have a code, whose first three digits are HTTP's status, and words: `{code, http, error, link}`.
//! The codes are those of the open server (binwiederhier/ntfy, `server/errors.go`).

use postern_provider::http::Response;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, one_line};
use serde_json::Value;
use std::time::Duration;

const QUOTED: Limit = Limit::characters(300);

/// The day's messages are used up.
const DAILY_QUOTA: u64 = 42_908;

/// The topic is one of UnifiedPush, which needs a subscriber first.
const NO_SUBSCRIBER: u64 = 50_701;

/// When to try again after [`DAILY_QUOTA`]: ntfy does not say how much of the day is left, and a schedule of minutes would be
/// over long before.
const QUOTA_WAIT: Duration = Duration::from_secs(60 * 60);

/// The failure that an answer means.
pub(crate) fn failure(response: &Response) -> Failure {
    let body: Value = response.json().unwrap_or_default();
    // A proxy's page, say.
    let Some(words) = body["error"].as_str() else { return response.failure() };
    let code = body["code"].as_u64().unwrap_or_default();
    let advice = advice(code).map(|advice| format!(" ({advice})")).unwrap_or_default();
    let message = format!("ntfy answered HTTP {}: {}{advice}", response.status, QUOTED.shorten(&one_line(words)));
    match code {
        NO_SUBSCRIBER => Failure::never(message),
        DAILY_QUOTA => Failure { message, ..response.failure() }.waiting(response.retry_after().or(Some(QUOTA_WAIT))),
        _ => Failure { message, ..response.failure() },
    }
}

fn advice(code: u64) -> Option<&'static str> {
    Some(match code {
        40_009 | 40_010 => "choose another topic",
        40_014 => {
            "the server's `message-size-limit` is smaller than 4096 bytes, and it takes no files: write a shorter message template"
        }
        40_101 => "check the credentials in the connection",
        40_301 => "the topic is protected: enter the credentials of a user who may write to it in the connection",
        42_901 => "the server takes fewer requests from this host; its `visitor-request-limit-exempt-hosts` can name it",
        42_904 => "the server has as many topics as it may: ask its administrator",
        DAILY_QUOTA => "an account with a higher limit can send more in a day",
        42_909 => "too many logins of this host have failed: check the credentials in the connection",
        NO_SUBSCRIBER => "names that begin with `up` and have 14 characters belong to UnifiedPush: choose another topic",
        _ => return None,
    })
}
