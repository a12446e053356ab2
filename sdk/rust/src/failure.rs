//! Why a delivery failed, and what the host should do about it.

use std::fmt;
use std::time::Duration;

/// The longest message that the host takes, in bytes.
pub const LONGEST_MESSAGE: usize = 4096;

/// The longest delay that a provider can ask for.
pub const LONGEST_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A delivery that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One line that tells an administrator what happened and what to do.
    pub message: String,
    /// What to do next.
    pub retry: Retry,
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Try again when the subscription's schedule says.
    Backoff,
    /// Try again after this time, at most [`LONGEST_DELAY`].
    After(Duration),
    /// It can never succeed: fail now.
    Never,
}

impl Failure {
    /// The next try may succeed: the target is down, say.
    pub fn backoff(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: Retry::Backoff }
    }

    /// The next try may succeed, but not before `delay` is over.
    pub fn after(delay: Duration, message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: Retry::After(delay) }
    }

    /// No try can succeed until somebody changes something.
    pub fn never(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: Retry::Never }
    }

    /// With the wait that the target asked for, if it did and a retry may help: what can never succeed stays so.
    ///
    /// For a target that says it in the body: [`http::seconds`](crate::http::seconds) reads the number.
    #[must_use]
    pub fn waiting(mut self, delay: Option<Duration>) -> Self {
        if let (Some(delay), Retry::Backoff | Retry::After(_)) = (delay, self.retry) {
            self.retry = Retry::After(delay.min(LONGEST_DELAY));
        }
        self
    }

    /// Puts what was being done in front of the message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// The message, cut at a character's end to what the host takes.
    #[cfg_attr(not(any(target_arch = "wasm32", test)), expect(dead_code, reason = "only the exports need it"))]
    pub(crate) fn into_bounded_message(mut self) -> String {
        if self.message.len() > LONGEST_MESSAGE {
            let mark = " …";
            let end = self.message.floor_char_boundary(LONGEST_MESSAGE - mark.len());
            self.message.truncate(end);
            self.message.push_str(mark);
        }
        self.message
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<serde_json::Error> for Failure {
    /// What is no JSON now is none in five minutes.
    fn from(error: serde_json::Error) -> Self {
        Self::never(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_kept_where_a_retry_may_help() {
        let wait = Some(Duration::from_millis(1500));
        assert_eq!(Failure::backoff("x").waiting(wait).retry, Retry::After(Duration::from_millis(1500)));
        assert_eq!(Failure::after(LONGEST_DELAY, "x").waiting(wait).retry, Retry::After(Duration::from_millis(1500)));
        assert_eq!(Failure::backoff("x").waiting(Some(Duration::MAX)).retry, Retry::After(LONGEST_DELAY));
        assert_eq!(Failure::backoff("x").waiting(None).retry, Retry::Backoff);
        assert_eq!(Failure::never("x").waiting(wait).retry, Retry::Never);
    }

    #[test]
    fn a_message_is_cut_at_a_characters_end() {
        assert_eq!(Failure::never("short").into_bounded_message(), "short");
        let cut = Failure::never("ä".repeat(LONGEST_MESSAGE)).into_bounded_message();
        assert!(cut.len() <= LONGEST_MESSAGE && cut.ends_with("ä …"));
    }
}
