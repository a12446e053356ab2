//! Jira's REST API, version 3: <https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/>.

use crate::connection::Connection;
use crate::errors;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
pub(crate) use postern_provider::http::Refusal;
use postern_provider::http::{Request, Response};
use postern_provider::prelude::*;
use serde::de::DeserializeOwned;

/// Everything but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Reads a resource.
pub(crate) fn get<T: DeserializeOwned>(connection: &Connection, path: &str) -> Result<T, Refusal> {
    Ok(send(connection, http::get(connection.url(path)))?.json()?)
}

/// Posts JSON and reads the answer.
pub(crate) fn post<T: DeserializeOwned>(connection: &Connection, path: &str, body: &impl Serialize) -> Result<T, Refusal> {
    Ok(send(connection, http::post(connection.url(path)).json(body))?.json()?)
}

/// Posts JSON where the answer has no content.
pub(crate) fn post_only(connection: &Connection, path: &str, body: &impl Serialize) -> Result<(), Refusal> {
    send(connection, http::post(connection.url(path)).json(body)).map(drop)
}

/// Puts JSON; the answer has no content.
pub(crate) fn put(connection: &Connection, path: &str, body: &impl Serialize) -> Result<(), Refusal> {
    send(connection, http::put(connection.url(path)).json(body)).map(drop)
}

/// Email and token as Basic credentials: <https://developer.atlassian.com/cloud/jira/platform/basic-auth-for-rest-apis/>.
fn send(connection: &Connection, request: Request) -> Result<Response, Refusal> {
    let request = request.basic(&connection.email, &connection.api_token).header("Accept", "application/json");
    let response = request.send()?;
    if response.is_success() {
        return Ok(response);
    }
    Err(Refusal::of(&response, errors::failure(&response)))
}

/// A page of a list. Pages say where the list ends by `isLast` or by `total`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    #[serde(rename = "values", alias = "issueTypes", alias = "fields")]
    entries: Vec<T>,
    is_last: Option<bool>,
    total: Option<usize>,
}

/// What was read of a list.
pub(crate) struct Listing<T> {
    pub(crate) entries: Vec<T>,
    /// Whether there is more than was read.
    pub(crate) more: bool,
}

/// How much of a list is read.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// How many pages at most: a call has eight requests.
    pub(crate) pages: usize,
    /// Entries in a page: the resource's greatest.
    pub(crate) page_size: usize,
}

/// Reads a list page by page until it ends. A page may be shorter than asked for without being the last.
pub(crate) fn list<T: DeserializeOwned>(connection: &Connection, path: &str, bounds: Bounds) -> Result<Listing<T>, Refusal> {
    let Bounds { pages, page_size } = bounds;
    let mut found = Vec::new();
    let separator = if path.contains('?') { '&' } else { '?' };
    for _ in 0..pages {
        let start = found.len();
        let Page { entries, is_last, total } =
            get(connection, &format!("{path}{separator}startAt={start}&maxResults={page_size}"))?;
        let ended = is_last.unwrap_or(false) || total.is_some_and(|total| start + entries.len() >= total);
        let last = ended || entries.is_empty();
        found.extend(entries);
        if last {
            return Ok(Listing { entries: found, more: false });
        }
    }
    Ok(Listing { entries: found, more: true })
}

/// A text as a part of a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}
