//! Whose turn it is: tenants one after the other, and of each tenant its subscriptions one after the other.

use postern_core::{SubscriptionId, TenantId};
use std::collections::{HashMap, VecDeque};

/// A ring of tenants, each with a ring of subscriptions. A subscription is in it once or not at all; that is for the
/// caller to see to.
#[derive(Debug, Default)]
pub(super) struct Turns {
    tenants: VecDeque<TenantId>,
    subscriptions: HashMap<TenantId, VecDeque<SubscriptionId>>,
}

impl Turns {
    /// Puts a subscription at the end of its tenant's ring.
    pub(super) fn add(&mut self, tenant: &TenantId, subscription: SubscriptionId) {
        match self.subscriptions.get_mut(tenant) {
            Some(ring) => ring.push_back(subscription),
            None => {
                self.tenants.push_back(tenant.clone());
                self.subscriptions.insert(tenant.clone(), VecDeque::from([subscription]));
            }
        }
    }

    /// Takes the subscription out whose turn it is.
    pub(super) fn next(&mut self) -> Option<SubscriptionId> {
        let tenant = self.tenants.pop_front()?;
        let ring = self.subscriptions.get_mut(&tenant)?;
        let subscription = ring.pop_front();
        if ring.is_empty() {
            self.subscriptions.remove(&tenant);
        } else {
            self.tenants.push_back(tenant);
        }
        subscription
    }

    /// The turn that this tenant just had came to nothing: the next is its own as well, if it has more to offer. Otherwise
    /// a tenant would have fewer deliveries the more of its subscriptions wait for something.
    pub(super) fn give_back(&mut self, tenant: &TenantId) {
        if self.tenants.back() == Some(tenant) {
            self.tenants.rotate_right(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_with_many_subscriptions_has_no_more_turns_than_one_with_few() {
        let mut turns = Turns::default();
        let (large, small): (TenantId, TenantId) = ("large".parse().unwrap(), "small".parse().unwrap());
        let many: Vec<_> = (0..100).map(|_| SubscriptionId::generate()).collect();
        many.iter().for_each(|id| turns.add(&large, *id));
        let few = SubscriptionId::generate();
        turns.add(&small, few);
        let mut taken = Vec::new();
        for _ in 0..200 {
            let id = turns.next().unwrap();
            turns.add(if id == few { &small } else { &large }, id);
            taken.push(id);
        }
        let of_few = taken.iter().filter(|id| **id == few).count();
        assert!((99..=101).contains(&of_few), "{of_few} of 200");
        assert!(many.iter().all(|id| taken.iter().filter(|taken| *taken == id).count() <= 2));
    }

    #[test]
    fn a_turn_that_came_to_nothing_is_not_lost_to_the_tenant() {
        let mut turns = Turns::default();
        let (one, other): (TenantId, TenantId) = ("one".parse().unwrap(), "other".parse().unwrap());
        let ids: Vec<_> = (0..4).map(|_| SubscriptionId::generate()).collect();
        ids[..3].iter().for_each(|id| turns.add(&one, *id));
        turns.add(&other, ids[3]);
        for id in &ids[..2] {
            assert_eq!(turns.next(), Some(*id));
            turns.give_back(&one);
        }
        assert_eq!([turns.next(), turns.next(), turns.next()], [Some(ids[2]), Some(ids[3]), None]);
        turns.give_back(&other);
        assert_eq!(turns.next(), None);
    }

    #[test]
    fn whoever_is_alone_has_every_turn_and_an_empty_ring_has_none() {
        let mut turns = Turns::default();
        assert_eq!(turns.next(), None);
        let (tenant, id) = (TenantId::default(), SubscriptionId::generate());
        for _ in 0..3 {
            turns.add(&tenant, id);
            assert_eq!(turns.next(), Some(id));
        }
        assert_eq!(turns.next(), None);
    }
}
