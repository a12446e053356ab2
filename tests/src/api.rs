//! Calls of the HTTP API.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use serde_json::Value;
use std::time::Duration;

/// A server and a token. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    server: String,
    token: Option<String>,
    timeout: Duration,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
}

impl Answer {
    /// The body as JSON; null if it is empty.
    ///
    /// # Panics
    /// It is no JSON.
    pub fn json(&self) -> Value {
        if self.text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("the answer is no JSON ({error}): {self:?}"))
    }

    /// The body of a success.
    ///
    /// # Panics
    /// It is none.
    pub fn success(self) -> Value {
        assert!((200..300).contains(&self.status), "refused: {} {}", self.status, self.text);
        self.json()
    }

    /// A header's value; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The problem document, whose status, code and form are checked.
    ///
    /// # Panics
    /// It is another, or none.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        assert_eq!((self.status, kind.as_str()), (status, "application/problem+json"), "{}", self.text);
        let problem = self.json();
        assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &code.into()), "{problem}");
        assert!(problem["title"].is_string(), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        problem
    }
}

impl Api {
    /// The server at this URL.
    ///
    /// # Panics
    /// The machine's TLS cannot be set up.
    pub fn new(server: String, token: Option<String>) -> Self {
        // Another test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A connection for each call: one whose request was refused before it was read whole is closed by the server, and the
        // next call on it would fail or not, as chance has it.
        let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        let http = builder.build().expect("an HTTP client");
        Self { http, server, token, timeout: Duration::from_secs(60) }
    }

    /// The same server, with so long for each call.
    #[must_use]
    pub fn within(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// The server's URL.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The token that calls carry.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The same server with another token, or with none.
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// Makes a call with a body of any kind.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn send(&self, method: Method, path: &str, kind: &str, body: Vec<u8>) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.server)).timeout(self.timeout);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.header(CONTENT_TYPE, kind).body(body).send().await?;
        Ok(Answer { status: response.status().as_u16(), headers: response.headers().clone(), text: response.text().await? })
    }

    /// Makes a call with JSON and with headers of its own, which may replace `Content-Type`.
    ///
    /// # Panics
    /// There was no answer.
    pub async fn call_with(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let answer = self.try_call_with(method, path, headers, body).await;
        answer.unwrap_or_else(|error| panic!("no answer to {path}: {error:?}"))
    }

    /// Likewise, where there may be no answer.
    ///
    /// # Errors
    /// There was none, or not the whole of it.
    pub async fn try_call_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> reqwest::Result<Answer> {
        let request = self.http.request(method, format!("{}{path}", self.server)).timeout(self.timeout);
        let mut request = request.header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let mut own = HeaderMap::new();
        for (name, value) in headers {
            own.insert(HeaderName::from_bytes(name.as_bytes()).expect("a name"), value.parse().expect("a value"));
        }
        let response = request.headers(own).body(if body.is_null() { String::new() } else { body.to_string() }).send().await?;
        Ok(Answer { status: response.status().as_u16(), headers: response.headers().clone(), text: response.text().await? })
    }

    /// Makes a call with JSON, or with nothing if that is null.
    ///
    /// # Panics
    /// There was no answer.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send(method, path, "application/json", body).await.unwrap_or_else(|error| panic!("no answer to {path}: {error:?}"))
    }

    /// `GET` that succeeds.
    pub async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, Value::Null).await.success()
    }

    /// `POST` that succeeds.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.call(Method::POST, path, body).await.success()
    }

    /// `PUT` that succeeds.
    pub async fn put(&self, path: &str, body: Value) -> Value {
        self.call(Method::PUT, path, body).await.success()
    }

    /// `PATCH` that succeeds.
    pub async fn patch(&self, path: &str, body: Value) -> Value {
        self.call(Method::PATCH, path, body).await.success()
    }

    /// `DELETE` that succeeds.
    pub async fn delete(&self, path: &str) {
        self.call(Method::DELETE, path, Value::Null).await.success();
    }

    /// The objects of a listing's first page.
    ///
    /// # Panics
    /// It is no listing.
    pub async fn items(&self, path: &str) -> Vec<Value> {
        match self.get(path).await["items"].take() {
            Value::Array(items) => items,
            other => panic!("{path} has no items: {other}"),
        }
    }
}
