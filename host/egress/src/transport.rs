//! The HTTP clients: how they are made (TLS, pools, deadlines of connecting), and how they send.

use crate::address::Policy;
use crate::client_certificate::ClientCertificate;
use crate::connecting::{Connecting, resumption};
use crate::failure::{Failure, is_refused};
use crate::limits::{Bound, Limits};
use crate::options::Error;
use crate::resolve::{LookUp, Resolver};
use bytes::Bytes;
use http::Uri;
use http::uri::Scheme;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
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
use tower::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What sends the requests of providers, with a pool of connections. Cheap to clone.
pub(crate) type Client = legacy::Client<InTime<HttpsConnector<HttpConnector<Resolver>>>, Full<Bytes>>;

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

/// When a connection that is silent is probed, and how often, before it counts as lost: after 60 seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_PROBES: u32 = 3;
/// How long what was sent may stay unacknowledged until the connection counts as lost.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// How often a request is sent again that the server did not look at.
const REFUSED_MOST: u32 = 2;

/// TLS 1.2 and 1.3 with these roots.
pub(crate) fn tls_config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// A client that follows no redirect, knows no proxy and keeps no cookie. It speaks HTTP/2 with TLS where the server has it, else
/// HTTP/1.1.
///
/// It is the one that reqwest is built on: what reqwest adds, the broker does not use, and it took a twentieth of the processor
/// time of a delivery.
pub(crate) fn client(
    tls: &ClientConfig,
    certificate: Option<&ClientCertificate>,
    policy: Arc<Policy>,
    look_up: LookUp,
    limits: &Limits,
) -> Client {
    let mut tls = tls.clone();
    // The clone would share the store, and a resumed session tells the server that two providers are one client.
    tls.resumption = resumption();
    if let Some(certificate) = certificate {
        tls.client_auth_cert_resolver = certificate.resolver();
    }
    let mut tcp = HttpConnector::new_with_resolver(Resolver::new(policy, look_up, limits.dns_timeout.0));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEP_ALIVE));
    tcp.set_keepalive_interval(Some(KEEP_ALIVE));
    tcp.set_keepalive_retries(Some(KEEP_ALIVE_PROBES));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions().wrap_connector(tcp);
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        // One more than the bound, so that the broker tells of it and not the parser.
        .http1_max_headers(limits.response_headers.saturating_add(1))
        .http2_max_header_list_size(u32::try_from(limits.response_header_bytes.saturating_mul(2)).unwrap_or(u32::MAX))
        .build(InTime(Arc::new(connector)))
}

/// Sends a request; again on another connection when the server says that it has not looked at it.
pub(crate) async fn send(client: &Client, request: http::Request<Full<Bytes>>) -> Result<http::Response<Incoming>, Failure> {
    // Only HTTP/2 tells that, which there is only with TLS.
    let again = if request.uri().scheme() == Some(&Scheme::HTTPS) { REFUSED_MOST } else { 0 };
    for _ in 0..again {
        match client.request(request.clone()).await {
            Err(error) if is_refused(&error) => {}
            sent => return Ok(sent?),
        }
    }
    Ok(client.request(request).await?)
}

/// A client for what the host itself sends to an address that its operator configured, telemetry say. No provider's request
/// goes through it: it knows no grant and no rule of addresses. It trusts the platform's certificates and follows no redirect.
///
/// # Errors
/// TLS cannot be set up.
pub fn own_client(timeout: Duration) -> Result<reqwest::Client, Error> {
    let mut tls = tls_config(roots(&[], true)?)?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls);
    Ok(builder.redirect(redirect::Policy::none()).no_proxy().timeout(timeout).build()?)
}

/// The connection was not made in the time of its request. As an error of connecting it proves that nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("no connection {0}")]
pub(crate) struct ConnectTimedOut(Bound);

/// Ends connecting at the request's own deadline. It is cloned for every request, and what is in it only for a connection.
pub(crate) struct InTime<S>(Arc<S>);

impl<S> Clone for InTime<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> Service<Uri> for InTime<S>
where
    S: Service<Uri, Error = BoxError> + Clone,
    S::Response: Send,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Those that connect are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        // Connecting begins within the request's task, and may go on without it when another connection comes free first.
        let request = Connecting::of_request();
        let connecting = (*self.0).clone().call(destination);
        Box::pin(async move {
            let Some(request) = request else { return connecting.await };
            let in_time = tokio::time::timeout_at(request.deadline, connecting);
            let bound = request.bound;
            request.make(async move { in_time.await.unwrap_or_else(|_| Err(ConnectTimedOut(bound).into())) }).await
        })
    }
}
