//! The way to ntfy: <https://docs.ntfy.sh/publish/>.
//!
//! Answers are looked at as JSON values, which keeps the component small.

use crate::connection::{Authentication, Connection};
use crate::errors;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use postern_provider::http::{Request, Response};
use postern_provider::prelude::*;
use serde_json::Value;

/// Publishes a message and returns it as the server has it.
pub(crate) fn publish(connection: &Connection, body: &Value) -> Result<Value, Failure> {
    let published = send(connection, http::post(connection.url("")).json(body))?.json::<Value>().unwrap_or_default();
    match published["id"].is_string() {
        true => Ok(published),
        // A proxy's or a sign-in page's, say.
        false => Err(strange("a message's id")),
    }
}

/// The messages with a title that the server still keeps, 12 hours unless it is set otherwise:
/// <https://docs.ntfy.sh/subscribe/api/#fetch-cached-messages>, <https://docs.ntfy.sh/subscribe/api/#filter-messages>. Each is a
/// line of the answer.
pub(crate) fn kept(connection: &Connection, topic: &str, title: &str) -> Result<Vec<Value>, Failure> {
    let title = utf8_percent_encode(title, NON_ALPHANUMERIC);
    let answer = send(connection, http::get(connection.url(&format!("{topic}/json?poll=1&since=all&title={title}"))))?;
    Ok(answer.text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Asks whether the server is well: <https://docs.ntfy.sh/config/#health-checks>. Wrong credentials are refused here as
/// everywhere.
pub(crate) fn health(connection: &Connection) -> Result<(), Failure> {
    let health = send(connection, http::get(connection.url("v1/health")))?.json::<Value>().unwrap_or_default();
    match health["healthy"].as_bool() {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::backoff("the server says of itself that it is not healthy")),
        None => Err(strange("the server's health")),
    }
}

/// Sends a request with the connection's credentials: <https://docs.ntfy.sh/publish/#authentication>.
fn send(connection: &Connection, request: Request) -> Result<Response, Failure> {
    let request = match (connection.authentication, &connection.token, &connection.username, &connection.password) {
        (Authentication::Token, Some(token), ..) => request.bearer(token),
        (Authentication::Password, _, Some(name), Some(password)) => request.basic(name, password),
        _ => request,
    };
    let response = request.send()?;
    if response.is_success() { Ok(response) } else { Err(errors::failure(&response)) }
}

fn strange(missing: &str) -> Failure {
    Failure::backoff(format!("a success came without {missing}: is the connection's URL that of an ntfy server?"))
}
