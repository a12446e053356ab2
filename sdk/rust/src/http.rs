//! HTTP requests. The host sends them: it decides which hosts may be reached, puts secrets in, and keeps a record.
//!
//! ```no_run
//! # use postern_provider::prelude::*;
//! # fn f(config_url: &str, token: &Secret) -> Result<(), Failure> {
//! let response = http::post(config_url).bearer(token).json(&["hello"]).send()?.success()?;
//! # Ok(()) }
//! ```

mod error;
mod link;
mod refusal;
mod request;
mod response;
mod retry_after;

pub use error::{Error, ErrorKind};
pub use refusal::Refusal;
pub use request::Request;
pub use response::Response;
pub use retry_after::seconds;

/// `GET`.
pub fn get(url: impl AsRef<str>) -> Request {
    Request::new("GET", url)
}

/// `POST`.
pub fn post(url: impl AsRef<str>) -> Request {
    Request::new("POST", url)
}

/// `PUT`.
pub fn put(url: impl AsRef<str>) -> Request {
    Request::new("PUT", url)
}

/// `PATCH`.
pub fn patch(url: impl AsRef<str>) -> Request {
    Request::new("PATCH", url)
}

/// `DELETE`.
pub fn delete(url: impl AsRef<str>) -> Request {
    Request::new("DELETE", url)
}
