//! Calls of the HTTP API: the token, problem documents, pages, entity tags.

use crate::retry::{Failure, Retry, retry_after};
use crate::{Error, Problem};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, header};
use serde_json::Value;
use std::time::Duration;

/// How long one call may take, its answer included: 2 minutes, enough to compile a large provider.
const LONGEST_CALL: Duration = Duration::from_secs(120);

/// How long one try of a registration or an emission may take: 30 seconds. The server answers within milliseconds; what
/// takes longer is lost on its way.
const LONGEST_TRY: Duration = Duration::from_secs(30);

/// A server and a token. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    server: String,
    token: Option<String>,
    tenant: Option<String>,
    retry: Retry,
}

/// What a request carries.
#[derive(Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// JSON.
    Json(Value),
    /// A component.
    Component {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Its minisign signature: the whole content of its `.minisig` file.
        signature: Option<String>,
    },
}

/// An object with its revision.
#[derive(Clone, Debug)]
pub struct Tagged {
    /// The object; null where the answer has no body.
    pub value: Value,
    /// The entity tag that a change names, so that it is made only to this revision; none if the object has none.
    pub tag: Option<String>,
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
            .timeout(LONGEST_CALL)
            .build()
            .map_err(|error| Error::Setup(error.to_string()))?;
        let server = server.trim_end_matches('/').to_owned();
        Ok(Self { http, server, token, tenant: None, retry: Retry::default() })
    }

    /// The same with a tenant for emissions that name none. Default: the token's tenant, or `default`.
    #[must_use]
    pub fn with_tenant(self, tenant: impl Into<String>) -> Self {
        Self { tenant: Some(tenant.into()), ..self }
    }

    /// The same with other bounds for the tries of registrations and emissions. Every other call is made once.
    #[must_use]
    pub fn retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    pub(crate) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// Makes a call; `path` begins with `/`. Answers with null where the answer has no body.
    ///
    /// # Errors
    /// The server refused it, or there was no answer.
    pub async fn call(&self, method: Method, path: &str, body: Body) -> Result<Value, Error> {
        Ok(self.call_at(method, path, None, body).await?.value)
    }

    /// Makes a call for an object that is to be at the revision that an entity tag names; none: at any.
    ///
    /// # Errors
    /// As [`Client::call`]; with the code `stale` if the object is at another revision.
    pub async fn call_at(&self, method: Method, path: &str, tag: Option<&str>, body: Body) -> Result<Tagged, Error> {
        self.try_once(method, path, tag, &body, LONGEST_CALL).await.map_err(|failure| failure.error)
    }

    /// Makes a call that may be repeated without harm, and repeats it where that may help.
    pub(crate) async fn call_again(&self, method: Method, path: &str, body: &Body) -> Result<Value, Error> {
        let tagged = self.retry.run(|| self.try_once(method.clone(), path, None, body, LONGEST_TRY)).await?;
        Ok(tagged.value)
    }

    async fn try_once(
        &self,
        method: Method,
        path: &str,
        tag: Option<&str>,
        body: &Body,
        longest: Duration,
    ) -> Result<Tagged, Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.server)).timeout(longest);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(tag) = tag {
            request = request.header(header::IF_MATCH, tag);
        }
        request = match body {
            Body::Empty => request,
            Body::Json(value) => request.header(header::CONTENT_TYPE, "application/json").body(value.to_string()),
            Body::Component { bytes, signature } => {
                let request = request.header(header::CONTENT_TYPE, "application/wasm").body(bytes.clone());
                match signature {
                    Some(signature) => request.header("Postern-Signature", STANDARD.encode(signature)),
                    None => request,
                }
            }
        };
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let (tag, retry_after) = (text(header::ETAG).map(str::to_owned), text(header::RETRY_AFTER).and_then(retry_after));
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            let value = if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&bytes) };
            return Ok(Tagged { value: value.map_err(|_| self.foreign(status.as_u16()))?, tag });
        }
        let problem = serde_json::from_slice::<Problem>(&bytes);
        let error = problem.map_or_else(|_| self.foreign(status.as_u16()), Error::Problem);
        Err(Failure { error, retry_after })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        if error.is_builder() {
            return Error::Setup(format!("a request to {} cannot be made: {}", self.server, innermost(error)));
        }
        Error::Unreachable { server: self.server.clone(), reason: innermost(error) }
    }

    pub(crate) fn foreign(&self, status: u16) -> Error {
        Error::Foreign { server: self.server.clone(), status }
    }

    /// `GET`.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        self.call(Method::GET, path, Body::Empty).await
    }

    /// `GET` with the revision.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn get_tagged(&self, path: &str) -> Result<Tagged, Error> {
        self.call_at(Method::GET, path, None, Body::Empty).await
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
            let mut parts: Vec<_> = query.iter().map(|(name, value)| format!("{name}={}", segment(value))).collect();
            parts.extend(cursor.as_ref().map(|cursor| format!("cursor={}", segment(cursor))));
            let separator = if parts.is_empty() { "" } else { "?" };
            let mut page = self.get(&format!("{path}{separator}{}", parts.join("&"))).await?;
            let Some(Value::Array(mut found)) = page.get_mut("items").map(Value::take) else {
                return Err(self.foreign(200));
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

/// A text as it stands in one part of a path or in a query.
pub fn segment(text: &str) -> String {
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
