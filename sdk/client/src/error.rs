//! Why a call did not succeed.

use serde::Deserialize;

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
    /// A payload has no form in JSON: a map whose keys are no texts, say. Nothing was sent.
    #[error("the payload of {event_type} cannot be written as JSON: {reason}")]
    Payload {
        /// The event type.
        event_type: String,
        /// What the serializer says.
        reason: String,
    },
    /// More emissions than one request takes. Nothing was sent.
    #[error("{given} emissions are too many for one request; at most {most} are taken")]
    TooMany {
        /// So many were given.
        given: usize,
        /// So many are taken.
        most: usize,
    },
}

impl Error {
    /// Whether the same call may succeed a little later: there was no answer, or its status is 429, 502, 503 or 504.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Problem(Problem { status, .. }) | Self::Foreign { status, .. } => matches!(status, 429 | 502..=504),
            Self::Setup(_) | Self::Payload { .. } | Self::TooMany { .. } => false,
        }
    }

    /// The stable code of the server's refusal, for programs: `not-found`, `stale`, …
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.code),
            _ => None,
        }
    }
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
