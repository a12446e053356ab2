//! The present time, as far as a provider knows it.
//!
//! A module for `wasm32-unknown-unknown` has no clock: `SystemTime::now()` panics there. The host says when the call
//! began, and since every call runs in a fresh instance that lives for some seconds, this is the present time.

use crate::Failure;
use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

thread_local! {
    static CALL_BEGAN: Cell<SystemTime> = const { Cell::new(UNIX_EPOCH) };
}

/// When the present call began, by the host's clock.
pub fn now() -> SystemTime {
    CALL_BEGAN.get()
}

/// Seconds since 1970 when the present call began.
pub fn unix_seconds() -> u64 {
    now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// A time as the contract writes it: RFC 3339, in UTC, with milliseconds.
pub fn format(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// Takes the time that the host gave with a call.
pub(crate) fn set(text: &str) -> Result<SystemTime, Failure> {
    let time = humantime::parse_rfc3339(text)
        .map_err(|error| Failure::never(format!("the host said that it is `{text}`, which is no time: {error}")))?;
    CALL_BEGAN.set(time);
    Ok(time)
}
