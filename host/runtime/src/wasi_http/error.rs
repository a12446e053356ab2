//! Which of `wasi:http`'s codes stands for which failure. The codes are those of RFC 9209, where each is described.

use postern_egress::{ErrorKind, Limits, Request, SendError};
use wasmtime_wasi_http::Error;

/// What is remembered of a request, to say which bound it exceeded.
#[derive(Clone, Copy)]
pub(super) struct Brief {
    url_too_long: bool,
    /// The body's size, if that is too large.
    body: Option<u64>,
}

impl Brief {
    pub(super) fn of(request: &Request, limits: &Limits) -> Self {
        let body = request.body.as_ref().map_or(0, Vec::len);
        Self {
            url_too_long: request.url.len() > limits.url_bytes,
            body: (body > limits.request_body_bytes).then_some(body as u64),
        }
    }
}

/// The code for a failure. Where none fits, `internal-error` carries the broker's sentence.
pub(super) fn code(error: &SendError, brief: &Brief) -> Error {
    match error.kind {
        ErrorKind::Denied => Error::HttpRequestDenied,
        ErrorKind::RequestTooLarge if brief.url_too_long => Error::HttpRequestUriTooLong,
        ErrorKind::RequestTooLarge if brief.body.is_some() => Error::HttpRequestBodySize(brief.body),
        ErrorKind::RequestTooLarge => Error::HttpRequestHeaderSectionSize(None),
        ErrorKind::TooManyRequests => Error::ConnectionLimitReached,
        ErrorKind::Dns => Error::DnsError { rcode: None, info_code: None },
        ErrorKind::Refused => Error::ConnectionRefused,
        ErrorKind::Reset => Error::ConnectionTerminated,
        ErrorKind::Tls => Error::TlsProtocolError,
        ErrorKind::Timeout if error.sent => Error::HttpResponseTimeout,
        ErrorKind::Timeout => Error::ConnectionTimeout,
        ErrorKind::Protocol => Error::HttpProtocolError,
        ErrorKind::ResponseTooLarge => Error::HttpResponseHeaderSectionSize(None),
        ErrorKind::InvalidRequest | ErrorKind::Redirect | ErrorKind::Other => Error::InternalError(Some(error.message.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: ErrorKind, sent: bool, request: &Request) -> String {
        let error = SendError { kind, message: "why".into(), sent };
        format!("{:?}", code(&error, &Brief::of(request, &Limits::default())))
    }

    #[test]
    fn a_size_names_what_is_too_large() {
        let kind = ErrorKind::RequestTooLarge;
        let url = Request { url: "x".repeat(9000), ..Request::default() };
        assert_eq!(written(kind, false, &url), "HttpRequestUriTooLong");
        let body = Request { body: Some(vec![0; (1 << 20) + 1]), ..Request::default() };
        assert_eq!(written(kind, false, &body), "HttpRequestBodySize(Some(1048577))");
        assert_eq!(written(kind, false, &Request::default()), "HttpRequestHeaderSectionSize(None)");
    }

    #[test]
    fn a_timeout_tells_whether_the_request_was_sent_and_the_rest_says_why() {
        let request = Request::default();
        assert_eq!(written(ErrorKind::Timeout, true, &request), "HttpResponseTimeout");
        assert_eq!(written(ErrorKind::Timeout, false, &request), "ConnectionTimeout");
        assert_eq!(written(ErrorKind::Denied, false, &request), "HttpRequestDenied");
        assert_eq!(written(ErrorKind::InvalidRequest, false, &request), "InternalError(Some(\"why\"))");
    }
}
