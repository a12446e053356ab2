//! Posts to a workflow's webhook, and reads what it answers.

use crate::connection::Connection;
use crate::errors;
use postern_provider::http::Response;
use postern_provider::prelude::*;
use serde_json::Value;

/// An error as workflows write it: `{"error": {"code": "…", "message": "…"}}`.
#[derive(Deserialize)]
struct Problem {
    error: Detail,
}

#[derive(Deserialize)]
struct Detail {
    code: Option<Value>,
    message: Option<String>,
}

/// Posts a message. A workflow without a response of its own answers 202 before it has done anything
/// (<https://learn.microsoft.com/azure/connectors/connectors-native-reqres>), so a success means that it runs, not that the card
/// is in the channel.
pub(crate) fn post(connection: &Connection, message: &Value) -> Result<(), Failure> {
    // The charset is for emoji: https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format
    let request = http::post(&connection.webhook_url).json(message).header("Content-Type", "application/json; charset=utf-8");
    let response = request.send()?;
    let problem = response.json::<Problem>().ok().map(|problem| problem.error);
    if !response.is_success() {
        return Err(match problem {
            Some(Detail { code, message }) => {
                response.failure_because(&errors::explained(&name(code), &message.unwrap_or_default()))
            }
            None => response.failure(),
        });
    }
    match hidden(&response, problem) {
        Some(failure) => Err(failure.waiting(response.retry_after())),
        None => Ok(()),
    }
}

/// An error that stands in the body of a success. A workflow may answer with what Teams told it; and Teams' own webhooks answer 200
/// with `Microsoft Teams endpoint returned HTTP error 429`
/// (<https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>).
fn hidden(response: &Response, problem: Option<Detail>) -> Option<Failure> {
    let text = response.text();
    if let Some(status) = told_status(&text) {
        return Some(errors::by_status(status, text.trim()));
    }
    let Detail { code, message } = problem?;
    let (code, message) = (name(code), message.unwrap_or_default());
    Some(match code.parse() {
        Ok(status) => errors::by_status(status, &message),
        Err(_) => errors::by_code(&code, &message),
    })
}

/// The number behind `HTTP error`.
fn told_status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("HTTP error ")?;
    rest.get(..3)?.parse().ok()
}

/// A code is a word, or a status.
fn name(code: Option<Value>) -> String {
    match code {
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        _ => "an error without a code".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::told_status;

    #[test]
    fn a_status_is_read_where_it_is_told() {
        let told =
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId tcid=1";
        assert_eq!(told_status(told), Some(429));
        for other in ["", "1", "HTTP error", "HTTP error soon", "HTTP error ä", "HTTP error 4"] {
            assert_eq!(told_status(other), None, "{other}");
        }
    }
}
