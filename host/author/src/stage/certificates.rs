//! An authority of this run, and certificates for whatever name is asked for.

use crate::Error;
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// How many certificates are kept; more names than a run needs.
const MOST: usize = 1_000;

/// Makes certificates for names.
pub(super) struct Certificates {
    authority: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    /// One key for all names.
    key: KeyPair,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates")
    }
}

fn failed(error: impl fmt::Display) -> Error {
    Error::machine("no certificates can be made", error)
}

impl Certificates {
    pub(super) fn new() -> Result<Self, Error> {
        let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().map_err(failed)?;
        let authority = params.self_signed(&key).map_err(failed)?.der().to_vec();
        let issuer = Issuer::new(params, key);
        Ok(Self { authority, issuer, key: KeyPair::generate().map_err(failed)?, made: Mutex::default() })
    }

    /// The authority's own certificate, in DER.
    pub(super) fn authority(&self) -> Vec<u8> {
        self.authority.clone()
    }

    /// Speaks TLS with these certificates, and HTTP/1.1 in it.
    pub(super) fn acceptor(self) -> Result<TlsAcceptor, Error> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(self));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn make(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let params = CertificateParams::new(vec![name.to_owned()]).ok()?;
        let certificate = params.signed_by(&self.key, &self.issuer).ok()?;
        let key = PrivateKeyDer::Pkcs8(self.key.serialize_der().into());
        let key = ring::sign::any_supported_type(&key).ok()?;
        Some(Arc::new(CertifiedKey::new(vec![CertificateDer::from(certificate.der().to_vec())], key)))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?;
        let mut made = self.made.lock();
        if let Some(known) = made.get(name) {
            return Some(known.clone());
        }
        let new = self.make(name)?;
        if made.len() < MOST {
            made.insert(name.to_owned(), new.clone());
        }
        Some(new)
    }
}
