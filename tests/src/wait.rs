//! Waiting for a condition.

use std::future::Future;
use std::time::Duration;

/// How long a condition may take. Only a broken product, or a machine that is far too busy, reaches it.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How long the first daemon of a run may take to compile all of the bundled providers, which others find in the cache: a dozen, by
/// an unoptimised compiler, on processors that build and test besides.
pub const COMPILING: Duration = Duration::from_secs(600);

const INTERVAL: Duration = Duration::from_millis(10);

/// Asks again and again until there is an answer.
///
/// # Panics
/// There is none within [`DEADLINE`].
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, ask: impl FnMut() -> F) -> T {
    until_within(DEADLINE, what, ask).await
}

/// Asks again and again until there is an answer.
///
/// # Panics
/// There is none within `deadline`.
pub async fn until_within<T, F: Future<Output = Option<T>>>(deadline: Duration, what: &str, mut ask: impl FnMut() -> F) -> T {
    let mut ticks = tokio::time::interval(INTERVAL);
    let asking = async {
        loop {
            ticks.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    limited(deadline, what, asking).await
}

/// Waits for something that ends by itself.
///
/// # Panics
/// It does not within [`DEADLINE`].
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    limited(DEADLINE, what, work).await
}

async fn limited<T>(deadline: Duration, what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(deadline, work).await {
        Ok(value) => value,
        Err(_) => panic!("waited {} s in vain for {what}", deadline.as_secs()),
    }
}
