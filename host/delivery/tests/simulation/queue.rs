//! What the store promises of its queue, said as plainly as possible.

use postern_core::Timestamp;
use postern_core::delivery::{Class, Retry, Run, State};
use postern_core::retry::Policy;
use std::collections::BTreeSet;
use std::time::Duration;

/// How many [`policy`] knows.
pub(crate) const POLICIES: usize = 4;

/// Ways in which a subscription may want failed deliveries tried again.
pub(crate) fn policy(number: usize) -> Policy {
    let seconds = |all: &[u64]| Policy {
        schedule: postern_core::retry::Schedule::Delays(all.iter().map(|one| Duration::from_secs(*one)).collect()),
        jitter: 0.1,
    };
    match number {
        0 => Policy::default(),
        1 => Policy::once(),
        2 => seconds(&[1, 1]),
        _ => Policy {
            schedule: serde_json::from_str(r#"{"initial": "2s", "factor": 2, "max": "1m", "horizon": "10m"}"#).unwrap(),
            jitter: 0.1,
        },
    }
}

/// How many retries a policy allows at most.
pub(crate) fn retries(policy: &Policy) -> u32 {
    (1..).take_while(|retry| policy.delay(*retry, Retry::Backoff, Duration::ZERO, 0.0).is_some()).count().try_into().unwrap()
}

/// A delivery; its id is its place in the order of emission.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) subscription: usize,
    pub(crate) entity: Option<u8>,
    pub(crate) accepted_at: Timestamp,
    pub(crate) state: State,
    pub(crate) run: Run,
    claimed: bool,
    holds: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) deliveries: Vec<Delivery>,
    of_subscription: Vec<Vec<usize>>,
    named: BTreeSet<usize>,
}

impl Queue {
    pub(crate) fn new(subscriptions: usize) -> Self {
        Self { of_subscription: vec![Vec::new(); subscriptions], ..Self::default() }
    }

    pub(crate) fn ingest(&mut self, subscription: usize, entity: Option<u8>, now: Timestamp) {
        self.of_subscription[subscription].push(self.deliveries.len());
        let (state, run) = (State::Pending, Run::default());
        self.deliveries.push(Delivery { subscription, entity, accepted_at: now, state, run, claimed: false, holds: false });
    }

    /// When it may be claimed; none while another one about its entity goes before.
    fn claimable_at(&self, id: usize) -> Option<Timestamp> {
        let delivery = &self.deliveries[id];
        let due = match &delivery.state {
            _ if delivery.claimed => return None,
            State::Pending => Timestamp::default(),
            State::Retrying { next_attempt_at, .. } => *next_attempt_at,
            State::Success { .. } | State::Failed { .. } => return None,
        };
        if delivery.entity.is_some() {
            let about_it = |other: &&usize| **other != id && self.deliveries[**other].entity == delivery.entity;
            let mut others = self.of_subscription[delivery.subscription].iter().filter(about_it);
            let first = others.all(|other| {
                let known = &self.deliveries[*other];
                let lets_it_go = !known.holds && (*other > id || known.state.is_final());
                !known.claimed && (delivery.holds || lets_it_go)
            });
            if !first {
                return None;
            }
        }
        Some(due)
    }

    /// How many of a subscription may be claimed.
    pub(crate) fn claimable(&self, subscription: usize, now: Timestamp) -> usize {
        let due = |id: &&usize| self.claimable_at(**id).is_some_and(|due| due <= now);
        self.of_subscription[subscription].iter().filter(due).count()
    }

    pub(crate) fn ready(&mut self, now: Timestamp) -> Vec<usize> {
        let all = 0..self.of_subscription.len();
        let ready: Vec<_> = all.filter(|one| !self.named.contains(one) && self.claimable(*one, now) > 0).collect();
        self.named.extend(&ready);
        ready
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let unnamed = |id: &usize| !self.named.contains(&self.deliveries[*id].subscription);
        (0..self.deliveries.len()).filter(unnamed).filter_map(|id| self.claimable_at(id)).min()
    }

    pub(crate) fn claim(&mut self, now: Timestamp, subscription: usize, most: usize) -> Vec<usize> {
        let mut claimed = Vec::new();
        while claimed.len() < most {
            let due = self.of_subscription[subscription].iter().filter_map(|id| Some((self.claimable_at(*id)?, *id)));
            let Some((_, id)) = due.filter(|(due, _)| *due <= now).min() else {
                self.named.remove(&subscription);
                break;
            };
            self.deliveries[id].claimed = true;
            claimed.push(id);
        }
        claimed
    }

    pub(crate) fn finish(&mut self, id: usize, state: State, run: Run, hold: bool) {
        let delivery = &mut self.deliveries[id];
        assert!(delivery.claimed, "{delivery:?}");
        if state.is_final() {
            delivery.holds = hold && delivery.entity.is_some() && matches!(state, State::Failed { .. });
        }
        (delivery.claimed, delivery.state, delivery.run) = (false, state, run);
    }

    /// Begins another run of a final delivery.
    pub(crate) fn reopen(&mut self, id: usize, now: Timestamp) -> bool {
        let delivery = &mut self.deliveries[id];
        if !delivery.state.is_final() {
            return false;
        }
        delivery.run =
            Run { number: delivery.run.number + 1, started_at: Some(now), retries: 0, ambiguous: delivery.run.ambiguous };
        delivery.state = State::Pending;
        true
    }

    /// Gives up a delivery that waits, and ends a hold.
    pub(crate) fn cancel(&mut self, id: usize) {
        let delivery = &mut self.deliveries[id];
        if delivery.claimed {
            return;
        }
        delivery.holds = false;
        if !delivery.state.is_final() {
            delivery.state = State::Failed { error: "cancelled".into(), reason: Some(Class::Cancelled.into()) };
        }
    }

    /// Those that hold an entity and wait for somebody to decide.
    pub(crate) fn holders(&self) -> Vec<usize> {
        let holds = |id: &usize| self.deliveries[*id].holds && self.deliveries[*id].state.is_final();
        (0..self.deliveries.len()).filter(holds).collect()
    }

    /// Whether a final delivery holds this entity.
    pub(crate) fn is_held(&self, subscription: usize, entity: u8) -> Option<usize> {
        let holds = |id: &usize| self.deliveries[*id].holds && self.deliveries[*id].entity == Some(entity);
        self.of_subscription[subscription].iter().copied().find(holds)
    }

    /// The process ends: what was claimed is as it was, and everything is named again.
    pub(crate) fn crash(&mut self) {
        self.named.clear();
        self.deliveries.iter_mut().for_each(|delivery| delivery.claimed = false);
    }
}
