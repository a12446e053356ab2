//! The seam to the host: the contract's imports in a component, [`testing`](crate::testing) in a native program.

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::imports::{fatal, hmac, reveal, send, sign, write};
#[cfg(target_arch = "wasm32")]
pub(crate) use imports::{fatal, hmac, reveal, send, sign, write};

#[cfg(target_arch = "wasm32")]
mod imports {
    use crate::bindings::postern::provider as wit;
    use crate::http::{Error, ErrorKind, Request, Response};
    use crate::log::Level;
    use crate::secrets::{Digest, Encoding, Hmac, KeyFormat, SignatureAlgorithm};

    pub(crate) fn send(request: Request) -> Result<Response, Error> {
        let headers = request.headers.into_iter().map(|(name, value)| wit::http::Header { name, value }).collect();
        let timeout_milliseconds = request.timeout.map(|timeout| u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        let Request { method, url, body, redirects, .. } = request;
        let redirects = (redirects > 0).then_some(redirects);
        let request = wit::http::Request { method, url, headers, body, timeout_milliseconds, redirects };
        match wit::http::send(&request) {
            Ok(response) => Ok(Response {
                status: response.status,
                headers: response.headers.into_iter().map(|header| (header.name, header.value)).collect(),
                body: response.body,
                truncated: response.truncated,
            }),
            Err(error) => Err(Error { kind: kind(error.kind), message: error.message, sent: error.sent }),
        }
    }

    fn kind(kind: wit::http::ErrorKind) -> ErrorKind {
        use wit::http::ErrorKind as Wit;
        match kind {
            Wit::Denied => ErrorKind::Denied,
            Wit::InvalidRequest => ErrorKind::InvalidRequest,
            Wit::RequestTooLarge => ErrorKind::RequestTooLarge,
            Wit::TooManyRequests => ErrorKind::TooManyRequests,
            Wit::Dns => ErrorKind::Dns,
            Wit::Refused => ErrorKind::Refused,
            Wit::Reset => ErrorKind::Reset,
            Wit::Tls => ErrorKind::Tls,
            Wit::Timeout => ErrorKind::Timeout,
            Wit::Protocol => ErrorKind::Protocol,
            Wit::ResponseTooLarge => ErrorKind::ResponseTooLarge,
            Wit::Redirect => ErrorKind::Redirect,
            Wit::Other => ErrorKind::Other,
        }
    }

    pub(crate) fn write(level: Level, message: &str) {
        let level = match level {
            Level::Debug => wit::log::Level::Debug,
            Level::Info => wit::log::Level::Info,
            Level::Warn => wit::log::Level::Warn,
            Level::Error => wit::log::Level::Error,
        };
        wit::log::write(level, message);
    }

    pub(crate) fn fatal(message: &str) {
        wit::log::fatal(message);
    }

    pub(crate) fn hmac(key: &Hmac, message: &[u8], encoding: Encoding) -> Result<String, String> {
        let format = match key.format {
            KeyFormat::Text => wit::secrets::KeyFormat::Text,
            KeyFormat::Base64 => wit::secrets::KeyFormat::Base64,
            KeyFormat::Hex => wit::secrets::KeyFormat::Hex,
            KeyFormat::StandardWebhooks => wit::secrets::KeyFormat::StandardWebhooks,
        };
        let digest = match key.digest {
            Digest::Sha256 => wit::secrets::Digest::Sha256,
            Digest::Sha1 => wit::secrets::Digest::Sha1,
        };
        let sealed = wit::secrets::HmacKey {
            sealed: key.sealed.clone(),
            format,
            prefix: key.prefix.clone(),
            derivation: key.derivation.clone(),
        };
        wit::secrets::hmac(&sealed, digest, message, written(encoding))
    }

    pub(crate) fn sign(key: &str, algorithm: SignatureAlgorithm, message: &[u8], encoding: Encoding) -> Result<String, String> {
        let algorithm = match algorithm {
            SignatureAlgorithm::Rs256 => wit::secrets::SignatureAlgorithm::Rs256,
            SignatureAlgorithm::Es256 => wit::secrets::SignatureAlgorithm::Es256,
        };
        wit::secrets::sign(key, algorithm, message, written(encoding))
    }

    pub(crate) fn reveal(key: &str) -> Result<String, String> {
        wit::secrets::reveal(key)
    }

    fn written(encoding: Encoding) -> wit::secrets::Encoding {
        match encoding {
            Encoding::Hex => wit::secrets::Encoding::Hex,
            Encoding::Base64 => wit::secrets::Encoding::Base64,
            Encoding::Base64Url => wit::secrets::Encoding::Base64url,
        }
    }
}
