//! Subscriptions of four tenants, with every kind of bound among them.

use postern_core::{ConnectionId, SubscriptionId};
use postern_delivery::schedule::{Lane, Lanes, Quota};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How many there are.
pub(crate) const SUBSCRIPTIONS: usize = 14;

/// The tenants.
pub(crate) const TENANTS: [&str; 4] = ["a", "b", "c", "calm"];

/// How many attempts the narrow provider may make at once.
pub(crate) const NARROW: usize = 2;

/// What the schedule learns of subscriptions.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) ids: Vec<SubscriptionId>,
    numbers: HashMap<SubscriptionId, usize>,
    lanes: Vec<Arc<Lane>>,
    generation: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let shared = ConnectionId::generate();
        let ids: Vec<_> = (0..SUBSCRIPTIONS).map(|_| SubscriptionId::generate()).collect();
        let lanes = (0..SUBSCRIPTIONS).map(|number| Arc::new(lane(number, shared))).collect();
        let numbers = ids.iter().enumerate().map(|(number, id)| (*id, number)).collect();
        Self { ids, numbers, lanes, generation: 1 }
    }

    pub(crate) fn number(&self, id: SubscriptionId) -> usize {
        self.numbers[&id]
    }

    pub(crate) fn of(&self, number: usize) -> Arc<Lane> {
        self.lanes[number].clone()
    }

    pub(crate) fn is_calm(&self, number: usize) -> bool {
        self.lanes[number].tenant.as_str() == "calm"
    }

    /// Changes one. The calm tenant's stay as they are: nothing but its turn ever keeps it from being let through.
    pub(crate) fn change(&mut self, number: usize, change: impl FnOnce(&mut Lane)) {
        if !self.is_calm(number) {
            change(Arc::make_mut(&mut self.lanes[number]));
            self.generation += 1;
        }
    }
}

impl Lanes for World {
    fn lane(&self, subscription: SubscriptionId) -> Arc<Lane> {
        self.of(self.number(subscription))
    }
    fn generation(&self) -> u64 {
        self.generation
    }
}

/// Where a destination is.
pub(crate) fn destination(number: usize) -> Arc<str> {
    format!("https://host-{number}:443").into()
}

fn lane(number: usize, shared: ConnectionId) -> Lane {
    let tenant = if number < 12 { TENANTS[number % 3] } else { TENANTS[3] };
    let plain = Lane {
        tenant: tenant.parse().unwrap(),
        provider: "test.plain".parse().unwrap(),
        build: Some("1".into()),
        provider_limit: usize::MAX,
        destination: Some(destination(number % 4)),
        connection: None,
        quota: None,
        connection_quota: None,
        paused: None,
    };
    let second = Duration::from_secs(1);
    match number {
        12.. => Lane { provider: "test.calm".parse().unwrap(), destination: None, ..plain },
        _ => match number % 4 {
            0 => plain,
            1 => Lane { provider: "test.narrow".parse().unwrap(), provider_limit: NARROW, ..plain },
            2 => Lane { quota: Some(Quota { deliveries: 2, per: second }), ..plain },
            _ => Lane { connection: Some(shared), connection_quota: Some(Quota { deliveries: 3, per: second }), ..plain },
        },
    }
}
