//! A proxy between a client and the daemon that loses answers, or lets something else happen first.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is handed on.
    Pass,
    /// The daemon has answered, and the client's connection is closed without a byte of that.
    Lose,
}

/// Judges a request: the whole head and body as text.
pub(crate) type Judge = dyn Fn(String) -> Pin<Box<dyn Future<Output = Fate> + Send>> + Send + Sync;

/// A proxy on a free port of 127.0.0.1. Each connection carries one request.
pub(crate) struct Proxy {
    port: u16,
    requests: Arc<AtomicUsize>,
}

impl Proxy {
    /// One before the server at this URL. Requests are handed on once they are judged.
    pub(crate) async fn before<F>(server: &str, judge: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Fate> + Send + 'static,
    {
        let upstream = server.strip_prefix("http://").unwrap().to_owned();
        let judge: Arc<Judge> = Arc::new(move |request| Box::pin(judge(request)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (upstream, judge, counter) = (upstream.clone(), judge.clone(), counter.clone());
                tokio::spawn(async move {
                    // A client that goes away in the middle is the client's affair.
                    let _ = pass(stream, &upstream, judge.as_ref(), &counter).await;
                });
            }
        });
        Self { port, requests }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn pass(mut client: TcpStream, upstream: &str, judge: &Judge, counter: &AtomicUsize) -> std::io::Result<()> {
    let Some((head, body)) = read(&mut client).await? else { return Ok(()) };
    counter.fetch_add(1, Ordering::SeqCst);
    let fate = judge(format!("{head}\r\n\r\n{}", String::from_utf8_lossy(&body))).await;
    let mut server = TcpStream::connect(upstream).await?;
    // The server closes after its answer, so that its end is known without parsing it.
    server.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    server.write_all(&body).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    if fate == Fate::Pass {
        client.write_all(&answer).await?;
        client.shutdown().await?;
    }
    Ok(())
}

/// The head without the empty line, and the body. None if the connection was closed before all of it came.
async fn read(stream: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let whole = end + 4 + length.unwrap_or(0);
    while bytes.len() < whole {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some((head, bytes[end + 4..whole].to_vec())))
}
