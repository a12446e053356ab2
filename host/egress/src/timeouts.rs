//! Bounds of the parts of an exchange, which a provider may set as `wasi:http` has them.

use crate::failure::{Failure, classify};
use crate::message::ErrorKind;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Less than this counts as this: as for a whole exchange ([`crate::Limits::shortest_timeout`], by default).
const SHORTEST: Duration = Duration::from_millis(100);
/// What stands for no bound: longer than any call lasts.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// How long each part of an exchange may take. The bound of the whole holds besides. Default: no bound of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Until there is a connection.
    pub connect: Option<Duration>,
    /// From then on until the answer begins. Without a bound for connecting, that counts in here.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the answer's body.
    pub between_bytes: Option<Duration>,
}

impl Timeouts {
    pub(crate) fn connect_deadline(self, now: Instant) -> Instant {
        now + self.connect.map_or(FOREVER, bounded)
    }

    pub(crate) async fn to_first_byte<T>(self, answer: impl Future<Output = reqwest::Result<T>>) -> Result<T, Failure> {
        let most = self.first_byte.map(|most| bounded(most) + self.connect.map_or(Duration::ZERO, bounded));
        within(most, "No answer began", answer).await
    }

    pub(crate) async fn between_bytes<T>(self, piece: impl Future<Output = reqwest::Result<T>>) -> Result<T, Failure> {
        within(self.between_bytes.map(bounded), "The answer stopped: no more of it came", piece).await
    }
}

fn bounded(asked: Duration) -> Duration {
    asked.clamp(SHORTEST, FOREVER)
}

async fn within<T>(most: Option<Duration>, what: &str, work: impl Future<Output = reqwest::Result<T>>) -> Result<T, Failure> {
    let Some(most) = most else { return work.await.map_err(|error| classify(&error)) };
    match timeout(most, work).await {
        Ok(result) => result.map_err(|error| classify(&error)),
        Err(_) => {
            let message = format!("{what} within {} ms, which the provider set.", most.as_millis());
            Err(Failure::Failed { kind: ErrorKind::Timeout, message, sent: true })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    async fn message(answer: impl Future<Output = Result<(), Failure>>) -> String {
        match answer.await {
            Err(Failure::Failed { kind: ErrorKind::Timeout, message, sent: true }) => message,
            _ => panic!("it is a timeout of a request that may have been sent"),
        }
    }

    #[tokio::test]
    async fn each_part_ends_at_its_bound_which_has_a_least() {
        let short = Some(Duration::from_millis(1));
        let timeouts = Timeouts { connect: short, first_byte: short, between_bytes: short };
        assert!(message(timeouts.between_bytes(pending())).await.contains("within 100 ms"));
        assert!(message(timeouts.to_first_byte(pending())).await.contains("within 200 ms"), "connecting comes before");
        let now = Instant::now();
        assert_eq!(timeouts.connect_deadline(now), now + SHORTEST);
    }

    #[tokio::test]
    async fn without_a_bound_there_is_none() {
        let timeouts = Timeouts::default();
        assert!(timeouts.to_first_byte(std::future::ready(Ok(()))).await.is_ok());
        assert!(timeouts.connect_deadline(Instant::now()) > Instant::now() + Duration::from_secs(3600));
        // Beyond what an instant can be.
        let endless = Timeouts { connect: Some(Duration::MAX), first_byte: Some(Duration::MAX), between_bytes: None };
        assert!(endless.to_first_byte(std::future::ready(Ok(()))).await.is_ok());
        endless.connect_deadline(Instant::now());
    }
}
