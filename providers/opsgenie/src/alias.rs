//! Which alert it is.

use crate::action::Action;
use crate::config::Config;
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::{self, Limit};

/// 512 characters: <https://docs.opsgenie.com/docs/alert-api>, "Create Alert".
const LONGEST: Limit = Limit::utf16(512);

/// The alias: the entity's own key, or its digest where that is too long or would not stand in a URL as it is. There an alias
/// has to be encoded, which proxies and servers undo in more than one way (`%2F`).
pub(crate) fn of(delivery: &Delivery<Config, Connection>, action: Action) -> Result<String, Failure> {
    let key = delivery.thing_key(action == Action::Create)?;
    // What RFC 3986 allows in a path's segment, apart from what means something to somebody.
    let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte));
    let fits = plain && LONGEST.fits(&key) && !matches!(key.as_str(), "" | "." | "..");
    Ok(if fits { key } else { text::digest(&key) })
}
