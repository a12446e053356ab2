//! What the schedule has to know of a subscription.

use super::Quota;
use postern_core::{ConnectionId, ProviderId, SubscriptionId, TenantId};
use std::sync::Arc;

/// What the schedule has to know of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Whose it is.
    pub tenant: TenantId,
    /// Who delivers.
    pub provider: ProviderId,
    /// The build of the provider; none if it is not loaded.
    pub build: Option<Arc<str>>,
    /// How many attempts the provider may make at once.
    pub provider_limit: usize,
    /// Where its deliveries go, as `https://host:443`; none if no request will be made.
    pub destination: Option<Arc<str>>,
    /// The connection that it uses.
    pub connection: Option<ConnectionId>,
    /// How fast it may deliver.
    pub quota: Option<Quota>,
    /// How fast all that use the connection may deliver together.
    pub connection_quota: Option<Quota>,
    /// Why nothing is to be attempted until the catalog changes, for people; none if something may be.
    pub paused: Option<Arc<str>>,
}

/// Where the schedule learns about subscriptions.
pub trait Lanes {
    /// What is known of a subscription; of one that does not exist (any more) too, since somebody has to say so in its
    /// deliveries.
    fn lane(&self, subscription: SubscriptionId) -> Arc<Lane>;

    /// Another number whenever an answer of [`lane`](Self::lane) may have changed.
    fn generation(&self) -> u64;
}
