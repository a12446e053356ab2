//! An HTTP server that records requests and answers from a script. Each connection carries one request.

use crate::wait::within;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// When the whole of it was there.
    pub at: Instant,
}

impl Received {
    /// A header's value; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// It is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("the body is no JSON ({error}): {self:?}"))
    }

    /// Everything as one text, to look for what must not be there.
    pub fn text(&self) -> String {
        format!("{} {} {:?} {}", self.method, self.target, self.headers, String::from_utf8_lossy(&self.body))
    }
}

/// What the receiver does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answers with this status and no body.
    Status(u16),
    /// Answers with status, headers and body.
    Full(u16, Vec<(&'static str, String)>, String),
    /// Answers 200 with the request's headers and body in header and body.
    Echo,
    /// Waits until [`Receiver::release`] or [`Receiver::release_one`], then answers 200.
    Hold,
    /// Waits likewise, then does this.
    HoldThen(Box<Reply>),
    /// Closes the connection.
    Close,
}

struct Script {
    next: VecDeque<Reply>,
    otherwise: Box<dyn FnMut(&Received) -> Reply + Send>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("next", &self.next).finish_non_exhaustive()
    }
}

/// A receiver on a free port of 127.0.0.1.
#[derive(Debug)]
pub struct Receiver {
    port: u16,
    requests: mpsc::UnboundedReceiver<Received>,
    connections: Arc<AtomicUsize>,
    script: Arc<Mutex<Script>>,
    /// A permit for each request that is let go; closed when all are.
    held: Arc<Semaphore>,
}

impl Receiver {
    /// One that answers 200.
    ///
    /// # Panics
    /// No port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let script = Arc::new(Mutex::new(Script { next: VecDeque::new(), otherwise: Box::new(|_| Reply::Status(200)) }));
        let connections = Arc::new(AtomicUsize::new(0));
        let (sender, requests) = mpsc::unbounded_channel();
        let held = Arc::new(Semaphore::new(0));
        let (counter, replies, holding) = (connections.clone(), script.clone(), held.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let (sender, replies, held) = (sender.clone(), replies.clone(), holding.clone());
                tokio::spawn(async move {
                    // A daemon that is killed in the middle breaks its connections.
                    let _ = answer(stream, &sender, &replies, &held).await;
                });
            }
        });
        Self { port, requests, connections, script, held }
    }

    /// One that answers every request likewise.
    pub async fn that(reply: Reply) -> Self {
        let receiver = Self::start().await;
        receiver.always(reply);
        receiver
    }

    /// The next requests are answered thus, those after as before.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.script.lock().expect("no panic").next.extend(replies);
    }

    /// From now on, whatever the script does not cover is answered thus.
    pub fn always(&self, reply: Reply) {
        self.decide(move |_| reply.clone());
    }

    /// From now on, whatever the script does not cover is shown to this, which says how it is answered.
    pub fn decide(&self, decide: impl FnMut(&Received) -> Reply + Send + 'static) {
        self.script.lock().expect("no panic").otherwise = Box::new(decide);
    }

    /// Lets go what [`Reply::Hold`] holds, now and from now on.
    pub fn release(&self) {
        self.held.close();
    }

    /// Lets go one request that is held: the one that has been for longest. If there is none, the next will not be held.
    pub fn release_one(&self) {
        self.held.add_permits(1);
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next request that arrived, or arrives.
    ///
    /// # Panics
    /// None does.
    pub async fn next(&mut self) -> Received {
        within("a request to arrive", self.requests.recv()).await.expect("the receiver runs")
    }

    /// Whether nobody has connected so far.
    pub fn is_untouched(&self) -> bool {
        self.connections.load(Ordering::SeqCst) == 0
    }

    /// The requests that arrived and were not taken yet.
    pub fn drain(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

/// A port of 127.0.0.1 that nobody listens on, and that nobody else gets meanwhile.
#[derive(Debug)]
pub struct Nobody(TcpSocket);

impl Nobody {
    /// Takes a free port.
    ///
    /// # Panics
    /// There is none.
    #[expect(clippy::new_without_default, reason = "it takes a port, which is no default")]
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        Self(socket)
    }

    /// Its URL.
    ///
    /// # Panics
    /// It has no address.
    pub fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("an address"))
    }
}

async fn answer(
    mut stream: TcpStream,
    requests: &mpsc::UnboundedSender<Received>,
    script: &Mutex<Script>,
    held: &Semaphore,
) -> std::io::Result<()> {
    let Some(received) = read(&mut stream).await? else { return Ok(()) };
    let reply = {
        let mut script = script.lock().expect("no panic");
        match script.next.pop_front() {
            Some(reply) => reply,
            None => (script.otherwise)(&received),
        }
    };
    let echo = json!({ "headers": received.headers, "body": String::from_utf8_lossy(&received.body) }).to_string();
    let credentials = received.header("authorization").to_owned();
    let _ = requests.send(received);
    let reply = match reply {
        Reply::Hold => held_back(held, Reply::Status(200)).await,
        Reply::HoldThen(then) => held_back(held, *then).await,
        reply => reply,
    };
    let (status, headers, body) = match reply {
        Reply::Close | Reply::Hold | Reply::HoldThen(_) => return Ok(()),
        Reply::Status(status) => (status, Vec::new(), String::new()),
        Reply::Full(status, headers, body) => (status, headers, body),
        Reply::Echo => (200, vec![("X-Echo", credentials)], echo),
    };
    let mut text = format!("HTTP/1.1 {status} Answer\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{text}\r\n{body}").as_bytes()).await?;
    stream.shutdown().await
}

async fn held_back(held: &Semaphore, then: Reply) -> Reply {
    if let Ok(permit) = held.acquire().await {
        permit.forget();
    }
    then
}

/// None if the connection was closed before a whole request came.
async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Received>> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(Some(0), |(_, value)| value.parse().ok());
    let end = head + 4 + length.unwrap_or(0);
    while bytes.len() < end {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(Received { method, target, headers, body: bytes[head + 4..end].to_vec(), at: Instant::now() }))
}
