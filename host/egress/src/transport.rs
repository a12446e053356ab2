//! How HTTP clients are made: TLS, pools, deadlines of connecting.

use crate::address::Policy;
use crate::client_certificate::ClientCertificate;
use crate::connecting::{Connecting, resumption};
use crate::limits::{Bound, Limits};
use crate::options::Error;
use crate::resolve::{LookUp, Resolver};
use reqwest::redirect;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{Layer, Service};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long an unused connection is kept. Shorter than the usual limits of servers, so that few requests meet a connection
/// which is being closed.
const IDLE: Duration = Duration::from_secs(30);
/// How many unused connections to one host a provider keeps: as many as attempts may run at once by default. With 32,
/// more than half of the deliveries of a burst toward one host opened a new connection, which doubled their cost.
const IDLE_PER_HOST: usize = 512;

/// The certificates that are trusted: the platform's (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others) and those in the operator's
/// files, which are PEM.
///
/// Where the platform has none, the broker works all the same: plain HTTP goes through and TLS fails with a clear error.
pub(crate) fn roots(files: &[PathBuf], of_platform: bool) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    if of_platform {
        let found = rustls_native_certs::load_native_certs();
        let (_, ignored) = roots.add_parsable_certificates(found.certs);
        if !found.errors.is_empty() || ignored > 0 {
            tracing::warn!(errors = ?found.errors, ignored, "some of the platform's certificates cannot be used");
        }
    }
    for file in files {
        let wrong = |reason: String| Error::Roots { file: file.clone(), reason };
        let mut count = 0;
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))? {
            let added = certificate
                .map_err(|error| error.to_string())
                .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
            added.map_err(wrong)?;
            count += 1;
        }
        if count == 0 {
            return Err(wrong("it has no certificate in PEM".to_owned()));
        }
    }
    if roots.is_empty() {
        tracing::warn!(
            "there are no certificates to trust, so every TLS connection will fail; set [egress] roots or SSL_CERT_FILE"
        );
    }
    Ok(roots)
}

/// TLS 1.2 and 1.3 with these roots; HTTP/2 where the server has it, else HTTP/1.1.
pub(crate) fn tls_config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// A client that follows no redirect, knows no proxy and keeps no cookie.
pub(crate) fn client(
    tls: &ClientConfig,
    certificate: Option<&ClientCertificate>,
    policy: Arc<Policy>,
    look_up: LookUp,
    limits: &Limits,
) -> reqwest::Result<reqwest::Client> {
    let mut tls = tls.clone();
    // The clone would share the store, and a resumed session tells the server that two providers are one client.
    tls.resumption = resumption();
    if let Some(certificate) = certificate {
        tls.client_auth_cert_resolver = certificate.resolver();
    }
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .dns_resolver(Arc::new(Resolver::new(policy, look_up, limits.dns_timeout.0)))
        // Each request brings its own deadline; this one is for a connection that goes on without its request.
        .connect_timeout(limits.connect_timeout.0.saturating_add(Duration::from_secs(1)))
        .connector_layer(DeadlineLayer)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        // One more than the bound, so that the broker tells of it and not the parser.
        .http1_max_headers(limits.response_headers.saturating_add(1))
        .http2_max_header_list_size(u32::try_from(limits.response_header_bytes.saturating_mul(2)).unwrap_or(u32::MAX))
        .build()
}

/// A client for what the host itself sends to an address that its operator configured, telemetry say. No provider's request
/// goes through it: it knows no grant and no rule of addresses. It trusts the platform's certificates and follows no redirect.
///
/// # Errors
/// TLS cannot be set up.
pub fn own_client(timeout: Duration) -> Result<reqwest::Client, Error> {
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls_config(roots(&[], true)?)?);
    Ok(builder.redirect(redirect::Policy::none()).no_proxy().timeout(timeout).build()?)
}

/// The connection was not made in the time of its request. As an error of connecting it proves that nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("no connection {0}")]
pub(crate) struct ConnectTimedOut(Bound);

/// Ends connecting at the request's own deadline, which the client's fixed timeout knows nothing of.
#[derive(Clone, Copy)]
struct DeadlineLayer;

#[derive(Clone)]
struct Deadline<S>(S);

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline(inner)
    }
}

impl<S, R> Service<R> for Deadline<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, destination: R) -> Self::Future {
        // Connecting begins within the request's task, and may go on without it when another connection comes free first.
        let request = Connecting::of_request();
        let connecting = self.0.call(destination);
        Box::pin(async move {
            let Some(request) = request else { return connecting.await };
            let in_time = tokio::time::timeout_at(request.deadline, connecting);
            let bound = request.bound;
            request.make(async move { in_time.await.unwrap_or_else(|_| Err(ConnectTimedOut(bound).into())) }).await
        })
    }
}
