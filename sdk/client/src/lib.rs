//! A client of Postern's HTTP API: what the command line uses, and programs that emit events.
//!
//! It adds the token, turns problem documents into errors, and goes through listings page by page.

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// A server and a token. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    server: String,
    token: Option<String>,
}

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused it.
    #[error("{0}")]
    Problem(Problem),
    /// There was no answer.
    #[error("no answer from {server}: {reason}. Is the server running there? Set --server or POSTERN_URL if it is elsewhere")]
    Unreachable {
        /// The server's URL.
        server: String,
        /// What the connection says.
        reason: String,
    },
    /// The answer is none of Postern's.
    #[error("{server} answered with status {status}, but not as Postern does; is it the right URL?")]
    Foreign {
        /// The server's URL.
        server: String,
        /// The HTTP status.
        status: u16,
    },
    /// The client itself cannot be set up.
    #[error("the client cannot be set up: {0}")]
    Setup(String),
}

/// A problem document as the server sends it.
#[derive(Debug, Clone, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Stable, for programs.
    pub code: String,
    /// What happened and what to do.
    pub detail: String,
    /// The places that do not fit.
    #[serde(default)]
    pub errors: Vec<Place>,
}

/// A place that does not fit.
#[derive(Debug, Clone, Deserialize)]
pub struct Place {
    /// A JSON pointer.
    pub path: String,
    /// What does not fit.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)?;
        for place in &self.errors {
            let path = if place.path.is_empty() { "/" } else { &place.path };
            write!(f, "\n  {path}: {}", place.message)?;
        }
        Ok(())
    }
}

/// What a request carries.
#[derive(Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// JSON.
    Json(Value),
    /// A component.
    Component(Vec<u8>),
}

impl Client {
    /// A client for the server at this URL.
    ///
    /// # Errors
    /// The machine's TLS cannot be set up.
    pub fn new(server: &str, token: Option<String>) -> Result<Self, Error> {
        // Another part of the program may have installed it; then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(120))
            .build()
            .map_err(|error| Error::Setup(error.to_string()))?;
        Ok(Self { http, server: server.trim_end_matches('/').to_owned(), token })
    }

    /// Makes a call; `path` begins with `/`. Answers with null where the answer has no body.
    ///
    /// # Errors
    /// The server refused it, or there was no answer.
    pub async fn call(&self, method: Method, path: &str, body: Body) -> Result<Value, Error> {
        let mut request = self.http.request(method, format!("{}{path}", self.server));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        request = match body {
            Body::Empty => request,
            Body::Json(value) => request.header("content-type", "application/json").body(value.to_string()),
            Body::Component(bytes) => request.header("content-type", "application/wasm").body(bytes),
        };
        let unreachable = |error: reqwest::Error| Error::Unreachable { server: self.server.clone(), reason: innermost(&error) };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(unreachable)?;
        if status.is_success() && bytes.is_empty() {
            return Ok(Value::Null);
        }
        let foreign = || Error::Foreign { server: self.server.clone(), status: status.as_u16() };
        if status.is_success() {
            serde_json::from_slice(&bytes).map_err(|_| foreign())
        } else {
            Err(serde_json::from_slice(&bytes).map(Error::Problem).unwrap_or_else(|_| foreign()))
        }
    }

    /// `GET`.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        self.call(Method::GET, path, Body::Empty).await
    }

    /// `POST` with JSON.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn post(&self, path: &str, body: Value) -> Result<Value, Error> {
        self.call(Method::POST, path, Body::Json(body)).await
    }

    /// `PUT` with JSON.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn put(&self, path: &str, body: Value) -> Result<Value, Error> {
        self.call(Method::PUT, path, Body::Json(body)).await
    }

    /// `PATCH` with JSON.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn patch(&self, path: &str, body: Value) -> Result<Value, Error> {
        self.call(Method::PATCH, path, Body::Json(body)).await
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn delete(&self, path: &str) -> Result<Value, Error> {
        self.call(Method::DELETE, path, Body::Empty).await
    }

    /// The objects of a listing, at most `most`, page by page.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn list(&self, path: &str, query: &[(&str, String)], most: usize) -> Result<Vec<Value>, Error> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut parts: Vec<_> = query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
            parts.extend(cursor.as_ref().map(|cursor| format!("cursor={}", encode(cursor))));
            let separator = if parts.is_empty() { "" } else { "?" };
            let mut page = self.get(&format!("{path}{separator}{}", parts.join("&"))).await?;
            let Some(Value::Array(mut found)) = page.get_mut("items").map(Value::take) else {
                return Err(Error::Foreign { server: self.server.clone(), status: 200 });
            };
            items.append(&mut found);
            cursor = page["nextCursor"].as_str().map(str::to_owned);
            if cursor.is_none() || items.len() >= most {
                items.truncate(most);
                return Ok(items);
            }
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.server)
    }
}

fn encode(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

fn innermost(error: &reqwest::Error) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    source.to_string()
}
