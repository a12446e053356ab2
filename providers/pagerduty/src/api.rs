//! Sends an event, and reads the answer: <https://developer.pagerduty.com/docs/events-api-v2/overview/>, "Response Codes &
//! Retry Logic".

use crate::connection::Connection;
use postern_provider::prelude::*;
use serde_json::Value;

/// What an error's answer has: `{"status": "invalid event", "message": "Event object is invalid", "errors": ["…"]}`.
#[derive(Deserialize)]
struct Refusal {
    message: Option<String>,
    #[serde(default)]
    errors: Value,
}

/// Sends an event. PagerDuty answers 202 before it has looked at everything: what it drops later, it does not say.
pub(crate) fn send(connection: &Connection, body: &Value) -> Result<(), Failure> {
    let response = http::post(format!("https://{}/v2/enqueue", connection.region.host())).json(body).send()?;
    if response.is_success() {
        return Ok(());
    }
    // 429 and 5xx are tried again; the vendor suggests some minutes, as the usual schedule has them.
    let refusal = response.json::<Refusal>().ok();
    let reason = refusal.as_ref().map(Refusal::reason).unwrap_or_default();
    let mut failure = response.failure_because(&reason);
    if let Some(advice) = advice(&reason) {
        failure.message.push_str(advice);
    }
    Err(failure)
}

impl Refusal {
    /// The list of errors says it better than the message.
    fn reason(&self) -> String {
        let errors: Vec<_> = match &self.errors {
            Value::Array(errors) => errors.iter().filter_map(Value::as_str).collect(),
            Value::String(error) => vec![error],
            _ => Vec::new(),
        };
        let message = self.message.as_deref().unwrap_or_default();
        match (message.is_empty(), errors.is_empty()) {
            (_, true) => message.to_owned(),
            (true, false) => errors.join("; "),
            (false, false) => format!("{message}: {}", errors.join("; ")),
        }
    }
}

fn advice(reason: &str) -> Option<&'static str> {
    let reason = reason.to_lowercase();
    (reason.contains("routing_key") || reason.contains("routing key")).then_some(
        " (enter the key of an \"Events API V2\" integration in the connection, and check the connection's service region)",
    )
}
