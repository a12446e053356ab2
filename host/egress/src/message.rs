//! Requests, answers and errors as the contract (`wit/provider.wit`, interface `http`) has them.

use std::fmt;

/// A request that a provider makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, … in capitals.
    pub method: String,
    /// `https://…`, or `http://…` where the grant allows it.
    pub url: String,
    /// In order; a name may stand more than once.
    pub headers: Vec<Header>,
    /// None and empty are the same.
    pub body: Option<Vec<u8>>,
    /// For the whole exchange, in milliseconds. See [`crate::Limits`] for the default and the bounds.
    pub timeout_milliseconds: Option<u32>,
    /// How many redirects to follow at most, each a request that counts. None and 0: a redirect is an answer like any other.
    /// Needs a grant of its own, and [`crate::Limits::redirects`] bounds it.
    pub redirects: Option<u32>,
}

/// A header of a request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// In lower case in an answer, in any case in a request.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Header {
    /// A header.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// `200`.
    pub status: u16,
    /// Without secrets. What is no UTF-8 is replacement characters.
    pub headers: Vec<Header>,
    /// Without secrets; at most as long as [`crate::Limits::response_body_bytes`].
    pub body: Vec<u8>,
    /// Whether the body was cut at its bound.
    pub truncated: bool,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SendError {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// What happened, in a sentence for people and without secrets; for a denial also what would allow it.
    pub message: String,
    /// Whether any byte of the request may have reached the target. If false, nothing happened there.
    pub sent: bool,
}

/// The kinds of failure, as the contract has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The grant, the address rules or the operator forbid it.
    Denied,
    /// The request itself is malformed or uses something that belongs to the host.
    InvalidRequest,
    /// The request is larger than its bound.
    RequestTooLarge,
    /// The call made more requests than it may.
    TooManyRequests,
    /// The name does not resolve.
    Dns,
    /// Nobody listens there.
    Refused,
    /// The connection was closed in the middle.
    Reset,
    /// The certificate or the handshake is bad.
    Tls,
    /// It took longer than its timeout.
    Timeout,
    /// The answer is no HTTP.
    Protocol,
    /// The answer has more headers than its bound.
    ResponseTooLarge,
    /// A redirect cannot be followed: there were too many, or it leads nowhere, or a secret would go along.
    Redirect,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// Its name in the contract: `too-many-requests`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::InvalidRequest => "invalid-request",
            Self::RequestTooLarge => "request-too-large",
            Self::TooManyRequests => "too-many-requests",
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::ResponseTooLarge => "response-too-large",
            Self::Redirect => "redirect",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rule refused a request before anything was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    /// The rule, as the exchange's record and the log name it.
    pub(crate) code: &'static str,
    /// What the provider is told.
    pub(crate) kind: ErrorKind,
    /// What was denied and why, and what would allow it.
    pub(crate) message: String,
}

impl Denial {
    pub(crate) fn denied(code: &'static str, message: String) -> Self {
        Self { code, kind: ErrorKind::Denied, message }
    }

    pub(crate) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, kind: ErrorKind::InvalidRequest, message: message.into() }
    }

    /// `limit` is the name of a field of [`crate::Limits`] in the configuration.
    pub(crate) fn too_large(what: &str, unit: &str, most: usize, limit: &str) -> Self {
        let message = format!("{what} more than {most} {unit}. The operator may raise egress.limits.{limit}.");
        Self { code: "size", kind: ErrorKind::RequestTooLarge, message }
    }
}
