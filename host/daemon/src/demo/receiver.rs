//! An HTTP receiver that answers 200 with an id and hands on what it got. It reads one request of each connection.

use anyhow::{Context, Result, bail};
use std::fmt::Write;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// The most that it reads of a request.
const LARGEST: usize = 2 << 20;

/// A request that arrived.
pub(super) struct Received {
    line: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Received {
    /// As it stood on the wire.
    pub(super) fn show(&self) -> String {
        let mut text = self.line.clone();
        for (name, value) in &self.headers {
            let _ = write!(text, "\n{name}: {value}");
        }
        let body = serde_json::from_slice(&self.body)
            .and_then(|value: serde_json::Value| serde_json::to_string_pretty(&value))
            .unwrap_or_else(|_| String::from_utf8_lossy(&self.body).into_owned());
        text + "\n\n" + &body
    }
}

pub(super) struct Receiver {
    address: SocketAddr,
    requests: mpsc::Receiver<Received>,
}

impl Receiver {
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("the receiver cannot listen")?;
        let address = listener.local_addr()?;
        let (sender, requests) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(received) = answer(stream).await
                    && sender.send(received).await.is_err()
                {
                    return;
                }
            }
        });
        Ok(Self { address, requests })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) async fn next(&mut self) -> Result<Received> {
        self.requests.recv().await.context("the receiver ended")
    }
}

async fn answer(mut stream: TcpStream) -> Result<Received> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > LARGEST || stream.read_buf(&mut bytes).await? == 0 {
            bail!("no whole request");
        }
    };
    let text = std::str::from_utf8(&bytes[..head])?;
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.iter().find(|(name, _)| name == "content-length").map_or(Ok(0), |(_, value)| value.parse())?;
    while bytes.len() < head + 4 + length {
        if bytes.len() > LARGEST || stream.read_buf(&mut bytes).await? == 0 {
            bail!("no whole request");
        }
    }
    let body = bytes[head + 4..head + 4 + length].to_vec();
    let reply = r#"{"id":"status-page-77"}"#;
    let response = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{reply}",
        reply.len()
    );
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(Received { line, headers, body })
}
