//! What is kept of a request: one exchange, without secrets and within bounds, and one line in the log.

use crate::broker::Call;
use crate::connecting::Connecting;
use crate::headers::basic_credentials;
use crate::message::{Denial, Header, Request, SendError};
use crate::seal::Seals;
use postern_core::delivery::{Body, Exchange, ExchangeResult};
use postern_core::manifest::SECRET_MARK;
use postern_core::time::Timestamp;
use postern_core::timings::Timings;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use url::{Position, Url};

/// Headers whose values are credentials, whoever they belong to.
const CREDENTIALS: [&str; 12] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "api-key",
    "x-api-key",
    "apikey",
    "x-auth-token",
    "x-access-token",
    "x-amz-security-token",
    "private-token",
    "x-vault-token",
];

/// What the records of exchanges keep of bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordBodies {
    /// The beginning of each, as long as [`crate::Limits::exchange_body_bytes`].
    #[default]
    Full,
    /// Their sizes.
    None,
}

/// The record of a request that is under way. When it is dropped unfinished, the call was cut off, and that is recorded.
pub(crate) struct Record<'a> {
    call: &'a Call,
    slot: usize,
    began: Instant,
    /// For the log: host and port, none before they are known.
    host: String,
    /// There once sending has begun.
    connecting: Option<Arc<Connecting>>,
    exchange: Option<Box<Exchange>>,
}

impl<'a> Record<'a> {
    pub(crate) fn begin(call: &'a Call, request: &Request) -> Self {
        let seals = call.seals();
        let limits = call.limits();
        let mut left = limits.request_header_bytes;
        let headers = request.headers.iter().take(limits.request_headers);
        let headers = headers.map_while(|header| {
            left = left.checked_sub(header.name.len() + header.value.len())?;
            Some((header.name.clone(), shown_header(seals, &header.name, &header.value)))
        });
        let url = &request.url[..request.url.floor_char_boundary(limits.url_bytes)];
        let method: String = request.method.chars().take(32).collect();
        let exchange = Exchange {
            method,
            url: seals.mask_text(url),
            request_headers: headers.collect(),
            request_body: request.body.as_deref().and_then(|body| capture(seals, body, call.recorded_body_bytes())),
            started_at: Timestamp::now(),
            duration_micros: 0,
            address: None,
            http_version: None,
            timings: Timings::default(),
            result: ExchangeResult::Denied { code: String::new(), message: String::new() },
        };
        let slot = {
            let mut exchanges = call.slots().lock();
            exchanges.push(None);
            exchanges.len() - 1
        };
        Self { call, slot, began: Instant::now(), host: String::new(), connecting: None, exchange: Some(Box::new(exchange)) }
    }

    /// What became known of where it goes.
    pub(crate) fn target(&mut self, url: &Url, shown: String) {
        self.host = url[Position::BeforeHost..Position::AfterPort].to_owned();
        if let Some(exchange) = &mut self.exchange {
            exchange.url = shown;
        }
    }

    /// The body as it is sent, whose size secrets may have changed.
    pub(crate) fn sent_size(&mut self, size: usize) {
        if let Some(body) = self.exchange.as_mut().and_then(|exchange| exchange.request_body.as_mut()) {
            body.size = size as u64;
        }
    }

    /// Sending begins.
    pub(crate) fn sending(&mut self, connecting: Arc<Connecting>) {
        self.connecting = Some(connecting);
    }

    /// The head of the answer is there: who answered, and in which version of HTTP.
    pub(crate) fn head(&mut self, address: Option<SocketAddr>, version: http::Version) {
        if let Some(connecting) = &self.connecting {
            connecting.answered();
        }
        if let Some(exchange) = &mut self.exchange {
            exchange.address = address.map(|address| address.to_string());
            exchange.http_version = Some(format!("{version:?}"));
        }
    }

    /// A rule refused it.
    pub(crate) fn denied(mut self, denial: Denial) -> SendError {
        let Denial { code, kind, message } = denial;
        let message = self.call.redact(&message);
        self.finish("denied", code, None, ExchangeResult::Denied { code: code.to_owned(), message: message.clone() });
        SendError { kind, message, sent: false }
    }

    /// No answer came.
    pub(crate) fn failed(mut self, mut error: SendError) -> SendError {
        error.message = self.call.redact(&error.message);
        self.finish("failed", error.kind.as_str(), None, failure(&error));
        error
    }

    /// It was answered; the texts hold no secrets any more.
    pub(crate) fn answered(mut self, status: u16, headers: &[Header], body: &[u8], size: u64) {
        let seals = self.call.seals();
        let most = self.call.recorded_body_bytes();
        let response_headers =
            headers.iter().map(|header| (header.name.clone(), shown_header(seals, &header.name, &header.value))).collect();
        let response_body = (!body.is_empty()).then(|| Body { text: beginning(body, most), size });
        self.finish("allowed", "", Some(status), ExchangeResult::Answered { status, response_headers, response_body });
    }

    fn finish(&mut self, decision: &str, code: &str, status: Option<u16>, result: ExchangeResult) {
        let Some(mut exchange) = self.exchange.take() else { return };
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let provider = self.call.settings().provider.as_str();
        tracing::info!(provider, method = exchange.method, host = self.host, decision, code, status, micros, "outbound request");
        exchange.duration_micros = micros;
        exchange.timings = self.connecting.as_ref().map(|connecting| connecting.timings()).unwrap_or_default();
        exchange.result = result;
        if let Some(slot) = self.call.slots().lock().get_mut(self.slot) {
            *slot = Some(*exchange);
        }
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        if self.exchange.is_some() {
            let message = "The call was ended before the answer came.".to_owned();
            let error = SendError { kind: crate::ErrorKind::Timeout, message, sent: self.connecting.is_some() };
            self.finish("failed", "timeout", None, failure(&error));
        }
    }
}

fn failure(error: &SendError) -> ExchangeResult {
    ExchangeResult::Failed { kind: error.kind.as_str().to_owned(), message: error.message.clone(), sent: error.sent }
}

/// Whether a header's value is a credential by the header's name.
pub(crate) fn is_credential(name: &str) -> bool {
    CREDENTIALS.iter().any(|credential| credential.eq_ignore_ascii_case(name))
}

/// A header's value for the record: a credential shows its scheme at most.
fn shown_header(seals: &Seals, name: &str, value: &str) -> String {
    if is_credential(name) {
        let scheme = value.split_once(' ').map(|(scheme, _)| scheme).filter(|scheme| {
            name.to_ascii_lowercase().ends_with("authorization")
                && scheme.len() <= 20
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !seals.occurs_in(scheme.as_bytes())
        });
        return match scheme {
            Some(scheme) => format!("{scheme} {SECRET_MARK}"),
            None => SECRET_MARK.to_owned(),
        };
    }
    // Basic credentials in a header of another name.
    if basic_credentials(value.as_bytes()).is_some_and(|decoded| seals.occurs_in(&decoded)) {
        return SECRET_MARK.to_owned();
    }
    seals.mask_text(value)
}

/// The beginning of a body that may hold secrets and placeholders.
fn capture(seals: &Seals, body: &[u8], most: usize) -> Option<Body> {
    if body.is_empty() {
        return None;
    }
    let clean = seals.redact_beginning(body, most);
    let text = match seals.mask_placeholders(&clean) {
        Some(masked) => beginning(&masked, most),
        None => beginning(&clean, most),
    };
    Some(Body { text, size: body.len() as u64 })
}

/// At most so many bytes of text.
fn beginning(bytes: &[u8], most: usize) -> String {
    // A few bytes more, so that a character at the cut is not taken for broken.
    let window = &bytes[..bytes.len().min(most.saturating_add(4))];
    let text = match str::from_utf8(window) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(window),
    };
    text[..text.floor_char_boundary(most)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn credentials_never_show_and_other_headers_show_without_secrets() {
        let mut seals = Seals::new();
        let sealed = seals.seal(Secret::new("hunter2"));
        let shown = |name, value: &str| shown_header(&seals, name, value);
        assert_eq!(shown("Authorization", &format!("Bearer {sealed}")), "Bearer [secret]");
        assert_eq!(shown("authorization", "Bearer token-of-another-service"), "Bearer [secret]");
        assert_eq!(shown("Authorization", &sealed), "[secret]");
        assert_eq!(shown("Authorization", &format!("{sealed} x")), "[secret]");
        assert_eq!(shown("Cookie", "a=b; c=d"), "[secret]");
        assert_eq!(shown("X-Token", &format!("a {sealed} b hunter2")), "a [secret] b [secret]");
        assert_eq!(shown("Content-Type", "text/plain"), "text/plain");
    }

    #[test]
    fn bodies_are_cut_at_a_character_and_never_inside_a_secret() {
        let mut seals = Seals::new();
        let sealed = seals.seal(Secret::new("hunter2hunter2"));
        let text = |body: &str, most| capture(&seals, body.as_bytes(), most).unwrap();
        assert_eq!(text("aé", 2), Body { text: "a".into(), size: 3 });
        assert_eq!(text("aé", 3).text, "aé");
        assert_eq!(text("ab hunter2hunter2 cd", 12).text, "ab [secret]");
        assert_eq!(text(&format!("ab {sealed} cd"), 100).text, "ab [secret] cd");
        assert_eq!(capture(&seals, b"", 9), None);
        assert_eq!(capture(&seals, b"a\xffb", 9).unwrap().text, "a\u{fffd}b");
    }
}
