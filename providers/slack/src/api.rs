//! Slack's Web API: <https://docs.slack.dev/apis/web-api>.

use crate::connection::Connection;
use crate::errors;
use postern_provider::http::Response;
use postern_provider::prelude::*;
use postern_provider::text::one_line;
use serde::de::DeserializeOwned;

/// An error by its code, and the failure that it means.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Slack's code, if it gave one.
    pub(crate) code: Option<String>,
    pub(crate) failure: Failure,
}

impl Refusal {
    pub(crate) fn is(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    /// What `map_err` needs.
    pub(crate) fn into_failure(self) -> Failure {
        self.failure
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { code: None, failure }
    }
}

impl From<http::Error> for Refusal {
    fn from(error: http::Error) -> Self {
        Failure::from(error).into()
    }
}

/// What every answer has, whatever its status.
#[derive(Deserialize)]
struct Outcome {
    ok: bool,
    error: Option<String>,
    /// With `missing_scope`: the scope.
    needed: Option<String>,
    /// Which block is wrong, say.
    #[serde(default)]
    response_metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    messages: Vec<String>,
}

/// Calls a method that takes JSON.
pub(crate) fn post<T: DeserializeOwned>(connection: &Connection, method: &str, body: &impl Serialize) -> Result<T, Refusal> {
    let request = http::post(url(connection, method)).bearer(connection.bot_token()?).json(body);
    // Without the charset, Slack adds a warning to each answer.
    answer(&request.header("Content-Type", "application/json; charset=utf-8").send()?)
}

/// Calls a method that reads.
pub(crate) fn read<T: DeserializeOwned>(connection: &Connection, method: &str, arguments: &[(&str, &str)]) -> Result<T, Refusal> {
    answer(&http::post(url(connection, method)).bearer(connection.bot_token()?).form(arguments.iter().copied()).send()?)
}

fn url(connection: &Connection, method: &str) -> String {
    let host = if connection.government { "slack-gov.com" } else { "slack.com" };
    format!("https://{host}/api/{method}")
}

/// Reads an answer: errors come with HTTP 200 too.
fn answer<T: DeserializeOwned>(response: &Response) -> Result<T, Refusal> {
    if !response.is_success() {
        let code = response.json::<Outcome>().ok().and_then(|outcome| outcome.error);
        let reason = code.as_deref().map(|code| errors::explained(code, "")).unwrap_or_default();
        return Err(Refusal { code, failure: response.failure_because(&reason) });
    }
    let outcome: Outcome = response.json()?;
    if outcome.ok {
        return Ok(response.json()?);
    }
    let code = outcome.error.unwrap_or_else(|| "an error without a code".to_owned());
    let detail: Vec<_> = outcome.needed.into_iter().chain(outcome.response_metadata.messages).take(5).collect();
    let failure = errors::failure(&code, &one_line(&detail.join("; "))).waiting(response.retry_after());
    Err(Refusal { code: Some(code), failure })
}
