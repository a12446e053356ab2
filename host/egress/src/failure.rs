//! What an error of the HTTP client means: its kind, and whether the request may have reached its target.

use crate::message::{Denial, ErrorKind};
use crate::resolve;
use crate::transport::ConnectTimedOut;
use hyper_util::client::legacy;
use std::error::Error;
use std::io;

/// What became of a request that has no answer.
pub(crate) enum Failure {
    /// Its name resolved to an address that is denied.
    Denied(Denial),
    /// It failed.
    Failed { kind: ErrorKind, message: String, sent: bool },
}

impl From<legacy::Error> for Failure {
    fn from(error: legacy::Error) -> Self {
        // Whatever fails before there is a connection, fails before a byte of the request is sent.
        classify(&error, !error.is_connect() && !is_refused(&error))
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        classify(&error, true)
    }
}

/// Whether the server says that it has not looked at a request, which may be sent again then: it was closing the connection
/// (RFC 9113, 6.8), or refused the stream (8.7).
pub(crate) fn is_refused(error: &legacy::Error) -> bool {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.filter_map(|cause| cause.downcast_ref::<h2::Error>()).any(|error| {
        error.is_remote()
            && (error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR)
                || error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
}

/// Reads an error and its sources. The message never holds the URL.
fn classify(error: &(dyn Error + 'static), sent: bool) -> Failure {
    let mut kind = None;
    let mut detail = String::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(resolve::Error::Denied(denial)) = cause.downcast_ref() {
            return Failure::Denied(denial.clone());
        }
        // Sources come from the outside in, and the innermost one that is known says most.
        if let Some(found) = kind_of(cause) {
            kind = Some(found);
        }
        detail = cause.to_string();
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            // An I/O error skips the error that it wraps when it is asked for its source.
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    let kind = kind.unwrap_or(ErrorKind::Other);
    let message = match kind {
        ErrorKind::Dns => format!("{detail}."),
        ErrorKind::Refused => format!("Nobody accepts connections there: {detail}."),
        ErrorKind::Reset => format!("The connection was closed before the answer was complete: {detail}."),
        ErrorKind::Tls => format!("No secure connection: {detail}."),
        ErrorKind::Timeout if !sent => format!("The connection was not made in time: {detail}."),
        ErrorKind::Timeout => format!("The answer did not come in time: {detail}."),
        ErrorKind::Protocol => format!("The answer is no valid HTTP: {detail}."),
        ErrorKind::ResponseTooLarge => {
            "The answer has more headers than egress.limits.response-headers or response-header-bytes allow.".to_owned()
        }
        _ => format!("The request failed: {detail}."),
    };
    Failure::Failed { kind, message, sent }
}

fn kind_of(cause: &(dyn Error + 'static)) -> Option<ErrorKind> {
    if cause.is::<resolve::Error>() {
        return Some(ErrorKind::Dns);
    }
    if cause.is::<ConnectTimedOut>() {
        return Some(ErrorKind::Timeout);
    }
    if cause.is::<rustls::Error>() {
        return Some(ErrorKind::Tls);
    }
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        // The library tells this to servers only; a test holds it to its words.
        return Some(if error.is_parse() && error.to_string().contains("head is too large") {
            ErrorKind::ResponseTooLarge
        } else if error.is_timeout() {
            ErrorKind::Timeout
        } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() || error.is_body_write_aborted() {
            ErrorKind::Reset
        } else {
            // Its own I/O errors are found further in.
            ErrorKind::Protocol
        });
    }
    cause.downcast_ref::<io::Error>().and_then(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some(ErrorKind::Refused)
        }
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => Some(ErrorKind::Reset),
        io::ErrorKind::TimedOut => Some(ErrorKind::Timeout),
        _ => None,
    })
}
