//! Telegram's Bot API: <https://core.telegram.org/bots/api#making-requests>.
//!
//! Answers are looked at as JSON values. A type for each would say the same and make the component larger than one may be.

use crate::connection::Connection;
use crate::errors;
use postern_provider::http::Response;
use postern_provider::prelude::*;
use postern_provider::text::one_line;
use serde_json::Value;

/// An error by its description, and the failure that it means.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// In lower case; empty if Telegram said nothing.
    description: String,
    /// The number that the group has now.
    pub(crate) migrated_to: Option<i64>,
    pub(crate) failure: Failure,
}

impl Refusal {
    pub(crate) fn is(&self, descriptions: &[&str]) -> bool {
        descriptions.iter().any(|description| self.description.contains(description))
    }

    /// What `map_err` needs.
    pub(crate) fn into_failure(self) -> Failure {
        self.failure
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { description: String::new(), migrated_to: None, failure }
    }
}

impl From<http::Error> for Refusal {
    fn from(error: http::Error) -> Self {
        Failure::from(error).into()
    }
}

/// Calls a method and returns its result.
pub(crate) fn call(connection: &Connection, method: &str, arguments: &Value) -> Result<Value, Refusal> {
    let url = format!("https://api.telegram.org/bot{}/{method}", connection.bot_token);
    answer(&http::post(url).json(arguments).send()?)
}

/// A whole number in a result.
pub(crate) fn number(result: &Value, pointer: &str) -> Result<i64, Failure> {
    let found = result.pointer(pointer).and_then(Value::as_i64);
    found.ok_or_else(|| Failure::backoff(format!("Telegram's answer has no number at {pointer}")))
}

fn answer(response: &Response) -> Result<Value, Refusal> {
    let mut body: Value = match response.json() {
        Ok(body) => body,
        // A proxy's page, say.
        Err(no_json) => return Err(if response.is_success() { no_json } else { response.failure() }.into()),
    };
    if response.is_success() && body["ok"] == true {
        return Ok(body["result"].take());
    }
    let description = one_line(body["description"].as_str().unwrap_or("an error without a description"));
    let message = format!("Telegram answered HTTP {}: {}", response.status, errors::explained(&description));
    // <https://core.telegram.org/bots/api#responseparameters>
    let parameters = &body["parameters"];
    let delay = parameters["retry_after"].as_f64().and_then(http::seconds).or_else(|| response.retry_after());
    let failure = Failure { message, ..response.failure() }.waiting(delay);
    let migrated_to = parameters["migrate_to_chat_id"].as_i64();
    Err(Refusal { description: description.to_lowercase(), migrated_to, failure })
}
