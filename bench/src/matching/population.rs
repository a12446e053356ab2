//! An index with as many subscriptions as a shape says, of which ten want any one event.

use anyhow::{Result, bail};
use postern_core::subscription::EventPattern;
use postern_core::{EventTypeId, SubscriptionId, TenantId};
use postern_events::matching::Index;
use std::sync::Arc;

/// How many subscriptions want any one event.
pub(super) const MATCHING: usize = 10;

/// How many subscriptions there are, in how many tenants. Each plugin of each tenant has [`MATCHING`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// A multiple of `tenants` times [`MATCHING`].
    pub(super) subscriptions: usize,
    pub(super) tenants: usize,
}

/// A plugin of a tenant: whence an event comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    tenant: usize,
    plugin: usize,
}

impl Source {
    /// Whose the event is.
    pub(super) fn tenant(self) -> Result<TenantId> {
        Ok(format!("customer-{:06}", self.tenant).parse()?)
    }

    /// What it is.
    pub(super) fn event_type(self) -> Result<EventTypeId> {
        Ok(format!("{}.incident.created", self.plugin()).parse()?)
    }

    /// What one of the ten wants of it.
    pub(super) fn patterns(self, which: usize) -> Result<Vec<EventPattern>> {
        let wanted = WANTED[which % MATCHING].iter();
        wanted.map(|pattern| Ok(pattern.replace("{plugin}", &self.plugin()).parse()?)).collect()
    }

    fn plugin(self) -> String {
        format!("incident-{:05}", self.plugin)
    }
}

/// The index of a shape. It holds what the daemon's does: a shared pointer for each subscription.
pub(super) struct Population {
    pub(super) index: Index<Arc<SubscriptionId>>,
    /// Each plugin of each tenant, in no order that the index knows.
    pub(super) sources: Vec<Source>,
}

/// What the ten want: six by the type's own id, alone or among others, and four by a prefix of it.
const WANTED: [&[&str]; MATCHING] = [
    &["{plugin}.incident.created"],
    &["{plugin}.*"],
    &["{plugin}.incident.created", "{plugin}.incident.resolved"],
    &["{plugin}.incident.*"],
    &["{plugin}.incident.created"],
    &["{plugin}.incident.created", "maintenance.started", "maintenance.completed"],
    &["{plugin}.*", "maintenance.*"],
    &["{plugin}.incident.created", "healthcheck-http.state.changed"],
    &["{plugin}.incident.*", "{plugin}.update.posted"],
    &["{plugin}.incident.created"],
];

impl Population {
    /// Makes it.
    pub(super) fn new(shape: Shape) -> Result<Self> {
        let plugins = shape.subscriptions / shape.tenants / MATCHING;
        let all = (0..shape.tenants).flat_map(|tenant| (0..plugins).map(move |plugin| Source { tenant, plugin }));
        let mut sources: Vec<_> = all.collect();
        shuffle(&mut sources);
        let mut index = Index::default();
        for which in 0..MATCHING {
            for source in &sources {
                let id = SubscriptionId::generate();
                index.put(id, source.tenant()?, &source.patterns(which)?, &Arc::new(id));
            }
        }
        for source in &sources {
            let found = index.matches(&source.tenant()?, &source.event_type()?).len();
            if found != MATCHING {
                bail!("{found} subscriptions match, not {MATCHING}");
            }
        }
        Ok(Self { index, sources })
    }

    /// The source of an event, by the event's number: all of them in turn.
    pub(super) fn source(&self, number: usize) -> Source {
        self.sources[number % self.sources.len()]
    }
}

/// Puts them in an order of its own, the same every time (Fisher and Yates, with Knuth's MMIX generator).
fn shuffle(sources: &mut [Source]) {
    let mut state: u64 = 1;
    for last in (1..sources.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(state >> 33).unwrap_or_default() % (last + 1);
        sources.swap(last, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_of_each_shape_match_every_event() {
        for (subscriptions, tenants) in [(100, 1), (100, 10), (1000, 5)] {
            let population = Population::new(Shape { subscriptions, tenants }).unwrap();
            assert_eq!(population.sources.len(), subscriptions / MATCHING);
        }
    }
}
