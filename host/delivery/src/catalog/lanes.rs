//! What the schedule has to know of subscriptions.

use super::{Catalog, Prepared, Provider};
use crate::schedule::{Lane, Lanes, Quota};
use postern_core::host_pattern::Section;
use postern_core::{ProviderId, SubscriptionId, TenantId};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The bounds of what is in flight at one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderLimits {
    /// How many calls at once. Default: 512.
    pub calls: usize,
    /// How many bytes the instances of one provider may take together, by what its calls were seen to need. Default: 1 GiB.
    pub memory: usize,
}

impl Default for ProviderLimits {
    fn default() -> Self {
        Self { calls: 512, memory: 1 << 30 }
    }
}

impl ProviderLimits {
    /// How many calls at once, if each takes so many bytes. At least one.
    fn calls_of(self, footprint: usize) -> usize {
        self.calls.min(self.memory / footprint.max(1)).max(1)
    }
}

impl Lanes for Catalog {
    fn lane(&self, id: SubscriptionId) -> Arc<Lane> {
        let Ok(prepared) = self.subscription(id) else { return Arc::new(nobody()) };
        let subscription = &prepared.subscription;
        let nobody = || Lane { tenant: subscription.tenant.clone(), ..nobody() };
        if !subscription.enabled {
            return Arc::new(nobody());
        }
        let paused = self.waits(subscription).map(Into::into);
        let Ok(provider) = self.serving(subscription) else {
            return Arc::new(Lane { provider: subscription.provider_id.clone(), paused, ..nobody() });
        };
        let hint = provider
            .manifest
            .rate
            .map(|hint| Quota { deliveries: hint.calls, per: Duration::from_millis(u64::from(hint.per_milliseconds)) });
        let own = prepared.quota();
        let shared = subscription.connection_id.is_some();
        Arc::new(Lane {
            tenant: subscription.tenant.clone(),
            provider: provider.manifest.id.clone(),
            build: provider.component.is_some().then(|| provider.digest.as_str().into()),
            provider_limit: self.provider_limits.load().calls_of(provider.footprint.load(Ordering::Relaxed)),
            destination: self.destination(&prepared, &provider),
            connection: subscription.connection_id,
            quota: if shared { own } else { own.or(hint) },
            connection_quota: hint.filter(|_| shared),
            paused,
        })
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

/// What does not exist any more, or is disabled, waits for nothing: its deliveries only have to be told so.
fn nobody() -> Lane {
    Lane {
        tenant: TenantId::default(),
        provider: "postern.none".parse::<ProviderId>().expect("a provider's id"),
        build: None,
        provider_limit: usize::MAX,
        destination: None,
        connection: None,
        quota: None,
        connection_quota: None,
        paused: None,
    }
}

impl Catalog {
    /// A call of a provider needed more memory than any before: fewer may run at once, perhaps.
    pub(crate) fn footprint_grew(&self, known: usize, now: usize) {
        let limits = self.provider_limits.load();
        if limits.calls_of(known) != limits.calls_of(now) {
            self.tell_changed();
        }
    }

    /// Where a subscription's deliveries go: the host of the field that the provider's wish names, else the first host of
    /// the wish, which all its subscriptions share.
    fn destination(&self, prepared: &Prepared, provider: &Provider) -> Option<Arc<str>> {
        let connection = prepared.subscription.connection_id.and_then(|id| self.connection(id).ok());
        let named = provider.wish.iter().find_map(|wish| {
            let reference = wish.field()?;
            let opened = match reference.section {
                Section::Config => &prepared.opened,
                Section::Connection => &connection.as_ref()?.opened,
            };
            wish.destination(opened.clear.get(&reference.name)?.as_str()?).map(Arc::from)
        });
        named.or_else(|| provider.wish.first().map(|wish| wish.to_string().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_gets_as_many_calls_as_its_memory_allows() {
        let limits = ProviderLimits { calls: 512, memory: 1 << 30 };
        assert_eq!([0, 1 << 20, 64 << 20, 2 << 30].map(|bytes| limits.calls_of(bytes)), [512, 512, 16, 1]);
    }
}
