//! Authentication codes and signatures with sealed keys, for providers that cannot read the keys.
//!
//! A provider may have anything signed: it can make valid requests, but it cannot take the key away.

use crate::seal::Seals;
use crate::secret::Secret;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::rand::SystemRandom;
use ring::{hmac, signature};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use std::borrow::Cow;
use zeroize::Zeroizing;

/// A key for a message authentication code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacKey {
    /// The placeholder of the secret.
    pub sealed: String,
    /// How the secret's text becomes bytes.
    pub format: KeyFormat,
    /// Put before the key's bytes: `AWS4`, say. Usually empty.
    pub prefix: String,
    /// Messages that derive the real key, each with the one before as its key. Usually empty.
    pub derivation: Vec<String>,
}

/// How a secret's text becomes the bytes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFormat {
    /// The text's own bytes.
    Text,
    /// Base64 in either alphabet, with or without padding.
    Base64,
    /// Hexadecimal digits in either case.
    Hex,
    /// Base64 after an optional `whsec_`, as Standard Webhooks has it.
    StandardWebhooks,
}

/// The hash function of a message authentication code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256.
    Sha256,
    /// SHA-1, for receivers that know nothing better.
    Sha1,
}

/// How a code or a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case hexadecimal digits.
    Hex,
    /// Base64 with padding.
    Base64,
    /// Base64 in the URL-safe alphabet, without padding.
    Base64Url,
}

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256; the signature is the two numbers, 64 bytes.
    Es256,
}

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);
const LENIENT_STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const LENIENT_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

impl Encoding {
    fn apply(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => bytes
                .iter()
                .flat_map(|byte| [byte >> 4, byte & 15])
                .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
                .collect(),
            Self::Base64 => STANDARD.encode(bytes),
            Self::Base64Url => URL_SAFE_NO_PAD.encode(bytes),
        }
    }
}

impl KeyFormat {
    fn bytes(self, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Text => Some(text.as_bytes().to_vec()),
            Self::Base64 => base64(text),
            Self::Hex => hex(text.trim()),
            Self::StandardWebhooks => base64(text.trim().trim_start_matches("whsec_")),
        }
        .map(Zeroizing::new)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Base64 => "base64",
            Self::Hex => "hexadecimal",
            Self::StandardWebhooks => "base64 after an optional `whsec_`",
        }
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    LENIENT_STANDARD.decode(text).or_else(|_| LENIENT_URL_SAFE.decode(text)).ok()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

impl Seals {
    fn key(&self, placeholder: &str) -> Result<&Secret, String> {
        self.find(placeholder).ok_or_else(|| {
            "The key is not the placeholder of a secret of this call. Hand over the value from the settings as it is.".to_owned()
        })
    }

    /// See [`crate::Call::hmac`].
    pub(crate) fn hmac(
        &self,
        key: &HmacKey,
        digest: Digest,
        message: &[u8],
        encoding: Encoding,
        limit: usize,
    ) -> Result<String, String> {
        let size = message.len() + key.derivation.iter().map(String::len).sum::<usize>() + key.prefix.len();
        within(size, limit)?;
        let secret = self.key(&key.sealed)?;
        let bytes = key.format.bytes(secret.expose()).filter(|bytes| !bytes.is_empty()).ok_or_else(|| {
            format!(
                "The secret is empty or not written as {}. Correct it in the settings, or choose the key's format.",
                key.format.name()
            )
        })?;
        let algorithm = match digest {
            Digest::Sha256 => hmac::HMAC_SHA256,
            Digest::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        };
        let mut prefixed = Zeroizing::new(key.prefix.as_bytes().to_vec());
        prefixed.extend_from_slice(&bytes);
        let mut signer = hmac::Key::new(algorithm, &prefixed);
        for step in &key.derivation {
            signer = hmac::Key::new(algorithm, hmac::sign(&signer, step.as_bytes()).as_ref());
        }
        Ok(encoding.apply(hmac::sign(&signer, message).as_ref()))
    }

    /// See [`crate::Call::sign`].
    pub(crate) fn sign(
        &self,
        placeholder: &str,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        encoding: Encoding,
        limit: usize,
    ) -> Result<String, String> {
        within(message.len(), limit)?;
        let text = self.key(placeholder)?.expose();
        // Keys are often copied out of JSON files, where line ends are written `\n`.
        let text = if text.contains("\\n") { Cow::Owned(text.replace("\\n", "\n")) } else { Cow::Borrowed(text) };
        let text = Zeroizing::new(text.into_owned());
        let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes())
            .map_err(|_| "The secret is no private key in PEM (PKCS #8): `-----BEGIN PRIVATE KEY-----`.".to_owned())?;
        let random = SystemRandom::new();
        let refused = |what: &str| format!("The private key cannot be used for {what}.");
        match algorithm {
            SignatureAlgorithm::Rs256 => {
                let pair = signature::RsaKeyPair::from_pkcs8(key.secret_pkcs8_der())
                    .map_err(|_| refused("RSA with 2048 to 8192 bits"))?;
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signed).map_err(|_| refused("RSA"))?;
                Ok(encoding.apply(&signed))
            }
            SignatureAlgorithm::Es256 => {
                let kind = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = signature::EcdsaKeyPair::from_pkcs8(kind, key.secret_pkcs8_der(), &random)
                    .map_err(|_| refused("ECDSA on P-256"))?;
                Ok(encoding.apply(pair.sign(&random, message).map_err(|_| refused("ECDSA"))?.as_ref()))
            }
        }
    }
}

fn within(size: usize, limit: usize) -> Result<(), String> {
    if size <= limit {
        return Ok(());
    }
    Err(format!("The message has {size} bytes; at most {limit} are signed (egress.limits.hmac-message-bytes)."))
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
