//! Certificates that clients show (mutual TLS, RFC 8446, section 4.4.2), one for a connection at most.
//!
//! A certificate is a secret like any other as to whom it is for: it is shown only to hosts of its audience, when they ask for
//! one in the handshake. Who shows one shares no connection with who shows another, or none.

use crate::audience::Audience;
use ring::digest::{SHA256, digest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// SHA-256 of a certificate's text, which tells it apart from others.
pub(crate) type Digest = [u8; 32];

/// A certificate with its private key, and whom it is for.
#[derive(Clone)]
pub struct ClientCertificate {
    key: Arc<CertifiedKey>,
    pub(crate) digest: Digest,
    pub(crate) audience: Audience,
}

impl ClientCertificate {
    /// Reads a certificate, those of its authorities if there are any, and its private key, in PEM.
    ///
    /// # Errors
    /// What is missing or does not belong together, in a sentence for people that repeats none of it.
    pub fn from_pem(text: &str) -> Result<Self, String> {
        // Keys are often copied out of JSON files, where line ends are written `\\n`.
        let text = if text.contains("\\n") { Cow::Owned(text.replace("\\n", "\n")) } else { Cow::Borrowed(text) };
        let text = Zeroizing::new(text.into_owned());
        let chain: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| "A certificate in it cannot be read.".to_owned())?;
        if chain.is_empty() {
            return Err("It has no certificate in PEM: `-----BEGIN CERTIFICATE-----`.".to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
            .map_err(|_| "It has no private key in PEM that is not encrypted: `-----BEGIN PRIVATE KEY-----`.".to_owned())?;
        let key = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => "Its private key is not that of its first certificate.".to_owned(),
            _ => "Its certificate or its private key cannot be used for TLS.".to_owned(),
        })?;
        let mut sum = Digest::default();
        sum.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Ok(Self { key: Arc::new(key), digest: sum, audience: Audience::default() })
    }

    /// Says where in the settings it stands and to which hosts it may be shown.
    #[must_use]
    pub fn with_audience(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }

    /// What answers a server that asks for a certificate.
    pub(crate) fn resolver(&self) -> Arc<SingleCertAndKey> {
        Arc::new(SingleCertAndKey::from(self.key.clone()))
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = include_str!("../tests/data/client.pem");
    const KEY: &str = include_str!("../tests/data/client-key.pem");

    #[test]
    fn a_certificate_and_its_key_are_read_in_any_order() {
        let read = |text: &str| ClientCertificate::from_pem(text).map(|read| read.digest);
        let both = format!("{CERTIFICATE}{KEY}");
        assert_eq!(read(&both), read(&both.replace('\n', "\\n")), "as it stands in a JSON file");
        assert!(read(&format!("{KEY}{CERTIFICATE}")).is_ok());
        assert_eq!(format!("{:?}", ClientCertificate::from_pem(&both).unwrap()), "ClientCertificate(..)");
    }

    #[test]
    fn what_does_not_belong_together_is_told() {
        let refused = |text: &str| ClientCertificate::from_pem(text).unwrap_err();
        assert!(refused("hunter2").contains("no certificate"));
        assert!(refused(KEY).contains("no certificate"));
        assert!(refused(CERTIFICATE).contains("no private key"));
        let other = include_str!("../tests/data/server-key.pem");
        assert!(refused(&format!("{CERTIFICATE}{other}")).contains("not that of its first certificate"));
        assert!(
            refused(&format!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{KEY}")).contains("cannot be used")
        );
    }
}
