//! GitHub's REST API: <https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api>.
//!
//! Answers are looked at as JSON values, which keeps the component small.

use crate::connection::Connection;
use crate::errors;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
pub(crate) use postern_provider::http::Refusal;
use postern_provider::http::{Request, Response};
use postern_provider::prelude::*;
use serde_json::Value;

/// The version that the requests are written for: <https://docs.github.com/en/rest/about-the-rest-api/api-versions>.
const VERSION: &str = "2022-11-28";

/// Reads a resource.
pub(crate) fn get(connection: &Connection, path: &str) -> Result<Value, Refusal> {
    read(&send(connection, http::get(connection.url(path)))?)
}

/// Whether a resource is there, whose answer has no content.
pub(crate) fn exists(connection: &Connection, path: &str) -> Result<bool, Refusal> {
    match send(connection, http::get(connection.url(path))) {
        Ok(_) => Ok(true),
        Err(Refusal { status: Some(404), .. }) => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

/// Posts JSON and reads the answer.
pub(crate) fn post(connection: &Connection, path: &str, body: &Value) -> Result<Value, Refusal> {
    read(&send(connection, http::post(connection.url(path)).json(body))?)
}

/// Changes a resource.
pub(crate) fn patch(connection: &Connection, path: &str, body: &Value) -> Result<(), Refusal> {
    send(connection, http::patch(connection.url(path)).json(body)).map(drop)
}

/// What was read of a list.
pub(crate) struct Listing {
    pub(crate) entries: Vec<Value>,
    /// Whether there is more than was read.
    pub(crate) more: bool,
}

/// Reads a list page by page, by the links that lead on:
/// <https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api>.
///
/// A page holds at most 100 entries. Take fewer where they are large: an answer is cut at 1 MiB.
pub(crate) fn list(connection: &Connection, path: &str, pages: usize) -> Result<Listing, Refusal> {
    let mut entries = Vec::new();
    let mut url = connection.url(path);
    for _ in 0..pages {
        let response = send(connection, http::get(&url))?;
        match read(&response)? {
            Value::Array(page) => entries.extend(page),
            _ => return Err(Failure::backoff("GitHub's answer is no list").into()),
        }
        match response.link("next") {
            Some(next) => next.clone_into(&mut url),
            None => return Ok(Listing { entries, more: false }),
        }
    }
    Ok(Listing { entries, more: true })
}

/// Whether a text is `OWNER/NAME`, and leads nowhere else as a part of a path.
pub(crate) fn is_repository(text: &str) -> bool {
    let is_part = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        part.bytes().all(fits) && !part.bytes().all(|byte| byte == b'.')
    };
    text.split_once('/').is_some_and(|(owner, name)| is_part(owner) && is_part(name))
}

/// A text as a part of a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// An issue's number, which must be there.
pub(crate) fn number(value: &Value) -> Result<u64, Failure> {
    value["number"].as_u64().ok_or_else(|| Failure::backoff("GitHub's answer has no issue's number"))
}

fn read(response: &Response) -> Result<Value, Refusal> {
    Ok(response.json()?)
}

/// The host's own `User-Agent` goes along, without which GitHub refuses everything.
fn send(connection: &Connection, request: Request) -> Result<Response, Refusal> {
    let request =
        request.bearer(&connection.token).header("Accept", "application/vnd.github+json").header("X-GitHub-Api-Version", VERSION);
    let response = request.send()?;
    if response.is_success() {
        return Ok(response);
    }
    Err(Refusal::of(&response, errors::failure(&response)))
}
