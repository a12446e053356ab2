//! What callers are told when something cannot be done.

use postern_core::manifest::ManifestError;
use postern_events::Violation;
use postern_runtime::{CallError, LoadError};

/// Why it was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such object.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// `event type`, `subscription`, …
        what: &'static str,
        /// As it was asked for.
        id: String,
    },
    /// What was offered does not fit.
    #[error("{message}")]
    Invalid {
        /// What does not fit.
        message: String,
        /// Where.
        violations: Vec<Violation>,
    },
    /// It would break what uses it.
    #[error("{message}")]
    Breaks {
        /// What would break, and what to do.
        message: &'static str,
        /// Which subscriptions, and where.
        violations: Vec<Violation>,
    },
    /// It does not go with what is there.
    #[error("{0}")]
    Conflict(String),
    /// It was changed since the caller looked.
    #[error("the {what} was changed meanwhile: you changed revision {expected}, and it is at {found}; look at it again")]
    Stale {
        /// `subscription`, `connection`.
        what: &'static str,
        /// The revision that the caller looked at.
        expected: u64,
        /// The revision that is stored.
        found: u64,
    },
    /// The file is no provider for this host.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The operator does not trust the component.
    #[error("the component is not taken: {0}")]
    Untrusted(String),
    /// The provider's manifest is not what the contract says.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The component's exports are not of the contract's types.
    #[error("{0}")]
    Mismatch(CallError),
    /// The provider did not answer as it should.
    #[error(transparent)]
    Call(CallError),
    /// As much is queued as may be.
    #[error(
        "{unfinished} deliveries are unfinished, and {most} may be ([delivery] backlog); nothing was emitted. Try again later, \
         or see what holds them up: postern delivery list --status retrying"
    )]
    Busy {
        /// How many are unfinished.
        unfinished: usize,
        /// How many may be.
        most: usize,
    },
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] postern_store::Error),
    /// The host failed.
    #[error("{0}")]
    Internal(String),
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Mismatch(_) => Self::Mismatch(error),
            other => Self::Call(other),
        }
    }
}

impl Error {
    pub(crate) fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }

    pub(crate) fn invalid(message: impl Into<String>, violations: Vec<Violation>) -> Self {
        Self::Invalid { message: message.into(), violations }
    }
}
