//! Requests to Discord, and what its answers mean.

use crate::errors;
use crate::rate_limit;
use postern_provider::http::{Request, Response};
use postern_provider::prelude::*;
use serde_json::Value;

/// What Discord asks for: <https://docs.discord.com/developers/reference#user-agent>. Clients without it may be blocked.
const USER_AGENT: &str = concat!("DiscordBot (postern-provider-discord, ", env!("CARGO_PKG_VERSION"), ")");

/// How deep the errors of a form are looked into: an embed's field's value is the fifth level.
const DEEPEST: usize = 12;

/// An answer that is no success: its code, and the failure that it means.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The answer's status; 0 if there is none.
    pub(crate) status: u16,
    /// Discord's code, if it gave one.
    pub(crate) code: Option<u64>,
    pub(crate) failure: Failure,
}

impl Refusal {
    /// What `map_err` needs.
    pub(crate) fn into_failure(self) -> Failure {
        self.failure
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { status: 0, code: None, failure }
    }
}

/// An error's body: <https://docs.discord.com/developers/reference#error-messages>; with 429,
/// <https://docs.discord.com/developers/topics/rate-limits#exceeding-a-rate-limit>.
#[derive(Default, Deserialize)]
struct Problem {
    code: Option<u64>,
    message: Option<String>,
    #[serde(default)]
    errors: Value,
    #[serde(default)]
    global: bool,
}

/// Sends a request. Only a success is `Ok`.
pub(crate) fn send(request: Request) -> Result<Response, Refusal> {
    let response = request.header("User-Agent", USER_AGENT).send().map_err(Failure::from)?;
    rate_limit::note(&response);
    if response.is_success() { Ok(response) } else { Err(refusal(&response)) }
}

fn refusal(response: &Response) -> Refusal {
    let problem: Problem = response.json().unwrap_or_default();
    let mut failure = response.failure_because(&explained(&problem));
    if failure.retry == Retry::Never && problem.code.is_some_and(errors::is_temporary) {
        failure = Failure::backoff(failure.message);
    }
    Refusal { status: response.status, code: problem.code, failure: failure.waiting(rate_limit::wait(response)) }
}

/// What Discord says, and what an administrator can do.
fn explained(problem: &Problem) -> String {
    let Some(message) = &problem.message else { return String::new() };
    let mut text = message.clone();
    if problem.global {
        text.push_str(" (the limit of all requests from this host)");
    }
    if let Some((path, reason)) = first_error(&problem.errors, String::new(), 0) {
        text.push_str(&format!(": {path}: {reason}"));
    }
    if let Some(advice) = problem.code.and_then(errors::advice) {
        text.push_str(&format!(" ({advice})"));
    }
    text
}

/// The first of a form's errors, with the place that it is about: `embeds.0.title`.
fn first_error(errors: &Value, path: String, depth: usize) -> Option<(String, String)> {
    let fields = errors.as_object().filter(|_| depth < DEEPEST)?;
    if let Some(reason) = fields.get("_errors").and_then(|list| list.get(0)?.get("message")?.as_str()) {
        let place = if path.is_empty() { "the message".to_owned() } else { path };
        return Some((place, reason.to_owned()));
    }
    fields.iter().find_map(|(name, inner)| {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        first_error(inner, path, depth + 1)
    })
}
