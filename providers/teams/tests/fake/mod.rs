//! A workflow behind its webhook, as the documentation describes it, with what it does after it has answered.
//!
//! - <https://learn.microsoft.com/azure/connectors/connectors-native-reqres>: 202 at once, unless the workflow answers itself.
//! - <https://learn.microsoft.com/connectors/teams>: what "Post card in a chat or channel" takes, and its bound of 28 KB.
//! - <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>: the shape of a message, and
//!   errors in an answer of 200.
//! - <https://learn.microsoft.com/adaptive-cards/schema-explorer/adaptive-card>: which elements there are, since which version, and
//!   what they need.
//! - <https://learn.microsoft.com/power-automate/oauth-authentication>: who may trigger it.
//!
//! The codes of errors are those that callers report; no page lists them.

use postern_provider::http::{Error, Request, Response};
use postern_provider::testing::{Server, header, json_body, json_response, query_fields, response};
use serde_json::{Value, json};

pub(crate) const WEBHOOK: &str = "https://default0123.4a.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/0a1b/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=sealed-signature";

/// What the workflow does when it is called.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// It answers at once, and posts afterwards.
    Accepted,
    /// A response action of its own: the status and the body.
    Own(u16, &'static str),
    /// Too many calls: `Retry-After`, if any.
    Throttled(Option<&'static str>),
}

pub(crate) struct Workflow {
    pub(crate) enabled: bool,
    /// Whether anyone may trigger it, or only who has signed in.
    pub(crate) anyone: bool,
    pub(crate) answer: Answer,
    /// The cards that are in the channel.
    pub(crate) cards: Vec<Value>,
    /// Why runs failed, after the caller was answered.
    pub(crate) failed_runs: Vec<String>,
}

impl Workflow {
    pub(crate) fn new() -> Self {
        Self { enabled: true, anyone: true, answer: Answer::Accepted, cards: Vec::new(), failed_runs: Vec::new() }
    }

    fn run(&mut self, request: &Request) {
        match posted(request) {
            Ok(card) => self.cards.push(card),
            Err(reason) => self.failed_runs.push(reason),
        }
    }
}

impl Server for Workflow {
    fn answer(&mut self, request: &Request) -> Result<Response, Error> {
        assert_eq!(request.method, "POST");
        assert_eq!(header(request, "Content-Type"), Some("application/json; charset=utf-8"), "or emoji are lost");
        let query = query_fields(request);
        let parameter = |name: &str| query.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        if parameter("api-version").is_none() {
            return Ok(problem(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            ));
        }
        if !self.anyone || parameter("sig").is_none() {
            let message = "The request to execute direct api requires the OAuth authorization scheme.";
            return Ok(problem(401, "DirectApiAuthorizationRequired", message));
        }
        if parameter("sig") != Some("sealed-signature") {
            return Ok(problem(401, "AuthorizationFailed", "The authentication credentials are not valid."));
        }
        if !self.enabled {
            let message = "Could not execute workflow '0a1b' trigger 'manual' with state 'Disabled': trigger is not enabled.";
            return Ok(problem(400, "WorkflowTriggerIsNotEnabled", message));
        }
        Ok(match self.answer {
            Answer::Throttled(wait) => {
                let headers: Vec<_> = wait.map(|wait| ("Retry-After", wait)).into_iter().collect();
                json_response(429, &headers, &json!({"error": {"code": "TooManyRequests", "message": "Rate limit is exceeded."}}))
            }
            Answer::Own(status, body) => response(status, &[], body),
            Answer::Accepted => {
                self.run(request);
                response(202, &[("x-ms-workflow-run-id", "08584")], "")
            }
        })
    }
}

fn problem(status: u16, code: &str, message: &str) -> Response {
    json_response(status, &[], &json!({"error": {"code": code, "message": message}}))
}

/// The card of a message that Teams takes, or why it does not.
fn posted(request: &Request) -> Result<Value, String> {
    let text = String::from_utf8(request.body.clone().unwrap()).unwrap();
    // Whichever encoding is meant by KB.
    if text.len() > 28 * 1024 || 2 * text.encode_utf16().count() > 28 * 1024 {
        return Err(format!("Request Entity too large: {} bytes", text.len()));
    }
    let message = json_body(request);
    if message["type"] != "message" {
        return Err("no message".into());
    }
    let [attachment] = message["attachments"].as_array().ok_or("no attachments")?.as_slice() else {
        return Err("one attachment".into());
    };
    if attachment["contentType"] != "application/vnd.microsoft.card.adaptive"
        || attachment.get("contentUrl") != Some(&Value::Null)
    {
        return Err("no card".into());
    }
    let card = &attachment["content"];
    let version: f64 = card["version"].as_str().unwrap_or_default().parse().map_err(|_| "no version")?;
    if card["type"] != "AdaptiveCard" || !(1.0..=1.5).contains(&version) {
        return Err("no Adaptive Card of a version that Teams shows".into());
    }
    for element in card["body"].as_array().ok_or("no body")? {
        check_element(element, version)?;
    }
    for action in card["actions"].as_array().into_iter().flatten() {
        let url = action["url"].as_str().unwrap_or_default();
        if action["type"] != "Action.OpenUrl" || !(url.starts_with("https://") || url.starts_with("http://")) {
            return Err(format!("an action that cannot be: {action}"));
        }
    }
    Ok(card.clone())
}

fn check_element(element: &Value, version: f64) -> Result<(), String> {
    let since = |needed: f64| if version >= needed { Ok(()) } else { Err(format!("came with {needed}: {element}")) };
    let one_of = |name: &str, allowed: &[&str]| match element.get(name) {
        Some(value) if !value.as_str().is_some_and(|value| allowed.contains(&value)) => Err(format!("{name}: {element}")),
        _ => Ok(()),
    };
    let text =
        |holder: &Value| holder["text"].as_str().filter(|text| !text.is_empty()).map(drop).ok_or(format!("no text: {holder}"));
    one_of("spacing", &["None", "Small", "Default", "Medium", "Large"])?;
    match element["type"].as_str() {
        Some("TextBlock") => text(element),
        Some("RichTextBlock") => {
            since(1.2)?;
            let inlines = element["inlines"].as_array().filter(|inlines| !inlines.is_empty()).ok_or("no inlines")?;
            inlines.iter().try_for_each(|run| {
                if run["type"] != "TextRun" {
                    return Err(format!("no TextRun: {run}"));
                }
                // A run is one line: what is behind a line break may not be shown.
                if run["text"].as_str().is_some_and(|text| text.contains('\n')) {
                    return Err(format!("two lines: {run}"));
                }
                text(run)
            })
        }
        Some("Container") => {
            if element.get("bleed").is_some() || !matches!(element["style"].as_str(), Some("default" | "emphasis")) {
                since(1.2)?;
            }
            one_of("style", &["default", "emphasis", "good", "attention", "warning", "accent"])?;
            let items = element["items"].as_array().ok_or("no items")?;
            items.iter().try_for_each(|item| check_element(item, version))
        }
        Some("FactSet") => {
            let facts = element["facts"].as_array().ok_or("no facts")?;
            let complete = facts.iter().all(|fact| fact["title"].is_string() && fact["value"].is_string());
            if complete { Ok(()) } else { Err(format!("an incomplete fact: {element}")) }
        }
        _ => Err(format!("no element: {element}")),
    }
}
