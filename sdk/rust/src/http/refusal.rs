//! What a target refused, for a provider to which some statuses mean more than a failure: that something is gone, say.

use super::{Error, Response};
use crate::Failure;
use std::fmt;

/// A request that had no success: by its status, and the failure that it means unless the status means something else.
///
/// ```
/// # use postern_provider::http::{self, Refusal};
/// # use postern_provider::Failure;
/// fn exists(url: &str) -> Result<bool, Failure> {
///     let response = http::get(url).send()?;
///     let refusal = match response.is_success() {
///         true => return Ok(true),
///         false => Refusal::of(&response, response.failure()),
///     };
///     if refusal.status == Some(404) { Ok(false) } else { Err(refusal.context("looking for it")) }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The answer's status; none where there was no answer, or one that could not be read.
    pub status: Option<u16>,
    /// What it means for the delivery.
    pub failure: Failure,
}

impl Refusal {
    /// An answer with what the provider makes of it.
    pub fn of(response: &Response, failure: Failure) -> Self {
        Self { status: Some(response.status), failure }
    }

    /// The failure alone: what `map_err` needs.
    pub fn into_failure(self) -> Failure {
        self.failure
    }

    /// The failure, with what was being done in front of its message.
    pub fn context(self, doing: impl fmt::Display) -> Failure {
        self.failure.context(doing)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { status: None, failure }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}
