//! Why something could not be done.

use postern_events::Violation;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Why something could not be done. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{} cannot be {what}: {error}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// `read`, `written`.
        what: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// A file or an argument does not say what it should.
    #[error("{origin}: {reason}")]
    Input {
        /// The file, or the argument.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// The daemon would not do it either.
    #[error("{}", told(.0))]
    Refused(#[from] postern_delivery::Error),
    /// This machine cannot do it.
    #[error("{0}")]
    Machine(String),
}

impl Error {
    /// This machine cannot do it: what was tried, and why.
    pub(crate) fn machine(what: &str, error: impl std::fmt::Display) -> Self {
        Self::Machine(format!("{what}: {error}"))
    }
}

/// An error of the daemon's with each place that it names.
pub(crate) fn told(error: &postern_delivery::Error) -> String {
    use postern_delivery::Error;
    let mut text = error.to_string();
    if let Error::Invalid { violations, .. } | Error::Breaks { violations, .. } = error {
        for Violation { path, message } in violations {
            let _ = write!(text, "\n  {path}: {message}");
        }
    }
    text
}
