//! Work with secrets that the provider cannot read. The host does it.

use crate::{Failure, Secret, host};
use std::fmt;

/// How the secret's text becomes the key's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyFormat {
    /// The text's own bytes.
    #[default]
    Text,
    /// Base64.
    Base64,
    /// Hexadecimal digits.
    Hex,
    /// Base64 after an optional `whsec_`, as Standard Webhooks has it.
    StandardWebhooks,
}

/// The hash function of a message authentication code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256.
    Sha256,
    /// SHA-1, for targets that know nothing better.
    Sha1,
}

/// How the result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case hexadecimal digits.
    Hex,
    /// Base64 with padding.
    Base64,
    /// Base64 for URLs, without padding.
    Base64Url,
}

/// An algorithm for signatures by a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256; the signature is the two numbers, 64 bytes.
    Es256,
}

/// The host refused, or the secret does not have the form that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(pub String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    /// The same key fails in the same way the next time: somebody has to enter another or to grant the use.
    fn from(error: Error) -> Self {
        Self::never(error.0)
    }
}

/// A message authentication code by a secret.
///
/// ```no_run
/// # use postern_provider::{Secret, secrets::{Encoding, Hmac, KeyFormat, Error}};
/// # fn f(secret: &Secret) -> Result<(), Error> {
/// let signature = Hmac::sha256(secret).key_format(KeyFormat::Hex).encode("the message", Encoding::Base64)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Hmac {
    pub(crate) sealed: String,
    pub(crate) digest: Digest,
    pub(crate) format: KeyFormat,
    pub(crate) prefix: String,
    pub(crate) derivation: Vec<String>,
}

impl Hmac {
    /// With SHA-256.
    pub fn sha256(secret: &Secret) -> Self {
        Self::new(secret, Digest::Sha256)
    }

    /// With SHA-1.
    pub fn sha1(secret: &Secret) -> Self {
        Self::new(secret, Digest::Sha1)
    }

    fn new(secret: &Secret, digest: Digest) -> Self {
        let sealed = secret.placeholder().to_owned();
        Self { sealed, digest, format: KeyFormat::Text, prefix: String::new(), derivation: Vec::new() }
    }

    /// How the secret's text becomes bytes. [`KeyFormat::Text`] unless called.
    #[must_use]
    pub fn key_format(mut self, format: KeyFormat) -> Self {
        self.format = format;
        self
    }

    /// Bytes to put before the key: `AWS4`, say.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// A message whose code becomes the key. Several are applied one after the other, as AWS signatures need it.
    #[must_use]
    pub fn derive(mut self, message: impl Into<String>) -> Self {
        self.derivation.push(message.into());
        self
    }

    /// The code of a message of at most 1 MiB.
    ///
    /// # Errors
    /// When the secret's text does not have the key format, or the message is too long.
    pub fn encode(&self, message: impl AsRef<[u8]>, encoding: Encoding) -> Result<String, Error> {
        host::hmac(self, message.as_ref(), encoding).map_err(Error)
    }
}

/// A signature of a message by a private key in PEM (PKCS #8).
///
/// # Errors
/// When the secret is no such key, or the message is too long.
pub fn sign(key: &Secret, algorithm: SignatureAlgorithm, message: impl AsRef<[u8]>, encoding: Encoding) -> Result<String, Error> {
    host::sign(key.placeholder(), algorithm, message.as_ref(), encoding).map_err(Error)
}

/// The secret in clear. Prefer anything else: it needs a grant of its own, and each use is recorded.
///
/// # Errors
/// When the operator did not grant it.
pub fn reveal(secret: &Secret) -> Result<String, Error> {
    host::reveal(secret.placeholder()).map_err(Error)
}
