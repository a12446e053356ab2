//! Webex's API: <https://developer.webex.com/docs/basics>.

use crate::connection::Connection;
pub(crate) use postern_provider::http::Refusal;
use postern_provider::http::{Request, Response};
use postern_provider::prelude::*;
use postern_provider::text::one_line;

/// "The requested resource is temporarily unavailable."
const LOCKED: u16 = 423;

/// An error's body. What stands in `errors` says more than `message`, or the same.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    message: Option<String>,
    #[serde(default)]
    errors: Vec<Detail>,
    /// What Webex's support asks for.
    tracking_id: Option<String>,
}

#[derive(Deserialize)]
struct Detail {
    description: Option<String>,
}

/// The URL of a path.
pub(crate) fn url(connection: &Connection, path: &str) -> String {
    format!("{}{path}", origin(connection))
}

/// Whether a URL, the next page's say, is one of the API that the connection uses.
pub(crate) fn is_ours(connection: &Connection, url: &str) -> bool {
    url.strip_prefix(origin(connection)).is_some_and(|path| path.starts_with('/'))
}

fn origin(connection: &Connection) -> &'static str {
    if connection.government { "https://api-usgov.webex.com/v1" } else { "https://webexapis.com/v1" }
}

/// Sends a request by the connection's bot. An answer that is no success is an error.
pub(crate) fn send(connection: &Connection, request: Request) -> Result<Response, Refusal> {
    let response = request.bearer(&connection.bot_token).send()?;
    if response.is_success() { Ok(response) } else { Err(Refusal::of(&response, failure(&response))) }
}

fn failure(response: &Response) -> Failure {
    let reason = response.json::<Complaint>().ok().and_then(|complaint| {
        let description = complaint.errors.into_iter().find_map(|detail| detail.description);
        let text = one_line(&description.or(complaint.message)?);
        let tracking = complaint.tracking_id.map(|id| format!(" [{}]", one_line(&id))).unwrap_or_default();
        Some(format!("{text}{tracking}"))
    });
    let advice = match response.status {
        401 => "enter the bot's token anew in the connection",
        403 => "the bot is not allowed to do this: is it in the space, and may it post there?",
        404 => "check the space: it is gone, or the bot is not in it",
        _ => "",
    };
    let parts: Vec<_> = reason.into_iter().chain((!advice.is_empty()).then(|| advice.to_owned())).collect();
    let Failure { message, retry } = response.failure_retrying(&[LOCKED]);
    let message =
        if parts.is_empty() { message } else { format!("Webex answered HTTP {}: {}", response.status, parts.join("; ")) };
    Failure { message, retry }
}
