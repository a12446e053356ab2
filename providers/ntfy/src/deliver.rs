//! One delivery: a notification, or the entity's anew.
//!
//! A notification with the sequence ID of an earlier one replaces that: <https://docs.ntfy.sh/publish/#updating-notifications>.

use crate::api;
use crate::config::{Config, LaterEvents};
use crate::connection::Connection;
use crate::message;
use postern_provider::prelude::*;
use postern_provider::text::digest;
use serde_json::Value;

pub(crate) fn run(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
    let sequence = sequence(delivery);
    let published = api::publish(delivery.connection()?, &message::body(delivery, &sequence))?;
    if published["sequence_id"] != sequence.as_str() {
        log::info("the server knows no sequence IDs, which came with ntfy 2.16: later events do not replace this notification");
    }
    Ok(Receipt::with_external_id(sequence))
}

/// Looks for what an earlier attempt published, as long as the server keeps it.
pub(crate) fn find(delivery: &Delivery<Config, Connection>) -> Result<Option<Receipt>, Failure> {
    let sequence = sequence(delivery);
    let wanted = message::body(delivery, &sequence);
    let title = wanted["title"].as_str().unwrap_or_default();
    let kept = match api::kept(delivery.connection()?, &delivery.config.topic, title) {
        Ok(kept) => kept,
        Err(failure) if failure.retry == Retry::Never => {
            log::warn(format!("what was published cannot be looked for: {failure}"));
            return Ok(None);
        }
        Err(failure) => return Err(failure.context("looking for an earlier notification")),
    };
    let same = |found: &Value| ["sequence_id", "title", "message"].iter().all(|name| found[name] == wanted[name]);
    Ok(kept.iter().any(same).then(|| Receipt::with_external_id(sequence)))
}

/// The sequence ID: of the entity in this subscription, or of the delivery. A key may have any length and any characters, a
/// sequence ID 64 of those of topics. What only tries the subscription out stands alone.
fn sequence(delivery: &Delivery<Config, Connection>) -> String {
    let entity = delivery.entity.as_ref().filter(|_| delivery.config.later_events == LaterEvents::Replace && !delivery.test);
    let (what, name) = match entity {
        Some(entity) => ("entity", &entity.key),
        None => ("delivery", &delivery.id),
    };
    let hash = digest(&format!("{what}\0{}\0{name}", delivery.subscription.id));
    format!("postern-{}", &hash[..32])
}
