//! What a request's connection has to know of the request, and what the request learns of its connection.
//!
//! The HTTP client makes connections in its own depths: the resolver sees only a name, the connector only a URL, the TLS
//! library only its settings. A task-local value accompanies the request there and gathers what happens on the way.

use crate::limits::Bound;
use parking_lot::Mutex;
use postern_core::timings::Timings;
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use rustls::{NamedGroup, client::Resumption};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

tokio::task_local! {
    /// The request that this task works for.
    static REQUEST: Arc<Connecting>;
    /// The request for which this task makes a connection.
    static CONNECTION: Arc<Connecting>;
}

/// How many servers' TLS sessions a provider keeps, times the tickets of each.
const SESSIONS: usize = 64;

/// The connection of one request.
#[derive(Debug)]
pub(crate) struct Connecting {
    /// Until when the connection must be there.
    pub(crate) deadline: tokio::time::Instant,
    /// The bound that this moment comes from.
    pub(crate) bound: Bound,
    /// The port that the request goes to.
    pub(crate) port: Option<u16>,
    began: Instant,
    marks: Mutex<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    connecting_at: Option<Instant>,
    resolve: Option<Duration>,
    resolved_at: Option<Instant>,
    handshake_at: Option<Instant>,
    connected_at: Option<Instant>,
    first_byte: Option<Duration>,
}

impl Connecting {
    pub(crate) fn new(deadline: tokio::time::Instant, bound: Bound, port: Option<u16>) -> Arc<Self> {
        Arc::new(Self { deadline, bound, port, began: Instant::now(), marks: Mutex::default() })
    }

    /// The request's own work.
    pub(crate) fn accompany<F: Future>(self: Arc<Self>, work: F) -> impl Future<Output = F::Output> {
        REQUEST.scope(self, work)
    }

    /// The request that this task works for, if it does.
    pub(crate) fn of_request() -> Option<Arc<Self>> {
        REQUEST.try_with(Arc::clone).ok()
    }

    /// The request for which this task makes a connection.
    pub(crate) fn present() -> Option<Arc<Self>> {
        CONNECTION.try_with(Arc::clone).ok()
    }

    /// Makes the connection. It may go on in another task, when the request got a connection that came free meanwhile; then
    /// it is none of this request's.
    pub(crate) async fn make<T, E>(self: Arc<Self>, connecting: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.marks.lock().connecting_at = Some(Instant::now());
        let made = CONNECTION.scope(self.clone(), connecting).await;
        if made.is_ok() && REQUEST.try_with(|request| Arc::ptr_eq(request, &self)).unwrap_or(false) {
            self.marks.lock().connected_at = Some(Instant::now());
        }
        made
    }

    /// The name is resolved, for which it took so long.
    pub(crate) fn resolved(&self, took: Duration) {
        let mut marks = self.marks.lock();
        (marks.resolve, marks.resolved_at) = (Some(took), Some(Instant::now()));
    }

    /// The head of the answer is there.
    pub(crate) fn answered(&self) {
        self.marks.lock().first_byte = Some(self.began.elapsed());
    }

    /// What is known so far.
    pub(crate) fn timings(&self) -> Timings {
        let marks = self.marks.lock();
        let first_byte_micros = marks.first_byte.map(micros);
        let reused = marks.connected_at.is_none() && first_byte_micros.is_some();
        if reused {
            return Timings { reused, first_byte_micros, ..Timings::default() };
        }
        let between = |from: Option<Instant>, to: Option<Instant>| Some(micros(to?.saturating_duration_since(from?)));
        Timings {
            reused,
            resolve_micros: marks.resolve.map(micros),
            connect_micros: between(marks.resolved_at.or(marks.connecting_at), marks.handshake_at.or(marks.connected_at)),
            tls_micros: between(marks.handshake_at, marks.connected_at),
            first_byte_micros,
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Resumption of TLS sessions, kept in memory, that notes when a handshake begins: the TLS library asks for a session then,
/// and tells it nowhere else.
pub(crate) fn resumption() -> Resumption {
    Resumption::store(Arc::new(Sessions(ClientSessionMemoryCache::new(SESSIONS))))
}

#[derive(Debug)]
struct Sessions(ClientSessionMemoryCache);

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(server_name)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(server_name, value);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(server_name)
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.0.remove_tls12_session(server_name);
    }

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(server_name, value);
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        if let Some(connecting) = Connecting::present() {
            connecting.marks.lock().handshake_at = Some(Instant::now());
        }
        self.0.take_tls13_ticket(server_name)
    }
}
