//! Counts of deliveries, for an overview.
//!
//! They are counted when somebody asks: counters that every outcome changes would cost keys on the path that must be
//! fast. A count reads the first row of each event and of each step of the time asked for, newest first (a forward scan,
//! which took 5 to 9 µs for each row on sled under load); it lets go of the engine between groups, and ends at a bound.

use crate::key;
use crate::kv::{Direction, Kv};
use crate::read;
use crate::{Error, StatsFilter, list};
use postern_core::delivery::Status;
use postern_core::{EventId, EventTypeId, ProviderId, TenantId, Timestamp};
use std::collections::BTreeMap;

/// A count ends after so many deliveries and events, together.
pub(crate) const BOUND: usize = 1_000_000;

/// How many events are read in one hold of the engine.
const GROUP: usize = 128;

/// How many deliveries there are, by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "named as the statuses are")]
pub struct Counts {
    pub total: usize,
    pub success: usize,
    pub failed: usize,
    pub retrying: usize,
    pub pending: usize,
}

impl Counts {
    fn add(&mut self, status: Status) {
        self.total += 1;
        match status {
            Status::Pending => self.pending += 1,
            Status::Retrying => self.retrying += 1,
            Status::Success => self.success += 1,
            Status::Failed => self.failed += 1,
        }
    }
}

/// What [`Store::stats`](crate::Store::stats) counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The events, those without a delivery included.
    pub events: usize,
    /// All deliveries.
    pub deliveries: Counts,
    /// Those of each event type.
    pub by_event_type: BTreeMap<EventTypeId, Counts>,
    /// Those of each provider.
    pub by_provider: BTreeMap<ProviderId, Counts>,
    /// None: everything was counted. Otherwise the bound of 1,000,000 events and deliveries was reached, and only what
    /// was accepted at this time or later is in the counts; of its first millisecond, a part.
    pub cut_at: Option<Timestamp>,
}

/// A count that goes on.
pub(crate) struct Tally {
    pub(crate) stats: Stats,
    tenant: Option<TenantId>,
    rest: Option<(EventId, EventId)>,
    left: usize,
}

impl Tally {
    pub(crate) fn new(filter: StatsFilter, bound: usize) -> Self {
        let StatsFilter { since, tenant } = filter;
        Self { stats: Stats::default(), tenant, rest: key::accepted(Some(since), None), left: bound }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_none()
    }

    /// Counts one group.
    pub(crate) fn read(&mut self, kv: &dyn Kv) -> Result<(), Error> {
        let Some((newest, oldest)) = self.rest else { return Ok(()) };
        let found = read::event_heads(kv, newest, oldest, GROUP, Direction::Forward)?;
        let (Some((first, _)), Some((last, _))) = (found.first(), found.last()) else {
            (self.rest, self.stats.cut_at) = (None, None);
            return Ok(());
        };
        let steps = read::last_steps(kv, *first, *last)?;
        self.rest = key::previous(*last).filter(|next| found.len() == GROUP && *next >= oldest).map(|next| (next, oldest));
        for (id, head) in found {
            if self.left == 0 {
                self.rest = None;
                return Ok(());
            }
            match head {
                Err(damage) => list::report(id, &damage),
                Ok(head) => self.add(id, &head.header, &steps),
            }
            if self.left == 0 {
                self.stats.cut_at = Some(id.created_at());
            }
        }
        // What was counted to the last event is not cut.
        if self.left == 0 && self.rest.is_none() {
            self.stats.cut_at = None;
        }
        Ok(())
    }

    fn add(&mut self, id: EventId, header: &crate::codec::EventHeader, steps: &read::LastSteps) {
        // What is read costs, whether it counts or not.
        self.left = self.left.saturating_sub(1 + header.routes.len());
        if self.tenant.as_ref().is_some_and(|tenant| *tenant != header.tenant) {
            return;
        }
        self.stats.events += 1;
        let of_type = self.stats.by_event_type.entry(header.event_type.clone()).or_default();
        for (index, route) in (0..=u16::MAX).zip(&header.routes) {
            match read::status(postern_core::DeliveryId { event: id, index }, steps) {
                Ok(status) => {
                    self.stats.deliveries.add(status);
                    of_type.add(status);
                    self.stats.by_provider.entry(route.provider.clone()).or_default().add(status);
                }
                Err(damage) => list::report(id, &damage),
            }
        }
    }
}
