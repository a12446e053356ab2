//! The index of failed deliveries: a row for each, written with its final step, so that failures are found and counted
//! without reading all that succeeded.
//!
//! A delivery that begins another run has none, and with its event its row goes. What failed before the index was made
//! is not in it, unless the store was imported.

use crate::codec;
use crate::entity::EntityHash;
use crate::key::{self, ends};
use crate::kv::{Direction, Kv, Op};
use crate::record::{Damage, seal, unseal};
use crate::{Error, FailureFilter, FailureGroup, Failures};
use postern_core::delivery::{Reason, Route};
use postern_core::{DeliveryId, EventId, EventTypeId, ProviderId, SubscriptionId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;

/// A count ends after so many failures.
pub(crate) const BOUND: usize = 1_000_000;

/// A count ends when it would have more groups than this.
pub(crate) const GROUPS: usize = 100_000;

/// How many rows are read in one hold of the engine.
const ROWS: usize = 1024;

/// What a row holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) tenant: TenantId,
    pub(crate) subscription: SubscriptionId,
    pub(crate) provider: ProviderId,
    pub(crate) event_type: EventTypeId,
    /// The hash of the entity, if there is one: its text may be longer than a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entity: Option<[u8; 16]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
    pub(crate) at: Timestamp,
}

impl Failure {
    /// The failure of a delivery.
    pub(crate) fn new(tenant: TenantId, event_type: EventTypeId, route: &Route, reason: Option<Reason>, at: Timestamp) -> Self {
        let entity = EntityHash::of_route(route).map(|hash| hash.0);
        Self { tenant, subscription: route.subscription, provider: route.provider.clone(), event_type, entity, reason, at }
    }

    /// The row that keeps it.
    pub(crate) fn op(&self, delivery: DeliveryId) -> Result<Op, Error> {
        let key = key::failure(delivery);
        let value = seal(&key, &codec::encode(self)?);
        Ok(Op::Put(key, value))
    }
}

/// Reads a row.
pub(crate) fn parse(key: &[u8], value: &[u8]) -> Result<Failure, Damage> {
    codec::header("a failure", unseal(key, value)?)
}

/// A filter with the entity as a row has it.
pub(crate) struct Wanted {
    pub(crate) filter: FailureFilter,
    entity: Option<[u8; 16]>,
}

impl From<FailureFilter> for Wanted {
    fn from(filter: FailureFilter) -> Self {
        let entity = filter.entity.as_deref().map(|entity| EntityHash::of(entity).0);
        Self { filter, entity }
    }
}

impl Wanted {
    /// Whether the filter names this failure. Its times are not looked at: they bound what is read.
    pub(crate) fn names(&self, failure: &Failure) -> bool {
        let Self { filter, entity } = self;
        let Failure { tenant, subscription, provider, event_type, entity: of, reason, .. } = failure;
        self.names_those(tenant, *subscription, provider, event_type)
            && (entity.is_none() || entity == of)
            && filter.class.is_none_or(|class| reason.is_some_and(|reason| reason.class == class))
            && filter.without.is_none_or(|class| reason.is_none_or(|reason| reason.class != class))
            && filter.http_status.is_none_or(|status| reason.is_some_and(|reason| reason.status == Some(status)))
    }

    /// Whether the filter names a delivery, as far as that is known before it fails.
    pub(crate) fn names_route(&self, tenant: &TenantId, event_type: &EventTypeId, route: &Route) -> bool {
        self.names_those(tenant, route.subscription, &route.provider, event_type)
            && self.filter.entity.as_ref().is_none_or(|entity| route.entity.as_ref() == Some(entity))
    }

    fn names_those(
        &self,
        tenant: &TenantId,
        subscription: SubscriptionId,
        provider: &ProviderId,
        event_type: &EventTypeId,
    ) -> bool {
        let filter = &self.filter;
        filter.tenant.as_ref().is_none_or(|wanted| wanted == tenant)
            && filter.subscription.is_none_or(|wanted| wanted == subscription)
            && filter.provider.as_ref().is_none_or(|wanted| wanted == provider)
            && filter.event_type.as_ref().is_none_or(|wanted| wanted == event_type)
    }
}

type GroupKey = (TenantId, SubscriptionId, ProviderId, Option<Reason>);

/// A count that goes on, newest first.
pub(crate) struct Count {
    wanted: Wanted,
    rest: Option<(EventId, EventId)>,
    groups: HashMap<GroupKey, FailureGroup>,
    left: usize,
    most_groups: usize,
    /// The last row that was read.
    after: Option<Vec<u8>>,
    cut: bool,
}

impl Count {
    pub(crate) fn new(filter: FailureFilter, bound: usize, most_groups: usize) -> Self {
        let rest = key::accepted(filter.since, filter.until);
        Self { wanted: filter.into(), rest, groups: HashMap::new(), left: bound, most_groups, after: None, cut: false }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_none()
    }

    /// Counts one group of rows.
    pub(crate) fn read(&mut self, kv: &dyn Kv) -> Result<(), Error> {
        let Some((newest, oldest)) = self.rest else { return Ok(()) };
        let mut range = key::failures(newest, oldest);
        if let Some(after) = self.after.take() {
            range.start = after;
            range.start.push(0);
        }
        let mut rows = 0;
        kv.scan(ends(&range), Direction::Forward, &mut |key, value| {
            if rows == ROWS {
                return ControlFlow::Break(());
            }
            rows += 1;
            self.after = Some(key.to_vec());
            let Some(id) = key::parse_failure(key) else { return ControlFlow::Continue(()) };
            match parse(key, value) {
                Ok(failure) if self.wanted.names(&failure) => self.add(id, failure),
                Ok(_) => {}
                Err(damage) => report(id, &damage),
            }
            if self.cut { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if self.cut || rows < ROWS {
            self.rest = None;
        }
        Ok(())
    }

    fn add(&mut self, latest: DeliveryId, failure: Failure) {
        let Failure { tenant, subscription, provider, reason, at, .. } = failure;
        if self.left == 0 {
            self.cut = true;
            return;
        }
        let full = self.groups.len() >= self.most_groups;
        match self.groups.entry((tenant.clone(), subscription, provider.clone(), reason)) {
            Entry::Vacant(_) if full => {
                self.cut = true;
                return;
            }
            Entry::Vacant(entry) => {
                entry.insert(FailureGroup { tenant, subscription, provider, reason, count: 1, first: at, last: at, latest });
            }
            Entry::Occupied(mut entry) => {
                let group = entry.get_mut();
                group.count += 1;
                group.first = group.first.min(at);
                // Of those that failed at the same time, the newest: it was read first.
                if at > group.last {
                    (group.last, group.latest) = (at, latest);
                }
            }
        }
        self.left -= 1;
    }

    /// The groups, most first.
    pub(crate) fn into_failures(self) -> Failures {
        let mut groups: Vec<_> = self.groups.into_values().collect();
        groups.sort_unstable_by(|a, b| b.count.cmp(&a.count).then(b.last.cmp(&a.last)).then(b.latest.cmp(&a.latest)));
        Failures { groups, cut: self.cut }
    }
}

/// Says that a row was left out.
pub(crate) fn report(id: DeliveryId, damage: &Damage) {
    tracing::error!(delivery = %id, %damage, "a damaged row of the index of failures was left out");
}
