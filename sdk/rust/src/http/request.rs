//! A request, put together step by step.

use super::{Error, ErrorKind, Response};
use crate::host;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::time::Duration;

/// A request. What is wrong with it comes out when it is sent.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// In the order in which they were added.
    pub headers: Vec<(String, String)>,
    /// The body, if any.
    pub body: Option<Vec<u8>>,
    /// For the whole exchange; the host's 10 seconds unless set.
    pub timeout: Option<Duration>,
    /// How many redirects to follow; none unless set.
    pub redirects: u32,
    problem: Option<String>,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: impl Into<String>, url: impl AsRef<str>) -> Self {
        let (method, url) = (method.into(), url.as_ref().to_owned());
        Self { method, url, headers: Vec::new(), body: None, timeout: None, redirects: 0, problem: None }
    }

    /// Adds a header. An earlier one of the same name, however it is written, goes.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let name = name.as_ref();
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// `Authorization: Bearer …`
    pub fn bearer(self, token: impl AsRef<str>) -> Self {
        let value = format!("Bearer {}", token.as_ref());
        self.header("Authorization", value)
    }

    /// `Authorization: Basic …`. The host finds a placeholder in it in spite of the Base64.
    pub fn basic(self, user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        let credentials = STANDARD.encode(format!("{}:{}", user.as_ref(), password.as_ref()));
        self.header("Authorization", format!("Basic {credentials}"))
    }

    /// A JSON body with its content type.
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body = Some(body),
            Err(error) => self.problem = Some(format!("the body cannot be written as JSON: {error}")),
        }
        self.header("Content-Type", "application/json")
    }

    /// A form body (`application/x-www-form-urlencoded`) with its content type.
    pub fn form<K: AsRef<str>, V: AsRef<str>>(mut self, fields: impl IntoIterator<Item = (K, V)>) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body = Some(body.into_bytes());
        self.header("Content-Type", "application/x-www-form-urlencoded")
    }

    /// Any other body. Set its content type with [`header`](Self::header).
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// For the whole exchange: 100 ms to 60 s, and never beyond the call's own time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Follows so many redirects at most (the host's bound is 5 by default), which needs a grant of its own. Credentials and
    /// secrets stay with their host.
    pub fn follow_redirects(mut self, most: u32) -> Self {
        self.redirects = most;
        self
    }

    /// Sends it and waits for the whole answer. An answer of any status is `Ok`: see [`Response::success`].
    ///
    /// # Errors
    /// When there is no answer. `?` makes it a [`Failure`](crate::Failure) that says whether to try again.
    pub fn send(mut self) -> Result<Response, Error> {
        match self.problem.take() {
            Some(message) => Err(Error { kind: ErrorKind::InvalidRequest, message, sent: false }),
            None => host::send(self),
        }
    }
}
