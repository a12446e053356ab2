//! A request as it arrived.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The largest head and the largest body that are read: more than a broker sends by default.
const LARGEST: usize = 4 << 20;

/// A request as it arrived, with secrets in it.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// With the host that was meant: `https://example.com:8443/hooks?a=b`.
    pub(crate) url: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// Reads one; none if the connection was closed before.
    pub(super) async fn read(scheme: &str, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if bytes.len() > LARGEST {
                return Err(wrong("the head is too large"));
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let url = format!("{scheme}://{}{target}", header("host").unwrap_or_default());
        let length: usize = header("content-length").map_or(Ok(0), str::parse).map_err(|_| wrong("the length is no number"))?;
        if length > LARGEST {
            return Err(wrong("the body is too large"));
        }
        let mut body = bytes.split_off(end + 4);
        while body.len() < length {
            if stream.read_buf(&mut body).await? == 0 {
                return Ok(None);
            }
        }
        body.truncate(length);
        Ok(Some(Self { method: method.to_owned(), url, headers, body }))
    }

    /// The first header of a name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// As a text, much as it stood on the wire.
    pub(crate) fn to_text(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        format!("{} {}\n{headers}\n{}", self.method, self.url, String::from_utf8_lossy(&self.body))
    }
}
