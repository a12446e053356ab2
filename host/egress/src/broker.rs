//! The broker and what the runtime uses of it for one call of a provider.

use crate::address::Policy;
use crate::audience::Audience;
use crate::check::Prepared;
use crate::client_certificate::ClientCertificate;
use crate::clients::Clients;
use crate::connecting::Connecting;
use crate::failure::Failure;
use crate::headers;
use crate::limits::{Bound, Limits};
use crate::message::{Denial, ErrorKind, Header, Request, Response, SendError};
use crate::oauth2::Tokens;
use crate::options::{Error, Options};
use crate::record::{Record, RecordBodies};
use crate::resolve::{self, LookUp};
use crate::scripted;
use crate::seal::Seals;
use crate::secret::Secret;
use crate::sign::{Digest, Encoding, HmacKey, SignatureAlgorithm};
use crate::timeouts::Timeouts;
use crate::transport::{self, Client};
use futures::FutureExt as _;
use http::HeaderValue;
use http_body_util::BodyExt;
use hyper_util::client::legacy::connect::HttpInfo;
use parking_lot::Mutex;
use postern_core::delivery::Exchange;
use postern_core::grant::Grant;
use postern_core::host_pattern::HostPattern;
use postern_core::id::ProviderId;
use rustls::RootCertStore;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long before a request's own deadline connecting gives up, so that its error arrives and proves that nothing was sent.
const CONNECT_MARGIN: Duration = Duration::from_millis(50);

/// The only way out. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    addresses: Arc<Policy>,
    hosts: Vec<HostPattern>,
    plain_http: Vec<HostPattern>,
    limits: Limits,
    record_bodies: RecordBodies,
    user_agent: HeaderValue,
    tls: rustls::ClientConfig,
    look_up: LookUp,
    /// Whether requests that were allowed are led to a stage; see [`scripted`].
    staged: bool,
    /// What is pooled was judged by this broker's rules, and no two providers share a connection.
    clients: Clients,
    tokens: Tokens,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("addresses", &self.0.addresses).field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

/// What is particular to one call of a provider.
pub struct CallSettings {
    /// The provider that is called.
    pub provider: ProviderId,
    /// The hosts that its manifest asks for. The grant decides; these say what a connection's secrets are for, and help a
    /// denial to tell whose matter it is.
    pub wish: Arc<[HostPattern]>,
    /// What the operator grants it.
    pub grant: Arc<Grant>,
    /// The subscription's settings in clear, for patterns such as `{config.url}`. Only the fields that patterns name are
    /// looked at.
    pub config: Arc<Map<String, Value>>,
    /// Likewise the connection's.
    pub connection: Option<Arc<Map<String, Value>>>,
    /// The secrets that may be used.
    pub seals: Seals,
    /// When the whole call ends. No request goes on beyond it.
    pub deadline: Instant,
}

/// One call of a provider: its requests are counted, its secrets are its own.
pub struct Call {
    broker: Broker,
    settings: CallSettings,
    requests: AtomicU32,
    exchanges: Mutex<Vec<Option<Exchange>>>,
    /// The secrets with the access token that was fetched, and with the one that it was renewed by.
    with_token: [OnceLock<Seals>; 2],
    witness: Option<Witness>,
    /// The places of the secrets that were handed out in clear.
    revealed: Mutex<BTreeSet<String>>,
}

/// Puts on record that a secret is about to be handed out in clear; it is told where that stands in the settings
/// (`connection/token`). What it refuses, with a sentence for people, is not handed out.
pub type Witness = Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

impl Broker {
    /// A broker. The certificates that it trusts are read now. Opens no connection.
    ///
    /// # Errors
    /// The user agent cannot stand in a header, a file of certificates cannot be used, or TLS cannot be set up.
    pub fn new(options: Options) -> Result<Self, Error> {
        let roots = transport::roots(&options.roots, options.platform_roots)?;
        Self::with(options, roots, resolve::system())
    }

    #[cfg(test)]
    pub(crate) fn with_roots(options: Options, roots: RootCertStore) -> Result<Self, Error> {
        Self::with(options, roots, resolve::system())
    }

    pub(crate) fn with(options: Options, roots: RootCertStore, look_up: LookUp) -> Result<Self, Error> {
        Self::make(options, roots, look_up, false)
    }

    /// One whose requests are led to a stage, by names only, which this look-up knows.
    pub(crate) fn staged(options: Options, roots: RootCertStore, look_up: LookUp) -> Result<Self, Error> {
        Self::make(options, roots, look_up, true)
    }

    fn make(options: Options, roots: RootCertStore, look_up: LookUp, staged: bool) -> Result<Self, Error> {
        let user_agent = HeaderValue::from_str(&options.user_agent).map_err(|_| Error::UserAgent(options.user_agent))?;
        Ok(Self(Arc::new(Inner {
            addresses: Arc::new(Policy::new(options.allow)),
            hosts: options.hosts,
            plain_http: options.plain_http,
            limits: options.limits,
            record_bodies: options.record_bodies,
            user_agent,
            tls: transport::tls_config(roots)?,
            look_up,
            staged,
            clients: Clients::default(),
            tokens: Tokens::default(),
        })))
    }

    /// Begins a call of a provider.
    pub fn call(&self, settings: CallSettings) -> Call {
        Call {
            broker: self.clone(),
            settings,
            requests: AtomicU32::new(0),
            exchanges: Mutex::default(),
            with_token: Default::default(),
            witness: None,
            revealed: Mutex::default(),
        }
    }

    /// From now on no provider reaches this address, where the daemon itself listens: under no name or spelling, whatever is
    /// granted or allowed. An unspecified address stands for every address of this machine.
    pub fn shield(&self, listener: SocketAddr) {
        self.0.addresses.listeners().add(listener);
    }

    /// Forgets a provider that was removed: its unused connections and its access tokens.
    pub fn forget(&self, provider: &ProviderId) {
        self.0.clients.forget(provider);
        self.0.tokens.forget(provider);
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    fn client(&self, provider: &ProviderId, certificate: Option<&ClientCertificate>) -> Client {
        let inner = &self.0;
        let make = || transport::client(&inner.tls, certificate, inner.addresses.clone(), inner.look_up.clone(), &inner.limits);
        inner.clients.get(provider, certificate, make)
    }
}

impl Call {
    /// Has somebody told of each secret that is handed out in clear.
    #[must_use]
    pub fn with_witness(self, witness: Witness) -> Self {
        Self { witness: Some(witness), ..self }
    }

    /// Sends a request and waits for the whole answer. Redirects are followed if the request asks for it and the grant allows
    /// it.
    ///
    /// Secrets are put in where placeholders stand, when every rule allows the request: in values of headers, also inside
    /// `Authorization: Basic`; in the URL's path and query; in the body. A URL that begins with the placeholder of a secret
    /// URL goes to that URL, with what follows appended to its path and query. Secrets are taken out of what comes back, for
    /// which a call with secrets asks for no compressed answer: its `Accept-Encoding` is left out.
    ///
    /// Each request leaves one exchange; of those beyond the bound only the first does, so that records stay bounded.
    ///
    /// # Errors
    /// See [`SendError`]; its message is fit for people and holds no secret.
    pub async fn send(&self, request: Request) -> Result<Response, SendError> {
        self.count(&request)?;
        self.send_following(request, Timeouts::default()).await
    }

    /// Counts a request, and refuses it when there were enough.
    pub(crate) fn count(&self, request: &Request) -> Result<(), SendError> {
        let most = self.requests_per_call();
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        if number >= most {
            let message = format!(
                "This call made {most} requests already, which is all it may make. The operator may raise egress.limits.requests-per-call, or for this provider alone: postern provider grant {} --limit requests-per-call=…",
                self.settings.provider
            );
            let denial = Denial { code: "request-count", kind: ErrorKind::TooManyRequests, message };
            if number > most {
                // Keeps the counter from running over, however long a provider goes on.
                self.requests.store(most + 1, Ordering::Relaxed);
                return Err(SendError { kind: denial.kind, message: denial.message, sent: false });
            }
            return Err(Record::begin(self, request).denied(denial));
        }
        Ok(())
    }

    /// Sends a request that was counted, with an access token if it carries the placeholder of one.
    pub(crate) async fn send_counted(&self, request: Request, timeouts: Timeouts) -> Result<Response, SendError> {
        if !self.carries_token(&request) || !self.would_allow(&request) {
            return self.send_once(request, timeouts).await;
        }
        if self.seals().token().is_none() {
            self.fetch_token(None).await?;
        }
        let used = self.seals().token();
        let answer = self.send_once(request.clone(), timeouts).await?;
        // The server may have revoked it before its time.
        if answer.status != 401 || self.with_token[1].get().is_some() || self.fetch_token(used).await.is_err() {
            return Ok(answer);
        }
        self.send_once(request, timeouts).await
    }

    /// Whether the rules allow a request, as far as that is known before there is an access token.
    fn would_allow(&self, request: &Request) -> bool {
        let judged = self.target(request).and_then(|target| {
            self.permit(&target.url)?;
            let headers = self.check_headers(&request.headers)?;
            self.prepare(target, headers, request.body.clone().unwrap_or_default())
        });
        judged.is_ok()
    }

    /// Uses an access token from now on.
    pub(crate) fn put_token(&self, token: Secret) {
        if self.seals().token().is_some_and(|known| known.expose() == token.expose()) {
            return;
        }
        let mut seals = self.seals().with_token(token);
        for place in &self.with_token {
            match place.set(seals) {
                Ok(()) => return,
                Err(back) => seals = back,
            }
        }
    }

    /// Sends a request with the secrets that there are now.
    pub(crate) async fn send_once(&self, mut request: Request, timeouts: Timeouts) -> Result<Response, SendError> {
        let mut record = Record::begin(self, &request);
        let prepared = match self.judge(&mut request, &mut record) {
            Ok(prepared) => prepared,
            Err(denial) => return Err(record.denied(denial)),
        };
        let now = Instant::now();
        let left = Bound::new(self.settings.deadline.saturating_duration_since(now), "what was left of the call's time");
        if left.time.is_zero() {
            let message = "The call's time is over.".to_owned();
            return Err(record.failed(SendError { kind: ErrorKind::Timeout, message, sent: false }));
        }
        let mut whole = left.or_less(self.limits().timeout_for(request.timeout_milliseconds));
        if let Some(until) = timeouts.until {
            whole.time = whole.time.min(until.saturating_duration_since(now));
        }
        let deadline = now + whole.time;
        let to_connect = timeouts.to_connect(self.limits());
        let bound = to_connect.or_less(Bound { time: whole.time - CONNECT_MARGIN.min(whole.time / 4), ..whole });
        let shown = if bound == to_connect { bound } else { whole };
        let connecting = Connecting::new(now + bound.time, shown, prepared.url.port_or_known_default());
        record.sending(connecting.clone());
        let exchange = connecting.accompany(self.exchange(prepared, timeouts, &mut record));
        match timeout_at(deadline, exchange).await {
            Ok(Ok((response, size))) => {
                record.answered(response.status, &response.headers, &response.body, size);
                Ok(response)
            }
            Ok(Err(Failure::Denied(denial))) => Err(record.denied(denial)),
            Ok(Err(Failure::Failed { kind, message, sent })) => Err(record.failed(SendError { kind, message, sent })),
            Err(_) => {
                let message = format!("No complete answer came {whole}.");
                Err(record.failed(SendError { kind: ErrorKind::Timeout, message, sent: true }))
            }
        }
    }

    /// All rules, in their order.
    fn judge(&self, request: &mut Request, record: &mut Record<'_>) -> Result<Prepared, Denial> {
        let mut target = self.target(request)?;
        record.target(&target.url, std::mem::take(&mut target.shown));
        self.permit(&target.url)?;
        let headers = self.check_headers(&request.headers)?;
        let prepared = self.prepare(target, headers, request.body.take().unwrap_or_default())?;
        record.sent_size(prepared.body.len());
        Ok(prepared)
    }

    /// Sends what was allowed. Returns the answer without secrets, and how much of its body was read.
    async fn exchange(
        &self,
        mut prepared: Prepared,
        timeouts: Timeouts,
        record: &mut Record<'_>,
    ) -> Result<(Response, u64), Failure> {
        let certificate = self.seals().certificate().filter(|certificate| {
            prepared.url.scheme() == "https" && self.judge_secret(&certificate.audience, false, &prepared.url).is_ok()
        });
        let client = self.broker.client(&self.settings.provider, certificate);
        if self.broker.0.staged {
            scripted::lead(&mut prepared.url, &mut prepared.headers);
        }
        let incoming = timeouts.to_first_byte(self.limits(), transport::send(&client, prepared.into_http()?)).await?;
        let (head, mut incoming) = incoming.into_parts();
        record.head(head.extensions.get().map(HttpInfo::remote_addr), head.version);
        let status = head.status.as_u16();
        let headers = self.read_headers(&head.headers)?;

        let most = self.limits().response_body_bytes;
        // Reads a little beyond the cut, so that no part of a secret stays at it.
        let window = most.saturating_add(self.seals().longest());
        let mut body = Vec::new();
        while body.len() <= window {
            let frame = incoming.frame().map(|frame| frame.transpose().map_err(Failure::from));
            let Some(frame) = timeouts.between_bytes(frame).await? else { break };
            if let Some(chunk) = frame.data_ref() {
                body.extend_from_slice(&chunk[..chunk.len().min(window + 1 - body.len())]);
            }
        }
        let size = body.len() as u64;
        let truncated = body.len() > most;
        if let std::borrow::Cow::Owned(clean) = self.seals().redact_beginning(&body, most) {
            body = clean;
        }
        body.truncate(most);
        Ok((Response { status, headers, body, truncated }, size))
    }

    fn read_headers(&self, map: &http::HeaderMap) -> Result<Vec<Header>, Failure> {
        let limits = self.limits();
        if map.len() > limits.response_headers || headers::size(map) > limits.response_header_bytes {
            let message = format!(
                "The answer has more than {} headers (egress.limits.response-headers) or {} bytes of them (response-header-bytes).",
                limits.response_headers, limits.response_header_bytes
            );
            return Err(Failure::Failed { kind: ErrorKind::ResponseTooLarge, message, sent: true });
        }
        let read = |value: &HeaderValue| String::from_utf8_lossy(&self.seals().redact_bytes(value.as_bytes())).into_owned();
        // A receiver may tell a secret by a header's name, which is no place for a mark.
        let fit = map.iter().filter(|(name, _)| !self.seals().is_in_name(name.as_str()));
        Ok(fit.map(|(name, value)| Header::new(name.as_str(), read(value))).collect())
    }

    /// An HMAC with a sealed key.
    ///
    /// # Errors
    /// A sentence for people: the key is no placeholder, its secret is not written in that format, or the message is larger
    /// than [`Limits::hmac_message_bytes`].
    pub fn hmac(&self, key: &HmacKey, digest: Digest, message: &[u8], encoding: Encoding) -> Result<String, String> {
        self.seals().hmac(key, digest, message, encoding, self.limits().hmac_message_bytes)
    }

    /// A signature with a sealed private key in PEM (PKCS #8). Takes about a millisecond for RSA.
    ///
    /// # Errors
    /// A sentence for people: the key is no placeholder or no such private key, or the message is larger than
    /// [`Limits::hmac_message_bytes`].
    pub fn sign(
        &self,
        placeholder: &str,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        encoding: Encoding,
    ) -> Result<String, String> {
        self.seals().sign(placeholder, algorithm, message, encoding, self.limits().hmac_message_bytes)
    }

    /// A secret in clear. The call's [`Witness`] is told first, once for each secret.
    ///
    /// # Errors
    /// A sentence for people: the operator did not grant it, it is no placeholder of this call, it stands for what is no
    /// setting, or what happens cannot be put on record.
    pub async fn reveal(&self, placeholder: &str) -> Result<String, String> {
        let provider = &self.settings.provider;
        if !self.settings.grant.reveal_secrets {
            return Err(format!(
                "{provider} may not read secrets in clear. To allow it: postern provider grant {provider} --reveal-secrets"
            ));
        }
        let secret = self.seals().find(placeholder).ok_or("That is not the placeholder of a secret of this call.")?;
        let Audience { section, path, .. } = &secret.audience;
        let place = format!("{section}{path}");
        if !self.revealed.lock().contains(&place) {
            if let Some(witness) = &self.witness {
                witness(place.clone()).await?;
            }
            tracing::warn!(provider = provider.as_str(), secret = place, "secret revealed");
            self.revealed.lock().insert(place);
        }
        Ok(secret.expose().to_owned())
    }

    /// The text without this call's secrets: `[secret]` stands where one was.
    pub fn redact(&self, text: &str) -> String {
        self.seals().redact(text)
    }

    /// The requests so far, in order. One that is still under way is left out.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().iter().flatten().cloned().collect()
    }

    /// The same, for the last time: the call is over.
    pub fn take_exchanges(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.exchanges.lock()).into_iter().flatten().collect()
    }

    pub(crate) fn settings(&self) -> &CallSettings {
        &self.settings
    }

    pub(crate) fn broker(&self) -> &Broker {
        &self.broker
    }

    pub(crate) fn seals(&self) -> &Seals {
        let renewed = self.with_token.iter().rev().find_map(OnceLock::get);
        renewed.unwrap_or(&self.settings.seals)
    }

    /// The bounds of each request.
    pub fn limits(&self) -> &Limits {
        &self.broker.0.limits
    }

    /// How many requests the call may make: as the grant says, or else as configured.
    fn requests_per_call(&self) -> u32 {
        let granted = self.settings.grant.limits.requests_per_call.and_then(|most| u32::try_from(most).ok());
        granted.unwrap_or(self.limits().requests_per_call)
    }

    /// How many bytes of each body the record keeps.
    pub(crate) fn recorded_body_bytes(&self) -> usize {
        match self.broker.0.record_bodies {
            RecordBodies::Full => self.limits().exchange_body_bytes,
            RecordBodies::None => 0,
        }
    }

    pub(crate) fn addresses(&self) -> &Policy {
        &self.broker.0.addresses
    }

    pub(crate) fn hosts(&self) -> &[HostPattern] {
        &self.broker.0.hosts
    }

    pub(crate) fn plain_http(&self) -> &[HostPattern] {
        &self.broker.0.plain_http
    }

    pub(crate) fn user_agent(&self) -> HeaderValue {
        self.broker.0.user_agent.clone()
    }

    pub(crate) fn slots(&self) -> &Mutex<Vec<Option<Exchange>>> {
        &self.exchanges
    }
}

#[cfg(test)]
#[path = "broker_tests.rs"]
mod tests;
