//! Bounds of the parts of an exchange, which a provider may set as `wasi:http` has them.

use crate::failure::Failure;
use crate::limits::{Bound, Limits};
use crate::message::ErrorKind;
use futures::FutureExt as _;
use futures::future::Either;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Less than this counts as this: as for a whole exchange ([`crate::Limits::shortest_timeout`], by default).
const SHORTEST: Duration = Duration::from_millis(100);
/// What stands for no bound: longer than any call lasts.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// How long each part of an exchange may take. The operator's bounds and that of the whole hold besides. Default: no bound of its
/// own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Until there is a connection.
    pub connect: Option<Duration>,
    /// From then on until the answer begins. Without a bound for connecting, that counts in here.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the answer's body.
    pub between_bytes: Option<Duration>,
    /// When the whole ends that this exchange is a part of.
    pub(crate) until: Option<Instant>,
}

impl Timeouts {
    /// Bounds of the parts.
    pub fn new(connect: Option<Duration>, first_byte: Option<Duration>, between_bytes: Option<Duration>) -> Self {
        Self { connect, first_byte, between_bytes, until: None }
    }
}

impl Timeouts {
    /// The time to connect: the provider's or the operator's, whichever is shorter.
    pub(crate) fn to_connect(self, limits: &Limits) -> Bound {
        let operators = Bound::new(limits.connect_timeout.0, "egress.limits.connect-timeout");
        self.connect.map_or(operators, |asked| operators.or_less(Bound::new(bounded(asked), Bound::OF_THE_PROVIDER)))
    }

    // What follows combines futures and is not `async` itself: each such function would keep what it is given twice.

    pub(crate) fn to_first_byte<T>(
        self,
        limits: &Limits,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> impl Future<Output = Result<T, Failure>> {
        let mut most = Bound::new(limits.first_byte_timeout.0, "egress.limits.first-byte-timeout");
        if let Some(asked) = self.first_byte {
            let asked = bounded(asked) + self.connect.map_or(Duration::ZERO, bounded);
            most = most.or_less(Bound::new(asked, Bound::OF_THE_PROVIDER));
        }
        within(most, "No answer began", answer)
    }

    pub(crate) fn between_bytes<T>(
        self,
        piece: impl Future<Output = Result<T, Failure>>,
    ) -> impl Future<Output = Result<T, Failure>> {
        match self.between_bytes {
            None => Either::Left(piece),
            Some(asked) => {
                let most = Bound::new(bounded(asked), Bound::OF_THE_PROVIDER);
                Either::Right(within(most, "The answer stopped: no more of it came", piece))
            }
        }
    }
}

fn bounded(asked: Duration) -> Duration {
    asked.clamp(SHORTEST, FOREVER)
}

fn within<T>(
    most: Bound,
    what: &'static str,
    work: impl Future<Output = Result<T, Failure>>,
) -> impl Future<Output = Result<T, Failure>> {
    timeout(most.time, work).map(move |result| match result {
        Ok(result) => result,
        Err(_) => {
            let message = format!("{what} {most}.");
            Err(Failure::Failed { kind: ErrorKind::Timeout, message, sent: true })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_core::retry::Span;
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
        let (limits, timeouts) = (Limits::default(), Timeouts::new(short, short, short));
        let stopped = message(timeouts.between_bytes(pending())).await;
        assert_eq!(stopped, "The answer stopped: no more of it came within 100 ms (set by the provider).");
        let silent = message(timeouts.to_first_byte(&limits, pending())).await;
        assert_eq!(silent, "No answer began within 200 ms (set by the provider).", "connecting comes before");
        assert_eq!(timeouts.to_connect(&limits).to_string(), "within 100 ms (set by the provider)");
    }

    #[tokio::test]
    async fn the_operators_bounds_hold_whatever_a_provider_asks_for() {
        let limits = Limits { first_byte_timeout: Span(Duration::from_millis(50)), ..Limits::default() };
        let endless = Timeouts::new(Some(Duration::MAX), Some(Duration::MAX), None);
        for timeouts in [Timeouts::default(), endless] {
            assert!(timeouts.to_first_byte(&limits, std::future::ready(Ok(()))).await.is_ok());
            let silent = message(timeouts.to_first_byte(&limits, pending())).await;
            assert_eq!(silent, "No answer began within 50 ms (egress.limits.first-byte-timeout).");
            assert_eq!(timeouts.to_connect(&limits).to_string(), "within 10000 ms (egress.limits.connect-timeout)");
        }
    }
}
