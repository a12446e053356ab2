//! The headers of a request: which belong to the host, which are malformed, and where secrets go.

use crate::broker::Call;
use crate::message::{Denial, Header};
use crate::substitute::Escape;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;
use zeroize::Zeroizing;

/// Headers that decide where a message ends, to whom it goes or what becomes of its connection. They belong to the host.
const RESERVED: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "http2-settings",
    "alt-used",
];

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with("proxy-")
}

/// Headers as they are sent, and whether a secret is in one of them.
pub(crate) struct Headers {
    pub(crate) map: HeaderMap,
    pub(crate) secret: bool,
}

impl Call {
    /// Checks the headers, without secrets put in.
    pub(crate) fn check_headers(&self, headers: &[Header]) -> Result<HeaderMap, Denial> {
        let limits = self.limits();
        if headers.len() > limits.request_headers {
            return Err(Denial::too_large("The request has", "headers", limits.request_headers, "request-headers"));
        }
        let mut map = HeaderMap::with_capacity(headers.len() + 2);
        for header in headers {
            let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| {
                let shown: String = header.name.chars().take(80).collect();
                Denial::invalid("header", format!("`{}` is no name of a header.", shown.escape_debug()))
            })?;
            if is_reserved(name.as_str()) {
                return Err(Denial::invalid("header", format!("The header `{name}` belongs to the host. Leave it out.")));
            }
            let value = HeaderValue::from_bytes(header.value.as_bytes()).map_err(|_| {
                Denial::invalid(
                    "header",
                    format!("The value of the header `{name}` has a line break or another control character."),
                )
            })?;
            map.append(name, value);
        }
        if !map.contains_key(USER_AGENT) {
            map.insert(USER_AGENT, self.user_agent());
        }
        if size(&map) > limits.request_header_bytes {
            return Err(self.headers_too_large());
        }
        Ok(map)
    }

    /// Puts secrets in the places of their placeholders.
    pub(crate) fn fill_headers(&self, mut map: HeaderMap, url: &Url) -> Result<Headers, Denial> {
        let mut secret = false;
        if self.seals().is_empty() {
            return Ok(Headers { map, secret });
        }
        // Secrets are not found in a compressed answer, so none is asked for.
        map.remove(ACCEPT_ENCODING);
        for (name, value) in &mut map {
            let Some(filled) = self.fill_header(name, value.as_bytes(), url)? else { continue };
            if filled.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
                return Err(Denial::invalid(
                    "secret",
                    format!(
                        "The secret for the header `{name}` has a line break or another control character. Correct it in the settings."
                    ),
                ));
            }
            *value = HeaderValue::from_bytes(&filled)
                .map_err(|_| Denial::invalid("secret", format!("The secret does not fit the header `{name}`.")))?;
            // Keeps it out of HTTP/2's compression tables and of debug output.
            value.set_sensitive(true);
            secret = true;
        }
        if secret && size(&map) > self.limits().request_header_bytes {
            return Err(self.headers_too_large());
        }
        Ok(Headers { map, secret })
    }

    fn fill_header(&self, name: &HeaderName, value: &[u8], url: &Url) -> Result<Option<Zeroizing<Vec<u8>>>, Denial> {
        let limit = self.limits().request_header_bytes;
        let too_large = || self.headers_too_large();
        if name == AUTHORIZATION
            && let Some(decoded) = basic_credentials(value)
            && let Some(filled) = self.fill(url, &decoded, Escape::Verbatim, limit, too_large)?
        {
            let encoded = Zeroizing::new(STANDARD.encode(&*filled));
            return Ok(Some(Zeroizing::new([b"Basic ", encoded.as_bytes()].concat())));
        }
        self.fill(url, value, Escape::Verbatim, limit, too_large)
    }

    fn headers_too_large(&self) -> Denial {
        let most = self.limits().request_header_bytes;
        Denial::too_large("The request's headers have", "bytes in all", most, "request-header-bytes")
    }
}

/// The decoded text of `Basic …`.
pub(crate) fn basic_credentials(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    STANDARD.decode(encoded.trim_ascii()).ok()
}

/// Names and values, together.
pub(crate) fn size(map: &HeaderMap) -> usize {
    map.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frames_or_routes_a_message_is_reserved() {
        for name in ["host", "content-length", "transfer-encoding", "connection", "proxy-authorization", "proxy-connection", "te"]
        {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["authorization", "content-type", "accept-encoding", "x-host", "cookie"] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn basic_credentials_are_decoded() {
        assert_eq!(basic_credentials(b"Basic dXNlcjpwYXNz").unwrap(), b"user:pass");
        assert_eq!(basic_credentials(b"basic  dXNlcjpwYXNz ").unwrap(), b"user:pass");
        assert_eq!(basic_credentials(b"Bearer dXNlcjpwYXNz"), None);
        assert_eq!(basic_credentials(b"Bas"), None);
    }
}
