//! One request: what it says, to whom, and who sends it.

use crate::config::{Config, ContentType};
use crate::{authentication, signature};
use postern_provider::http::Request;
use postern_provider::prelude::*;
use std::time::Duration;

/// What the receiver gets unless there is a body template.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message<'a, D> {
    /// The delivery's id: the same on every attempt.
    pub(crate) id: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) timestamp: &'a str,
    pub(crate) subscription: Sender<'a>,
    pub(crate) data: D,
}

/// The subscription that the message comes from.
#[derive(Serialize)]
pub(crate) struct Sender<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
}

impl<D: Serialize> Message<'_, D> {
    /// The whole request. Its order is a promise: the usual headers, then authentication, then the custom headers, which
    /// may replace the usual ones but not authentication, and last the signature over the finished body.
    pub(crate) fn request(&self, config: &Config) -> Result<Request, Failure> {
        let text = match config.body_template.as_deref().filter(|text| !text.trim().is_empty()) {
            Some(text) => checked(text)?.to_owned(),
            None => serde_json::to_string(self)?,
        };
        let request = Request::new(config.method.name(), &config.url).timeout(Duration::from_millis(config.timeout.into()));
        let request = match config.content_type {
            ContentType::Json => request.header("Content-Type", "application/json").body(text),
            ContentType::Form => request.form([("payload", text)]),
        };
        let request = request
            .header("User-Agent", concat!("Postern-Webhook/", env!("CARGO_PKG_VERSION")))
            .header("X-Delivery-Id", self.id)
            .header("X-Event-Type", self.event_type);
        let request = authentication::add(request, config)?;
        let request = with_custom_headers(request, config)?;
        signature::add(request, config, self.id)
    }
}

/// A template's values are escaped for JSON, so anything else would be broken in a way that only the receiver notices.
fn checked(text: &str) -> Result<&str, Failure> {
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map(|_| text)
        .map_err(|error| Failure::never(format!("bodyTemplate made a text that is no JSON: {error}")))
}

fn with_custom_headers(mut request: Request, config: &Config) -> Result<Request, Failure> {
    let taken = authentication::header_name(config);
    for header in &config.custom_headers {
        let name = header.name.as_str();
        if name.get(..signature::PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(signature::PREFIX)) {
            return Err(Failure::never(format!("the custom header `{name}` belongs to the signature: remove it")));
        }
        if taken.is_some_and(|taken| taken.eq_ignore_ascii_case(name)) {
            return Err(Failure::never(format!(
                "the custom header `{name}` is set by authType too: remove it, or set authType to `none`"
            )));
        }
        request = request.header(name, &*header.value);
    }
    Ok(request)
}
