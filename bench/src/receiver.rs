//! The other end of deliveries: an HTTP receiver in a thread of its own that keeps connections open, notes what came when,
//! and answers 200 at once, or never while it hangs.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The field of a payload that holds an emission's number.
pub(crate) const SEQUENCE: &str = "\"sequence\":";

/// How long nothing may arrive while something is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A delivery that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// The emission's number, if the body has one.
    pub(crate) sequence: Option<usize>,
    /// The header `X-Delivery-Id`.
    pub(crate) delivery: Box<[u8]>,
    /// When its body was read.
    pub(crate) at: Instant,
}

/// What arrived so far.
#[derive(Default)]
struct Notes {
    arrivals: Mutex<Vec<Arrival>>,
    count: AtomicUsize,
    connections: AtomicUsize,
    hangs: AtomicBool,
}

/// A receiver. It ends with the process.
pub(crate) struct Receiver {
    /// Where it listens: loopback addresses. Each is a destination of its own.
    pub(crate) addresses: Vec<SocketAddr>,
    notes: Arc<Notes>,
}

impl Receiver {
    /// Listens on so many free ports.
    ///
    /// # Errors
    /// There are none, or no thread.
    pub(crate) fn start(ports: usize) -> Result<Self> {
        let mut listeners = Vec::new();
        for _ in 0..ports {
            let listener = TcpListener::bind("127.0.0.1:0").context("the receiver cannot listen")?;
            listener.set_nonblocking(true)?;
            listeners.push(listener);
        }
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        let notes = Arc::new(Notes::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let noted = notes.clone();
        let receive = async move {
            let mut accepting = JoinSet::new();
            for listener in listeners {
                accepting.spawn(accept(listener, noted.clone()));
            }
            accepting.join_all().await;
        };
        std::thread::Builder::new().name("receiver".into()).spawn(move || runtime.block_on(receive))?;
        Ok(Self { addresses, notes })
    }

    /// Whether requests from now on get no answer, until the sender gives up.
    pub(crate) fn hang(&self, hangs: bool) {
        self.notes.hangs.store(hangs, Ordering::Relaxed);
    }

    /// How many requests arrived since the last [`take`](Self::take).
    pub(crate) fn count(&self) -> usize {
        self.notes.count.load(Ordering::Acquire)
    }

    /// Waits until so many arrived.
    ///
    /// # Errors
    /// Nothing arrives any more.
    pub(crate) async fn wait_for(&self, expected: usize) -> Result<()> {
        let (mut arrived, mut last) = (self.count(), Instant::now());
        while arrived < expected {
            if last.elapsed() > PATIENCE {
                bail!("{arrived} of {expected} deliveries arrived, then none for {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
            let before = std::mem::replace(&mut arrived, self.count());
            if arrived != before {
                last = Instant::now();
            }
        }
        Ok(())
    }

    /// How many connections were made since the start.
    pub(crate) fn connections(&self) -> usize {
        self.notes.connections.load(Ordering::Relaxed)
    }

    /// What arrived, which is forgotten here.
    pub(crate) fn take(&self) -> Vec<Arrival> {
        let mut arrivals = self.notes.arrivals.lock();
        self.notes.count.store(0, Ordering::Release);
        std::mem::take(&mut arrivals)
    }
}

/// How many deliveries arrived, each counted once.
pub(crate) fn distinct(arrivals: &[Arrival]) -> usize {
    arrivals.iter().map(|arrival| &*arrival.delivery).collect::<HashSet<_>>().len()
}

async fn accept(listener: TcpListener, notes: Arc<Notes>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        notes.connections.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_nodelay(true);
        let notes = notes.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| receive(&notes, request));
            // A sender that goes away is no concern of the receiver.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn receive(notes: &Notes, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let delivery = request.headers().get("x-delivery-id").map(|id| id.as_bytes().into()).unwrap_or_default();
    if let Ok(body) = request.into_body().collect().await {
        let sequence = sequence(&body.to_bytes());
        let mut arrivals = notes.arrivals.lock();
        arrivals.push(Arrival { sequence, delivery, at: Instant::now() });
        notes.count.store(arrivals.len(), Ordering::Release);
    }
    if notes.hangs.load(Ordering::Relaxed) {
        // Dropped when the sender closes the connection.
        std::future::pending::<()>().await;
    }
    Ok(Response::new(Empty::new()))
}

fn sequence(body: &[u8]) -> Option<usize> {
    let start = memchr::memmem::find(body, SEQUENCE.as_bytes())? + SEQUENCE.len();
    let digits = body[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&body[start..start + digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::sequence;

    #[test]
    fn the_number_of_an_emission_is_found_in_the_body() {
        assert_eq!(sequence(br#"{"id":"x","data":{"sequence":17,"padding":""}}"#), Some(17));
        assert_eq!(sequence(br#"{"data":{}}"#), None);
    }
}
