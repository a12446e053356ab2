//! How the coordinator works.

use crate::catalog::ProviderLimits;
use crate::schedule::Limits;
use postern_core::retry::Policy;
use std::time::Duration;

/// How the coordinator works.
#[derive(Clone, Debug)]
pub struct Options {
    /// The bounds of what is in flight.
    pub limits: Limits,
    /// The bounds of what is in flight at one provider.
    pub provider_limits: ProviderLimits,
    /// When a failed delivery is tried again, unless its subscription says otherwise.
    pub retry: Policy,
    /// A subscription is disabled after so long a time of nothing but failures; at half of it a warning is given. Zero:
    /// never. Default: 5 days.
    pub disable_after: Duration,
    /// How long events are kept whose deliveries all succeeded. Default: 30 days.
    pub keep: Duration,
    /// How long events are kept of which a delivery failed. Default: 90 days.
    pub keep_failed: Duration,
    /// How long it is known who changed what. Default: a year.
    pub keep_audit: Duration,
    /// How long attempts that run at a stop may take to end. Default: 30 seconds.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            limits: Limits::default(),
            provider_limits: ProviderLimits::default(),
            retry: Policy::default(),
            disable_after: 5 * DAY,
            keep: 30 * DAY,
            keep_failed: 90 * DAY,
            keep_audit: 365 * DAY + DAY / 4,
            drain: Duration::from_secs(30),
        }
    }
}
