//! Removes what is older than it need be, in small steps.

use super::Options;
use crate::Catalog;
use postern_core::Timestamp;
use postern_store::{Expiry, Retention};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often old events are looked for.
const EVERY: Duration = Duration::from_secs(60);
/// How many records one step of purging removes at most.
const STEP: usize = 2_000;
/// How long it rests after a step that left something.
const REST: Duration = Duration::from_millis(100);

/// Purges until `stop`.
pub(super) async fn run(catalog: Arc<Catalog>, options: Options, stop: CancellationToken) {
    loop {
        let now = catalog.clock.now();
        let ago = |age: Duration| {
            let now = now.as_millis();
            Timestamp::from_millis(now - i64::try_from(age.as_millis()).unwrap_or(i64::MAX).min(now))
        };
        let retention = Retention { before: ago(options.keep), failed_before: ago(options.keep_failed) };
        let events = catalog.store.purge(retention, STEP).await.map(|purged| {
            if purged.events > 0 {
                tracing::info!(events = purged.events, deliveries = purged.deliveries, "purged");
            }
            purged.more
        });
        let expiry = Expiry { now, audit_before: ago(options.keep_audit) };
        let expired = catalog.store.purge_expired(expiry, STEP).await.map(|purged| {
            if purged.audit_entries > 0 {
                tracing::info!(audit_entries = purged.audit_entries, "purged");
            }
            purged.more
        });
        let more = [events, expired].into_iter().any(|result| {
            result.unwrap_or_else(|error| {
                tracing::error!(%error, "what is old cannot be purged; trying again in a minute");
                false
            })
        });
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(if more { REST } else { EVERY }) => {}
        }
    }
}
