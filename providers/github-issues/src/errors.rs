//! What GitHub's refusals mean: whether to try again, and what an administrator can do.
//!
//! A refusal has a `message`, and `errors` where fields are wrong:
//! <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api>. Limits come as 403 or 429:
//! <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit>.

use postern_provider::clock;
use postern_provider::http::Response;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, one_line};
use serde_json::Value;
use std::time::Duration;

/// How much of GitHub's own words a message quotes.
const QUOTED: Limit = Limit::characters(500);

/// "Otherwise, wait for at least one minute before retrying."
const LIMIT_WAIT: Duration = Duration::from_secs(60);

/// The failure that an answer means.
pub(crate) fn failure(response: &Response) -> Failure {
    let words = words(&response.json().unwrap_or_default());
    let limit = limit(response, &words);
    let advice = match limit {
        Some(_) if words.to_lowercase().contains("secondary") => {
            Some("GitHub limits what is made in a short time: 80 a minute, 500 an hour".to_owned())
        }
        Some(_) => Some("the account's requests are used up for now".to_owned()),
        None => advice(response, &words.to_lowercase()),
    };
    let separator = if words.is_empty() { "" } else { ": " };
    let advice = advice.map(|advice| format!(" ({advice})")).unwrap_or_default();
    let message = format!("GitHub answered HTTP {}{separator}{words}{advice}", response.status);
    match limit {
        Some(delay) => Failure::backoff(message).waiting(Some(delay)),
        None => Failure { message, ..response.failure() },
    }
}

/// How long a limit lasts, if that is what an answer means. A refusal of another kind with the last request of the hour looks the
/// same; it waits for the next hour too.
fn limit(response: &Response, words: &str) -> Option<Duration> {
    if !matches!(response.status, 403 | 429) {
        return None;
    }
    let used_up = response.header("x-ratelimit-remaining").is_some_and(|remaining| remaining.trim() == "0");
    let named = response.status == 429 || words.to_lowercase().contains("rate limit");
    let until_reset = || {
        let reset: u64 = response.header("x-ratelimit-reset")?.trim().parse().ok()?;
        // The number is whole: what is left of its second is waited for too.
        Some(Duration::from_secs(reset.saturating_sub(clock::unix_seconds()) + 1))
    };
    let told = response.retry_after().or_else(|| until_reset().filter(|_| used_up));
    told.or(Some(LIMIT_WAIT).filter(|_| used_up || named))
}

/// GitHub's own words, on one line: `Validation Failed: title is too long; assignees: invalid`.
fn words(body: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let error = |error: &Value| match (error.as_str(), error["message"].as_str()) {
        (Some(text), _) | (None, Some(text)) => text.to_owned(),
        _ => format!("{}: {}", text(&error["field"]), text(&error["code"])),
    };
    let errors: Vec<_> = body["errors"].as_array().into_iter().flatten().take(10).map(error).collect();
    let message = text(&body["message"]);
    let all = if errors.is_empty() { message } else { format!("{message}: {}", errors.join("; ")) };
    QUOTED.shorten(&one_line(&all)).into_owned()
}

fn advice(response: &Response, words: &str) -> Option<String> {
    let header = |name: &str| response.header(name).map(one_line).filter(|text| !text.is_empty());
    let advice = match response.status {
        301 | 302 | 307 | 308 => "the repository was renamed or moved: enter its new name in the subscription",
        401 => "check the token: it may have expired or been revoked",
        403 if header("x-github-sso").is_some() => "authorize the token for the organization's single sign-on",
        403 if words.contains("not accessible") => {
            let needed = header("x-accepted-github-permissions").unwrap_or_else(|| "issues=write".to_owned());
            return Some(format!("give the token the permission {}", Limit::characters(100).shorten(&needed)));
        }
        403 if words.contains("archived") => "the repository is archived: choose another",
        403 if words.contains("locked") => "the issue is locked: unlock it",
        403 => "the token or its account may not do this",
        404 => "it is not there, or the token may not see it: check the repository, and the token's permissions",
        410 => "issues are switched off in the repository, or the issue was deleted",
        422 if words.contains("assignee") => "each assignee needs access to the repository",
        422 if words.contains("milestone") => "the repository has no such milestone: choose another",
        _ => return None,
    };
    Some(advice.to_owned())
}
