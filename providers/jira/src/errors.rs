//! What Jira's refusals mean: whether to try again, and what an administrator can do.
//!
//! A refusal has `errorMessages`, a list, and `errors`, by the fields that they are about
//! (<https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/#status-codes>). Limits of rates come as HTTP 429 with
//! `Retry-After`, `X-RateLimit-Reset` and `RateLimit-Reason`
//! (<https://developer.atlassian.com/cloud/jira/platform/rate-limiting/>).

use postern_provider::clock;
use postern_provider::http::Response;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, one_line};
use std::collections::BTreeMap;
use std::time::Duration;

/// How much of Jira's own words a message quotes.
const QUOTED: Limit = Limit::characters(1000);

/// Two changes of one issue met: <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/>.
const CONFLICT: u16 = 409;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body {
    error_messages: Vec<String>,
    errors: BTreeMap<String, serde_json::Value>,
    /// What Atlassian's gateway says in their place.
    message: Option<String>,
}

/// The failure that an answer means.
pub(crate) fn failure(response: &Response) -> Failure {
    let retry = response.failure_retrying(&[CONFLICT]).retry;
    let words = words(response);
    let separator = if words.is_empty() { "" } else { ": " };
    let advice = advice(response, &words).map(|advice| format!(" ({advice})")).unwrap_or_default();
    let message = format!("Jira answered HTTP {}{separator}{words}{advice}", response.status);
    Failure { message, retry }.waiting(response.retry_after().or_else(|| until_reset(response)))
}

/// Jira's own words, on one line. What is no JSON is a page of a proxy, which helps nobody.
fn words(response: &Response) -> String {
    let body: Body = response.json().unwrap_or_default();
    let by_field = body.errors.iter().map(|(field, error)| match error.as_str() {
        Some(text) if text.contains(field.as_str()) => text.to_owned(),
        Some(text) => format!("{field}: {text}"),
        None => format!("{field}: {error}"),
    });
    let all: Vec<_> = body.error_messages.into_iter().chain(by_field).chain(body.message).collect();
    QUOTED.shorten(&one_line(&all.join("; "))).into_owned()
}

fn advice(response: &Response, words: &str) -> Option<String> {
    let says = |text: &str| words.to_lowercase().contains(text);
    let header = |name: &str| response.header(name).unwrap_or_default().to_owned();
    let advice = match response.status {
        // Without the permission to create or edit, Jira says the same of every field: JRACLOUD-67725.
        400 if says("not on the appropriate screen") => {
            "put the field on the project's create screen or take it out of the settings; without the permission \
             to create issues, Jira says this of all fields"
        }
        400 if says("operation value must be an atlassian document") => "the field holds paragraphs: set its type to `paragraph`",
        400 if says("permission") => "give the account this permission in the project",
        400 if says("is required") => "map this field in the settings, or give it a default in Jira",
        401 if header("x-seraph-loginreason").contains("AUTHENTICATION_DENIED") => {
            "Jira wants a CAPTCHA: sign in once in a browser, and check email and API token"
        }
        401 => {
            "check email and API token: it may have expired or been revoked; one with scopes needs the site's address at \
             api.atlassian.com"
        }
        403 => "the account may not do this: check its permissions in the project, its licence, and the token's scopes",
        404 => "it is not there, or the account has no permission to see it",
        CONFLICT => "another change of the same issue came first",
        413 => "the issue has as many comments as it may: close it, so that a new one is made",
        422 => "a problem in Jira's configuration prevents it: ask a Jira administrator",
        429 => return Some(limit_meaning(&header("ratelimit-reason"))),
        _ => return None,
    };
    Some(advice.to_owned())
}

/// The kinds of limits.
fn limit_meaning(reason: &str) -> String {
    let meaning = match reason {
        "jira-burst-based" => "too many requests of one kind in a second",
        "jira-per-issue-on-write" => "too many changes of one issue: 20 in 2 seconds, 100 in 30",
        "jira-quota-global-based" | "jira-quota-tenant-based" => "the hour's quota is used up",
        _ => "too many requests",
    };
    if reason.is_empty() {
        meaning.to_owned()
    } else {
        format!("{meaning}; {}", Limit::characters(60).shorten(&one_line(reason)))
    }
}

/// How long the limit lasts, where `Retry-After` does not say it. The time is written `2026-01-01T01:01:01Z`, or without
/// seconds.
fn until_reset(response: &Response) -> Option<Duration> {
    let text = response.header("x-ratelimit-reset")?.trim();
    let whole = match text.strip_suffix('Z') {
        Some(minute) if minute.len() == "2026-01-01T01:01".len() => format!("{minute}:00Z"),
        _ => text.to_owned(),
    };
    let reset = humantime::parse_rfc3339(&whole).ok()?;
    Some(reset.duration_since(clock::now()).unwrap_or_default())
}
