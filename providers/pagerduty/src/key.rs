//! Which alert it is.

use crate::action::Action;
use crate::config::Config;
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::{self, Limit};

/// 255 characters (<https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>, `dedup_key`). Counted in bytes, so that
/// the key fits the contract's 256 bytes of an external id too.
const LONGEST: Limit = Limit::bytes(255);

/// The deduplication key: the entity's own, or its digest where that is too long.
pub(crate) fn of(delivery: &Delivery<Config, Connection>, action: Action) -> Result<String, Failure> {
    let key = delivery.thing_key(action == Action::Trigger)?;
    Ok(if LONGEST.fits(&key) { key } else { text::digest(&key) })
}
