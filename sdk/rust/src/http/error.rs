//! Why there is no answer.

use crate::Failure;
use std::fmt;

/// There is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of fault.
    pub kind: ErrorKind,
    /// What happened, in a sentence for people; for a denial also what would allow it.
    pub message: String,
    /// Whether any byte of the request may have reached the target. If false, nothing happened there.
    pub sent: bool,
}

/// What kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    /// What the network did may be different next time. What the host refused stays refused until a person changes the
    /// grant or the settings, which no schedule of minutes waits for: the delivery fails at once, with the host's sentence
    /// on what would allow it, and can be retried by hand after that.
    fn from(error: Error) -> Self {
        use ErrorKind::{Denied, InvalidRequest, Redirect, RequestTooLarge, TooManyRequests};
        match error.kind {
            Denied | InvalidRequest | Redirect | RequestTooLarge | TooManyRequests => Self::never(error.message),
            _ => Self::backoff(error.message),
        }
    }
}
