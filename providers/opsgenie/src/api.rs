//! The Alert API: <https://docs.opsgenie.com/docs/alert-api>, <https://docs.opsgenie.com/docs/response>.
//!
//! What changes alerts is worked on later: 202 says that a request is well-formed, and "Get Request Status" what became of it.

use crate::connection::Connection;
pub(crate) use postern_provider::http::Refusal;
use postern_provider::http::{Request, Response};
use postern_provider::prelude::*;
use postern_provider::text::one_line;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// How often the outcome is asked for at once. Each question counts for the rate limit, and a later event of the entity asks
/// again where it matters.
const QUESTIONS: u32 = 2;

/// How long one such question may take, so that no delivery lasts long because of them.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an error's answer has: `{"message": "…", "errors": {"priority": "should be one of …"}, "took": 0.1, "requestId": "…"}`.
#[derive(Default, Deserialize)]
struct Trouble {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Value,
}

impl Trouble {
    /// The fields' errors say it better than the message, which only asks to look at them.
    fn reason(self) -> String {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let fields = self.errors.as_object().into_iter().flatten();
        let errors: Vec<_> = fields.map(|(field, error)| format!("{field}: {}", text(error))).collect();
        if errors.is_empty() { self.message } else { errors.join("; ") }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    #[serde(default)]
    request_id: String,
}

/// What became of a request that was accepted.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was done, to this alert.
    Done { alert: String },
    /// It was not, for this reason.
    Failed(String),
    /// It is not worked on yet, or cannot be asked for.
    Unknown { request: String },
}

impl Outcome {
    /// The external id says what it names.
    pub(crate) fn receipt(&self) -> Receipt {
        match self {
            Self::Done { alert } if is_id(alert) => Receipt::with_external_id(format!("alert:{alert}")),
            Self::Unknown { request } if is_id(request) => Receipt::with_external_id(format!("request:{request}")),
            _ => Receipt::none(),
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Data<T> {
    pub(crate) data: T,
}

/// <https://docs.opsgenie.com/docs/alert-api>, "Get Request Status". Both fields for the success are documented by example.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    is_success: Option<bool>,
    success: Option<bool>,
    #[serde(default)]
    status: String,
    #[serde(default)]
    alert_id: String,
}

/// Asks for something to be done under `/v2/alerts`; the answer names the request.
pub(crate) fn post(connection: &Connection, path: &str, body: &Value) -> Result<String, Refusal> {
    let response = send(connection, http::post(url(connection, &format!("/v2/alerts{path}"))).json(body))?;
    // It was accepted: an answer that cannot be read must not have it sent again.
    Ok(response.json::<Accepted>().map(|accepted| accepted.request_id).unwrap_or_default())
}

/// Reads something.
pub(crate) fn get<T: DeserializeOwned>(connection: &Connection, path: &str) -> Result<T, Refusal> {
    Ok(send(connection, http::get(url(connection, path)))?.json()?)
}

/// What became of a request. No trouble in asking fails what was accepted.
pub(crate) fn outcome(connection: &Connection, request: String) -> Outcome {
    if !is_id(&request) {
        log::info("accepted; the answer names no request whose outcome could be asked for");
        return Outcome::Unknown { request };
    }
    for _ in 0..QUESTIONS {
        match status(connection, &request) {
            Ok(Some(outcome)) => return outcome,
            Ok(None) => {}
            Err(failure) => {
                log::info(format!("accepted as request {request}, whose outcome cannot be asked for: {failure}"));
                return Outcome::Unknown { request };
            }
        }
    }
    log::info(format!("accepted as request {request}, which is not worked on yet"));
    Outcome::Unknown { request }
}

/// `None` while it is not worked on: 404, "Request not found. It might not be processed, yet."
pub(crate) fn status(connection: &Connection, request: &str) -> Result<Option<Outcome>, Failure> {
    let question = http::get(url(connection, &format!("/v2/alerts/requests/{request}"))).timeout(PATIENCE);
    let status = match send(connection, question) {
        Ok(response) => response.json::<Data<Status>>()?.data,
        Err(refusal) if refusal.status == Some(404) => return Ok(None),
        Err(refusal) => return Err(refusal.failure),
    };
    Ok(Some(match status.is_success.or(status.success) {
        Some(true) => Outcome::Done { alert: status.alert_id },
        Some(false) => Outcome::Failed(one_line(&status.status)),
        None => Outcome::Unknown { request: request.to_owned() },
    }))
}

fn url(connection: &Connection, path: &str) -> String {
    format!("{}{path}", connection.service.base())
}

fn send(connection: &Connection, request: Request) -> Result<Response, Refusal> {
    let response = request.header("Authorization", format!("GenieKey {}", connection.api_key)).send()?;
    if response.is_success() {
        return Ok(response);
    }
    let reason = response.json::<Trouble>().unwrap_or_default().reason();
    // https://docs.opsgenie.com/docs/api-rate-limiting: the time of the throttle in seconds, 1 or 60.
    let period = response.header("X-RateLimit-Period-In-Sec").and_then(|text| text.trim().parse().ok()).and_then(http::seconds);
    let delay = response.retry_after().or(period.filter(|_| response.status == 429));
    let mut failure = response.failure_because(&reason).waiting(delay);
    if let Some(advice) = advice(response.status) {
        failure.message.push_str(advice);
    }
    Err(Refusal::of(&response, failure))
}

/// By the table of <https://docs.opsgenie.com/docs/response>.
fn advice(status: u16) -> Option<&'static str> {
    Some(match status {
        401 => "; the key is unknown or its integration is switched off: check the key and the service in the connection",
        402 => "; the account's plan does not include this",
        403 => "; the key must be the one of an integration of the type \"API\" that may create and update alerts",
        _ => return None,
    })
}

/// The request that an external id names.
pub(crate) fn request_of(external_id: &str) -> Option<&str> {
    external_id.strip_prefix("request:").filter(|request| is_id(request))
}

/// Letters, digits and hyphens, as all their ids have: what may stand in a URL and in an external id.
fn is_id(text: &str) -> bool {
    (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
