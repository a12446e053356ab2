//! Access tokens by client credentials (RFC 6749, section 4.4): fetched through the broker, kept, renewed.
//!
//! A provider gets a placeholder. When the first request carries it, the broker fetches a token with the connection's
//! credentials, under the same rules as every request of that provider: hosts, addresses, TLS, bounds, records. Tokens are
//! kept in memory until shortly before they expire, and calls that need the same one wait for one fetch. When a target answers
//! 401, the token is renewed and the request sent once more, once in a call.

use crate::audience::Audience;
use crate::broker::{Broker, Call, CallSettings};
use crate::check::origin;
use crate::headers::basic_credentials;
use crate::message::{ErrorKind, Header, Request, Response, SendError};
use crate::seal::Seals;
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use postern_core::delivery::ExchangeResult;
use postern_core::id::ProviderId;
use postern_core::manifest::SECRET_MARK;
use postern_core::oauth2::Authentication;
use ring::digest::{Context, SHA256};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::{self, byte_serialize};

/// How many tokens are kept: one for each set of credentials. Beyond, those that nobody waits for are forgotten.
const MOST_TOKENS: usize = 4096;
/// How long a token is kept whose server does not say how long it lasts.
const UNKNOWN_LIFE: Duration = Duration::from_secs(300);
/// How long before its end a token is used no more, so that it does not expire on its way.
const MARGIN: Duration = Duration::from_secs(30);
/// The longest token in bytes.
const LONGEST_TOKEN: usize = 8 * 1024;

/// What a token is fetched with.
#[derive(Clone)]
pub struct ClientCredentials {
    /// Where. Its host must be asked for and granted.
    pub token_url: String,
    /// Who asks.
    pub client_id: String,
    /// With which secret; its audience says where that may go.
    pub client_secret: Secret,
    /// What is asked for; empty leaves it to the server.
    pub scopes: Vec<String>,
    /// More parameters of the request.
    pub parameters: Vec<(String, String)>,
    /// How the client proves who it is.
    pub authentication: Authentication,
    /// Where the token stands in the settings and to which hosts it may go.
    pub audience: Audience,
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials").field("token_url", &self.token_url).finish_non_exhaustive()
    }
}

/// A token that was fetched.
#[derive(Clone)]
struct Token {
    secret: Secret,
    until: Instant,
}

/// The place of one token. Whoever fetches it holds the lock.
type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;

/// The provider, and SHA-256 over all else that a token depends on.
type Key = (ProviderId, Vec<u8>);

/// The tokens of all providers.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<Key, Slot>>);

impl Tokens {
    fn slot(&self, key: Key) -> Slot {
        let mut slots = self.0.lock();
        if slots.len() >= MOST_TOKENS && !slots.contains_key(&key) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        slots.entry(key).or_default().clone()
    }

    /// Forgets the tokens of a provider. A fetch that is under way ends for those who wait for it.
    pub(crate) fn forget(&self, provider: &ProviderId) {
        self.0.lock().retain(|(owner, _), _| owner != provider);
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl ClientCredentials {
    fn key(&self, provider: &ProviderId) -> Key {
        let mut context = Context::new(&SHA256);
        let mut add = |text: &str| {
            context.update(&(text.len() as u64).to_le_bytes());
            context.update(text.as_bytes());
        };
        [&*self.token_url, &self.client_id, self.client_secret.expose()].into_iter().for_each(&mut add);
        add(match self.authentication {
            Authentication::Basic => "basic",
            Authentication::Body => "body",
        });
        add(&self.scopes.join(" "));
        self.parameters.iter().for_each(|(name, value)| [name, value].into_iter().for_each(|text| add(text)));
        (provider.clone(), context.finish().as_ref().to_vec())
    }

    /// The request for a token, and the secrets that are put into it.
    fn request(&self) -> (Request, Seals) {
        let mut seals = Seals::new();
        let audience = &self.client_secret.audience;
        let mut seal = |text: String| seals.seal(Secret::new(text).with_audience(audience.clone()));
        let sealed = seal(self.client_secret.expose().to_owned());
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !self.scopes.is_empty() {
            form.append_pair("scope", &self.scopes.join(" "));
        }
        form.extend_pairs(&self.parameters);
        let mut headers =
            vec![Header::new("Content-Type", "application/x-www-form-urlencoded"), Header::new("Accept", "application/json")];
        match self.authentication {
            Authentication::Basic => {
                // RFC 6749, 2.3.1: both parts are encoded as in a form first.
                let secret = seal(encode(self.client_secret.expose()));
                let credentials = STANDARD.encode(format!("{}:{secret}", encode(&self.client_id)));
                headers.push(Header::new("Authorization", format!("Basic {credentials}")));
            }
            Authentication::Body => {
                form.append_pair("client_id", &self.client_id);
                form.append_pair("client_secret", &sealed);
            }
        }
        let body = Some(form.finish().into_bytes());
        let request = Request { method: "POST".into(), url: self.token_url.clone(), headers, body, ..Request::default() };
        (request, seals)
    }

    /// The token of an answer.
    fn read(&self, answer: &Response) -> Result<Token, String> {
        if !(200..300).contains(&answer.status) {
            let said = serde_json::from_slice::<Refused>(&answer.body).map(|refused| {
                let text: String = format!(": {} {}", refused.error, refused.error_description).chars().take(300).collect();
                text.trim_end().to_owned()
            });
            return Err(format!("it answered {}{}", answer.status, said.unwrap_or_default()));
        }
        // What is no such JSON is not repeated: it may hold the token.
        let granted: Granted =
            serde_json::from_slice(&answer.body).map_err(|_| "its answer is no JSON with an `access_token`".to_owned())?;
        let token = granted.access_token;
        if token.is_empty() || token.len() > LONGEST_TOKEN || !token.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            return Err(format!("its `access_token` is not 1 to {LONGEST_TOKEN} printable ASCII characters"));
        }
        let until = Instant::now() + usable_for(granted.expires_in);
        Ok(Token { secret: Secret::new(token).with_audience(self.audience.clone()), until })
    }
}

/// How long a token is used that expires in so many seconds; at most a day.
fn usable_for(expires_in: Option<u64>) -> Duration {
    let life = expires_in.map_or(UNKNOWN_LIFE, |seconds| Duration::from_secs(seconds.min(24 * 60 * 60)));
    life.saturating_sub(MARGIN.min(life / 2))
}

impl Call {
    /// Whether a request carries the placeholder of a token.
    pub(crate) fn carries_token(&self, request: &Request) -> bool {
        let Some(core) = self.seals().token_placeholder() else { return false };
        let within = |text: &[u8]| memchr::memmem::find(text, core.as_bytes()).is_some();
        let in_header = |header: &Header| {
            let value = header.value.as_bytes();
            within(value) || basic_credentials(value).is_some_and(|decoded| within(&decoded))
        };
        within(request.url.as_bytes()) || request.headers.iter().any(in_header) || request.body.as_deref().is_some_and(within)
    }

    /// Sees to it that there is a token; with `rejected` another than that one. Its time counts to the call.
    pub(crate) async fn fetch_token(&self, rejected: Option<&Secret>) -> Result<(), SendError> {
        let Some(credentials) = self.seals().token_source() else { return Ok(()) };
        let host = Url::parse(&credentials.token_url).map(|url| origin(&url).to_owned());
        let host = host.unwrap_or_else(|_| "the token URL".to_owned());
        let failed = |kind, reason: &str| SendError {
            kind,
            message: format!("There is no access token from `{host}`: {reason}"),
            sent: false,
        };
        let slot = self.broker().tokens().slot(credentials.key(&self.settings().provider));
        let work = async {
            let mut kept = slot.lock().await;
            let usable = |token: &&Token| {
                token.until > Instant::now() && rejected.is_none_or(|rejected| rejected.expose() != token.secret.expose())
            };
            if let Some(token) = kept.as_ref().filter(usable) {
                return Ok(token.secret.clone());
            }
            // One that was rejected is given to nobody, also if no other comes.
            *kept = None;
            let answer = Fetch::new(self, credentials).send().await;
            let answer = answer.map_err(|error| failed(error.kind, &error.message))?;
            let token = credentials.read(&answer).map_err(|reason| failed(ErrorKind::Other, &reason))?;
            let secret = token.secret.clone();
            *kept = Some(token);
            Ok(secret)
        };
        let token = tokio::time::timeout_at(self.settings().deadline, work).await;
        let token = token.unwrap_or_else(|_| Err(failed(ErrorKind::Timeout, "the call's time is over")))?;
        self.put_token(token);
        Ok(())
    }
}

/// A fetch that is under way, as a call of its own: its secrets are not the provider's. What it recorded goes to the
/// provider's call, also if it is cut off.
struct Fetch<'a> {
    outer: &'a Call,
    inner: Call,
    request: Option<Request>,
}

impl<'a> Fetch<'a> {
    fn new(outer: &'a Call, credentials: &ClientCredentials) -> Self {
        let (request, mut seals) = credentials.request();
        // A login server may want to see the same certificate (RFC 8705).
        if let Some(certificate) = outer.seals().certificate() {
            seals.show(certificate.clone());
        }
        let settings = outer.settings();
        let broker: &Broker = outer.broker();
        let inner = broker.call(CallSettings {
            provider: settings.provider.clone(),
            wish: settings.wish.clone(),
            grant: settings.grant.clone(),
            config: settings.config.clone(),
            connection: settings.connection.clone(),
            seals,
            deadline: settings.deadline,
        });
        Self { outer, inner, request: Some(request) }
    }

    async fn send(mut self) -> Result<Response, SendError> {
        self.inner.send_once(self.request.take().unwrap_or_default(), crate::timeouts::Timeouts::default()).await
    }
}

impl Drop for Fetch<'_> {
    fn drop(&mut self) {
        let recorded = self.inner.take_exchanges().into_iter().map(|mut exchange| {
            if let ExchangeResult::Answered { response_body: Some(body), .. } = &mut exchange.result {
                // It is a token, or what is told instead of one.
                SECRET_MARK.clone_into(&mut body.text);
            }
            Some(exchange)
        });
        self.outer.slots().lock().extend(recorded);
    }
}

#[cfg(test)]
#[path = "oauth2_tests.rs"]
mod tests;
