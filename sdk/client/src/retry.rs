//! Trying again what failed for a passing reason.

use crate::Error;
use backon::{ExponentialBuilder, Retryable};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How often and how long a registration or an emission is tried: after no answer, and after 429, 502, 503 and 504.
///
/// The delay doubles from try to try, with a random part of up to its own length on top, so that many clients do not come
/// back at once. What `Retry-After` asks for is waited for in addition, unless that would take longer than
/// [`Retry::within`] allows: then the error is returned at once.
#[derive(Clone)]
pub struct Retry {
    tries: usize,
    first: Duration,
    longest: Duration,
    within: Duration,
    sleep: Arc<dyn Fn(Duration) -> Wait + Send + Sync>,
}

impl Default for Retry {
    /// 6 tries within a minute, with delays from 200 milliseconds to 10 seconds.
    fn default() -> Self {
        Self {
            tries: 6,
            first: Duration::from_millis(200),
            longest: Duration::from_secs(10),
            within: Duration::from_secs(60),
            sleep: Arc::new(|delay| Box::pin(tokio::time::sleep(delay))),
        }
    }
}

impl Retry {
    /// One try and no other.
    pub fn never() -> Self {
        Self::default().tries(1)
    }

    /// At most so many tries, the first included; at least 1. Default: 6.
    #[must_use]
    pub fn tries(self, tries: usize) -> Self {
        Self { tries: tries.max(1), ..self }
    }

    /// The delay before the second try, and the longest before any. Default: 200 milliseconds and 10 seconds.
    #[must_use]
    pub fn delays(self, first: Duration, longest: Duration) -> Self {
        Self { first, longest: longest.max(first), ..self }
    }

    /// No try begins later than this after the first one. Default: 60 seconds.
    #[must_use]
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// Waits by other means than tokio's timer: in a test, or on another runtime's timer.
    #[must_use]
    pub fn sleeper<F: Future<Output = ()> + Send + 'static>(self, sleep: impl Fn(Duration) -> F + Send + Sync + 'static) -> Self {
        Self { sleep: Arc::new(move |delay| Box::pin(sleep(delay))), ..self }
    }

    /// Tries until it succeeds, until it fails for a reason that will not pass, or until the bounds are reached.
    pub(crate) async fn run<T, F>(&self, attempt: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let delays = ExponentialBuilder::new()
            .with_min_delay(self.first)
            .with_max_delay(self.longest)
            .with_max_times(self.tries - 1)
            .with_jitter();
        let sleep = self.sleep.clone();
        let (began, mut waited) = (Instant::now(), Duration::ZERO);
        let wait = |failure: &Failure, delay: Option<Duration>| {
            let delay = delay?.saturating_add(failure.retry_after.unwrap_or_default());
            waited = waited.saturating_add(delay);
            // Both clocks count: a sleeper that does not really wait must not lift the bound.
            let next = began.elapsed().saturating_add(delay).max(waited);
            (next <= self.within).then_some(delay)
        };
        let tried = attempt.retry(delays).sleep(move |delay| sleep(delay)).when(|failure| failure.error.is_temporary());
        tried.adjust(wait).await.map_err(|failure: Failure| failure.error)
    }
}

impl std::fmt::Debug for Retry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tries, first, longest, within, .. } = self;
        write!(f, "Retry({tries} tries within {within:?}, {first:?} to {longest:?} apart)")
    }
}

/// One try that failed.
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// What the server asks for.
    pub(crate) retry_after: Option<Duration>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, retry_after: None }
    }
}

/// Reads a `Retry-After` as RFC 9110, section 10.2.3 has it: seconds, or a date.
pub(crate) fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let moment = httpdate::parse_http_date(value).ok()?;
            Some(moment.duration_since(std::time::SystemTime::now()).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Problem;
    use parking_lot::Mutex;

    fn refused(status: u16, retry_after: Option<u64>) -> Failure {
        let problem = Problem { status, code: "x".to_owned(), detail: "no".to_owned(), errors: Vec::new() };
        Failure { error: Error::Problem(problem), retry_after: retry_after.map(Duration::from_secs) }
    }

    /// Runs what always fails; answers with the delays between the tries.
    async fn delays(retry: Retry, status: u16, retry_after: Option<u64>) -> Vec<Duration> {
        let slept = Arc::new(Mutex::new(Vec::new()));
        let record = slept.clone();
        let retry = retry.sleeper(move |delay| {
            record.lock().push(delay);
            std::future::ready(())
        });
        let outcome: Result<(), _> = retry.run(|| async { Err(refused(status, retry_after)) }).await;
        assert!(outcome.is_err());
        slept.lock().clone()
    }

    #[tokio::test]
    async fn delays_double_within_their_jitter_and_end() {
        let delays = delays(Retry::default(), 503, None).await;
        assert_eq!(delays.len(), 5);
        for (number, delay) in delays.iter().enumerate() {
            let least = Duration::from_millis(200 << number);
            assert!((least..=2 * least).contains(delay), "{number}: {delay:?}");
        }
    }

    #[tokio::test]
    async fn what_the_server_asks_for_is_waited_for_unless_it_takes_too_long() {
        let asked = delays(Retry::default().tries(3), 429, Some(7)).await;
        assert!(asked.len() == 2 && asked.iter().all(|delay| (7.2..=7.8).contains(&delay.as_secs_f64())), "{asked:?}");
        assert!(delays(Retry::default(), 503, Some(61)).await.is_empty(), "longer than a minute");
        assert_eq!(delays(Retry::default(), 503, Some(25)).await.len(), 2, "the third would begin after more than a minute");
        assert!(delays(Retry::default(), 503, Some(u64::MAX)).await.is_empty());
    }

    #[tokio::test]
    async fn only_what_may_pass_is_tried_again() {
        for status in [429, 502, 503, 504] {
            assert_eq!(delays(Retry::default().tries(2), status, None).await.len(), 1, "{status}");
        }
        for status in [400, 401, 403, 404, 409, 413, 422, 500, 501] {
            assert!(delays(Retry::default(), status, Some(1)).await.is_empty(), "{status}");
        }
        assert!(delays(Retry::never(), 503, None).await.is_empty());
    }

    #[test]
    fn a_delay_is_read_in_both_forms() {
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let soon = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(100));
        assert!(retry_after(&soon).is_some_and(|delay| (90..=100).contains(&delay.as_secs())));
        assert_eq!((retry_after("soon"), retry_after("-1")), (None, None));
    }
}
