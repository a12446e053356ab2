//! The contract's imports, as the test host answers them.

use super::host::STATE;
use crate::http::{Error, ErrorKind, Request, Response};
use crate::log::Level;
use crate::secrets::{Digest, Encoding, Hmac, KeyFormat, SignatureAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{KeyInit, Mac};

pub(crate) fn send(request: Request) -> Result<Response, Error> {
    let (scripted, server) = STATE.with_borrow_mut(|state| {
        state.requests.push(request.clone());
        (state.answers.pop_front(), state.server.clone())
    });
    match (scripted, server) {
        (Some(answer), _) => answer,
        (None, Some(server)) => server.borrow_mut().answer(&request),
        (None, None) => {
            let message = "the test gave no answer to this request: call `Host::answer` or `Host::serve` first".into();
            Err(Error { kind: ErrorKind::Other, message, sent: false })
        }
    }
}

pub(crate) fn write(level: Level, message: &str) {
    STATE.with_borrow_mut(|state| state.logs.push((level, message.into())));
}

pub(crate) fn fatal(message: &str) {
    STATE.with_borrow_mut(|state| state.fatal = Some(message.into()));
}

pub(crate) fn hmac(key: &Hmac, message: &[u8], encoding: Encoding) -> Result<String, String> {
    let text = secret(&key.sealed)?;
    let bytes = match key.format {
        KeyFormat::Text => text.into_bytes(),
        KeyFormat::Base64 => base64(&text)?,
        KeyFormat::StandardWebhooks => base64(text.strip_prefix("whsec_").unwrap_or(&text))?,
        KeyFormat::Hex => hex_bytes(&text)?,
    };
    let first = [key.prefix.as_bytes(), &bytes].concat();
    let derived = key.derivation.iter().fold(first, |key_bytes, part| code(key.digest, &key_bytes, part.as_bytes()));
    Ok(written(&code(key.digest, &derived, message), encoding))
}

/// No real signature: a text that is the same for the same key, algorithm and message, and another for any other.
pub(crate) fn sign(key: &str, algorithm: SignatureAlgorithm, message: &[u8], encoding: Encoding) -> Result<String, String> {
    let key = format!("{algorithm:?} {}", secret(key)?);
    Ok(written(&code(Digest::Sha256, key.as_bytes(), message), encoding))
}

pub(crate) fn reveal(key: &str) -> Result<String, String> {
    if STATE.with_borrow(|state| state.reveal) {
        secret(key)
    } else {
        Err("the test does not let the provider read secrets: call `Host::allow_reveal` first".into())
    }
}

fn secret(placeholder: &str) -> Result<String, String> {
    STATE
        .with_borrow(|state| state.secrets.get(placeholder).cloned())
        .ok_or_else(|| format!("`{placeholder}` stands for no secret: call `Host::secret` first"))
}

fn code(digest: Digest, key: &[u8], message: &[u8]) -> Vec<u8> {
    fn with<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
        let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of every length");
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    }
    match digest {
        Digest::Sha256 => with::<hmac::Hmac<sha2::Sha256>>(key, message),
        Digest::Sha1 => with::<hmac::Hmac<sha1::Sha1>>(key, message),
    }
}

fn base64(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| format!("the secret is no Base64: {error}"))
}

fn hex_bytes(text: &str) -> Result<Vec<u8>, String> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| str::from_utf8(pair).ok().filter(|pair| pair.len() == 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect::<Option<_>>()
        .ok_or_else(|| "the secret is not hexadecimal".into())
}

fn written(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Encoding::Base64 => STANDARD.encode(bytes),
        Encoding::Base64Url => URL_SAFE_NO_PAD.encode(bytes),
    }
}
