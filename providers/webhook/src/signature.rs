//! The headers of Standard Webhooks: <https://www.standardwebhooks.com>.

use crate::config::Config;
use postern_provider::http::Request;
use postern_provider::prelude::*;
use postern_provider::secrets::{Encoding, Hmac, KeyFormat};
use postern_provider::{clock, secrets};

/// What the names of these headers start with.
pub(crate) const PREFIX: &str = "webhook-";

/// Signs a request whose body is complete, if there is a signing secret.
///
/// What is signed is `{id}.{timestamp}.{body}`. The id is the same on every attempt, the time is the attempt's. While
/// secrets are being replaced there is one signature for each, so that a receiver that knows any of them is content.
pub(crate) fn add(request: Request, config: &Config, id: &str) -> Result<Request, Failure> {
    let Some(current) = &config.signing_secret else {
        if config.previous_signing_secrets.is_empty() {
            return Ok(request);
        }
        return Err(Failure::never("previousSigningSecrets is set but signingSecret is missing: set it in the subscription"));
    };
    let timestamp = clock::unix_seconds();
    let mut message = format!("{id}.{timestamp}.").into_bytes();
    message.extend_from_slice(request.body.as_deref().unwrap_or_default());
    let signatures = std::iter::once(current)
        .chain(&config.previous_signing_secrets)
        .map(|secret| signature(secret, &message))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Failure::from(error).context("the request cannot be signed"))?;
    Ok(request
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp.to_string())
        .header("webhook-signature", signatures.join(" ")))
}

fn signature(secret: &Secret, message: &[u8]) -> Result<String, secrets::Error> {
    let code = Hmac::sha256(secret).key_format(KeyFormat::StandardWebhooks).encode(message, Encoding::Base64)?;
    Ok(format!("v1,{code}"))
}
