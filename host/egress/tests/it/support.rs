//! A small HTTP server and a short way to set a call up.

use postern_core::delivery::{Exchange, ExchangeResult};
use postern_core::grant::Grant;
use postern_core::host_pattern::HostPattern;
use postern_egress::{Broker, Call, CallSettings, Header, Limits, Options, Request, Seals};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// `GET /path HTTP/1.1` and the headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What the server does with a request.
pub(crate) enum Reply {
    /// Writes these bytes and reads on.
    Raw(Vec<u8>),
    /// Writes these bytes and closes the connection.
    Last(Vec<u8>),
    /// Never answers.
    Silence,
    /// Closes the connection.
    Close,
}

/// An answer with a length.
pub(crate) fn reply(status: &str, headers: &str, body: &[u8]) -> Reply {
    let mut raw = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    raw.extend_from_slice(body);
    Reply::Raw(raw)
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let answer = Arc::new(answer);
        let (log, count) = (received.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, answer.clone(), log.clone()));
            }
        });
        Self { address, received, connections }
    }

    /// One that answers `200 OK` to everything.
    pub(crate) async fn ok() -> Self {
        Self::start(|_| reply("200 OK", "", b"ok")).await
    }

    /// One that answers with what it received.
    pub(crate) async fn echo() -> Self {
        Self::start(|received| {
            let line = received.head.lines().next().unwrap_or_default();
            let token = received.header("x-token").unwrap_or_default();
            reply(
                "200 OK",
                &format!("x-line: {line}\r\nx-token: {token}\r\n"),
                format!("{}\n{}", received.head, received.body).as_bytes(),
            )
        })
        .await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<impl Fn(&Received) -> Reply>, log: Arc<Mutex<Vec<Received>>>) {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end - 4]).into_owned();
        let mut received = Received { head, body: String::new() };
        let length: usize = received.header("content-length").map_or(0, |length| length.parse().unwrap());
        while buffer.len() < end + length {
            if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
        }
        received.body = String::from_utf8_lossy(&buffer[end..end + length]).into_owned();
        buffer.drain(..end + length);
        log.lock().unwrap().push(received.clone());
        match answer(&received) {
            Reply::Raw(raw) => {
                if stream.write_all(&raw).await.is_err() {
                    return;
                }
            }
            Reply::Last(raw) => {
                let _ = stream.write_all(&raw).await;
                return;
            }
            Reply::Silence => std::future::pending().await,
            Reply::Close => return,
        }
    }
}

/// How a call is set up: the loopback addresses are allowed, also for secrets without TLS, and so are all hosts of the URLs
/// that `hosts` gives.
pub(crate) struct Setup {
    pub(crate) options: Options,
    pub(crate) wish: Vec<HostPattern>,
    pub(crate) grant: Grant,
    pub(crate) seals: Seals,
    pub(crate) provider: &'static str,
    pub(crate) time: Duration,
}

impl Setup {
    pub(crate) fn new(hosts: &[&str]) -> Self {
        let hosts: Vec<HostPattern> = hosts.iter().map(|host| host.parse().unwrap()).collect();
        Self {
            options: Options {
                allow: vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()],
                plain_http: vec!["127.0.0.1:*".parse().unwrap()],
                limits: Limits::default(),
                ..Options::default()
            },
            wish: hosts.clone(),
            grant: Grant { hosts, ..Grant::default() },
            seals: Seals::new(),
            provider: "postern.webhook",
            time: Duration::from_secs(30),
        }
    }

    /// For one server.
    pub(crate) fn to(server: &Server) -> Self {
        Self::new(&[&server.url("")])
    }

    pub(crate) fn call(self) -> Call {
        let broker = Broker::new(self.options.clone()).unwrap();
        self.call_of(&broker)
    }

    pub(crate) fn call_of(self, broker: &Broker) -> Call {
        broker.call(CallSettings {
            provider: self.provider.parse().unwrap(),
            wish: self.wish.into(),
            grant: Arc::new(self.grant),
            config: Arc::default(),
            connection: None,
            seals: self.seals,
            deadline: tokio::time::Instant::now() + self.time,
        })
    }
}

pub(crate) fn get(url: impl Into<String>) -> Request {
    Request { method: "GET".into(), url: url.into(), ..Request::default() }
}

pub(crate) fn post(url: impl Into<String>, content_type: &str, body: impl Into<Vec<u8>>) -> Request {
    Request {
        method: "POST".into(),
        url: url.into(),
        headers: vec![Header::new("Content-Type", content_type)],
        body: Some(body.into()),
        ..Request::default()
    }
}

/// The code of a denied exchange, the kind of a failed one, the status of an answered one.
pub(crate) fn outcome(exchange: &Exchange) -> String {
    match &exchange.result {
        ExchangeResult::Denied { code, .. } => format!("denied {code}"),
        ExchangeResult::Failed { kind, sent, .. } => format!("failed {kind} {sent}"),
        ExchangeResult::Answered { status, .. } => format!("answered {status}"),
    }
}

/// All outcomes of a call.
pub(crate) fn outcomes(call: &Call) -> Vec<String> {
    call.exchanges().iter().map(outcome).collect()
}
