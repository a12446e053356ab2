//! Whose request it is: found out once for each request, before any call sees it.
//!
//! This refuses nothing: some calls are open to everybody. A call that needs a token takes [`Admin`](crate::access::Admin),
//! [`Read`](crate::access::Read) or [`Emit`](crate::access::Emit), and these refuse what was not found here.
//!
//! A client that failed too often is told so when it fails again; a valid token is served, since many clients may share a
//! proxy's address. To tell the two apart costs one hash and one look in memory, and only for what has a token's form. Nobody
//! guesses 256 random bits, however often he may try: the limit keeps the log and the store from being filled, and shows who
//! tries.

use crate::App;
use crate::client::address;
use crate::problem::Problem;
use crate::throttle::{Source, Verdict};
use crate::token::Token;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use postern_core::Timestamp;
use postern_delivery::audit::{self, Actor, as_actor};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The name of the actor whose token is not known.
const UNKNOWN: &str = "unknown";

/// What a request's credentials came to. It is among the request's extensions.
#[derive(Clone, Debug)]
enum Credentials {
    /// A token that is valid.
    Valid(Arc<Token>),
    /// There are none.
    Missing,
    /// They are of another kind.
    Malformed,
    /// No valid token is like that.
    Unknown,
    /// They failed, and too many from the same address did before.
    TooMany {
        /// When to try again.
        wait: Duration,
    },
}

/// Finds out whose request it is, and answers it on that one's behalf.
pub async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    let address = address(peer, request.headers(), &app.trusted_proxies);
    let mut credentials = credentials(request.headers(), &app);
    let mut actor = Actor { name: UNKNOWN.to_owned(), token: None, address: Some(address) };
    match &credentials {
        Credentials::Valid(token) => {
            actor.name.clone_from(&token.name);
            actor.token = Some(token.id.clone());
        }
        Credentials::Missing => {}
        _ => {
            let source = Source::from(address);
            if let Verdict::Refused { wait, record } = app.throttle.failed(source, Instant::now()) {
                if record {
                    as_actor(actor.clone(), tell(&app, source)).await;
                }
                credentials = Credentials::TooMany { wait };
            }
        }
    }
    request.extensions_mut().insert(credentials);
    let looks = request.method().is_safe();
    let answer = as_actor(actor, next.run(request));
    if looks { answer.await } else { to_its_end(answer).await }
}

/// A change that has begun goes on when the client goes away: what is stored and what is held in memory stay the same.
async fn to_its_end(answer: impl Future<Output = Response> + Send + 'static) -> Response {
    match tokio::spawn(answer).await {
        Ok(response) => response,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the server stops").into_response(),
        },
    }
}

/// The token of a request.
///
/// # Errors
/// There is no valid one.
pub(crate) fn token(parts: &Parts) -> Result<Arc<Token>, Problem> {
    let unauthorized = |detail: &str| Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail));
    match parts.extensions.get().unwrap_or(&Credentials::Missing) {
        Credentials::Valid(token) => Ok(token.clone()),
        Credentials::Missing => unauthorized(
            "a token is needed: `Authorization: Bearer TOKEN`. The first one is in the file admin-token of the data directory",
        ),
        Credentials::Malformed => unauthorized("the Authorization header is not `Bearer TOKEN`"),
        Credentials::Unknown => unauthorized("the token is not known; it may have been revoked, or belong to another server"),
        Credentials::TooMany { wait } => {
            let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
            let detail = format!(
                "the token is not valid, and too many from this address were not; try again in {seconds} s with one that is"
            );
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-failures", detail).retry_after(seconds))
        }
    }
}

fn credentials(headers: &HeaderMap, app: &App) -> Credentials {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Credentials::Missing };
    let secret = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, secret)| secret.trim());
    match secret {
        None => Credentials::Malformed,
        Some(secret) => app.tokens.check(secret).map_or(Credentials::Unknown, Credentials::Valid),
    }
}

/// Leaves a trace of somebody who may be guessing.
async fn tell(app: &App, source: Source) {
    tracing::warn!(%source, "too many credentials failed; more from there are refused for a minute");
    let entry = audit::entry(Timestamp::now(), "authentication.refuse", source.to_string(), None);
    if let Err(error) = app.store.audit_append(entry).await {
        tracing::error!(%source, %error, "the failed authentications could not be recorded");
    }
}
