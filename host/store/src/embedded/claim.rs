//! Hands out what is due: from memory where it can, else with one read for all that were claimed together.

use super::Embedded;
use super::effect::is_earlier;
use super::operations::blocking;
use super::shared::Shared;
use crate::cache::Routed;
use crate::due::{Held, When};
use crate::entity::EntityHash;
use crate::kv::Kv;
use crate::{Claim, ClaimId, Error, codec, external, read};
use postern_core::delivery::{Run, State};
use postern_core::{EventId, SubscriptionId, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Claims that nobody has got yet: they go back if whoever asked for them goes away.
struct Undelivered<'a> {
    shared: &'a Shared,
    claims: Vec<(ClaimId, Held)>,
}

impl Drop for Undelivered<'_> {
    fn drop(&mut self) {
        if !self.claims.is_empty() {
            release(self.shared, self.claims.iter().map(|(claim, _)| *claim));
        }
    }
}

/// Puts claimed deliveries back.
pub(super) fn release(shared: &Shared, claims: impl Iterator<Item = ClaimId>) {
    let mut released = false;
    let mut queue = shared.queue.lock();
    for claim in claims {
        released |= queue.release(claim);
    }
    drop(queue);
    if released {
        shared.changed.notify_one();
    }
}

impl Embedded {
    /// Claims what is due, and reads what is to be known about it.
    pub(super) async fn claim_due(&self, now: Timestamp, wanted: Vec<(SubscriptionId, usize)>) -> Result<Vec<Claim>, Error> {
        let claims = self.take_due(now, wanted);
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let mut undelivered = Undelivered { shared: &self.shared, claims };
        let cached: Vec<Option<Routed>> = {
            let mut cache = self.shared.cache.lock();
            let fresh = |held: &Held| held.when == When::Fresh;
            undelivered.claims.iter().map(|(_, held)| if fresh(held) { cache.take(held.id.event) } else { None }).collect()
        };
        let is_known = |(held, cached): (&Held, &Option<Routed>)| {
            let route = cached.as_ref().and_then(|routed| routed.routes.get(usize::from(held.id.index)));
            held.when.steps() == 0 && route.is_some_and(|route| route.entity.is_none())
        };
        let absent: Vec<_> = undelivered
            .claims
            .iter()
            .zip(&cached)
            .filter(|((_, held), cached)| !is_known((held, cached)))
            .map(|((_, held), cached)| (*held, cached.clone()))
            .collect();
        let mut loaded = match absent.is_empty() {
            true => Vec::new(),
            false => {
                let shared = self.shared.clone();
                blocking(move || shared.read(|kv| load(kv, &absent))).await?
            }
        }
        .into_iter();
        let (mut answer, mut damaged) = (Vec::with_capacity(cached.len()), Vec::new());
        for ((claim, held), cached) in std::mem::take(&mut undelivered.claims).into_iter().zip(cached) {
            let whole = match cached {
                Some(routed) if is_known((&held, &Some(routed.clone()))) => Ok(Whole::fresh(routed)),
                _ => loaded.next().unwrap_or_else(|| Err(Error::Damaged("it was not read".into()))),
            };
            match whole.and_then(|whole| whole.claim(claim, held)) {
                Ok(claim) => answer.push(claim),
                // It is out of the way of the others until the next opening, or until somebody gives it up.
                Err(error) => {
                    self.shared.counters.damaged.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(delivery = %held.id, %error, "a delivery cannot be attempted");
                    damaged.push(claim);
                }
            }
        }
        if !damaged.is_empty() {
            let mut queue = self.shared.queue.lock();
            damaged.into_iter().for_each(|claim| queue.set_aside(claim));
            self.shared.changed.notify_one();
        }
        Ok(answer)
    }

    fn take_due(&self, now: Timestamp, wanted: Vec<(SubscriptionId, usize)>) -> Vec<(ClaimId, Held)> {
        let mut claims = Vec::new();
        let mut queue = self.shared.queue.lock();
        let before = queue.next_due();
        for (subscription, max) in wanted {
            queue.claim(now, subscription, max, &mut claims);
        }
        // A subscription that is empty for now may be due again before all others.
        let earlier = is_earlier(before, queue.next_due());
        drop(queue);
        if earlier {
            self.shared.changed.notify_one();
        }
        claims
    }
}

/// All that a claim tells of a delivery.
struct Whole {
    routed: Routed,
    state: State,
    attempts: u32,
    run: Run,
    external_id: Option<String>,
}

impl Whole {
    /// Of a delivery without a step, about no entity.
    fn fresh(routed: Routed) -> Self {
        Self { routed, state: State::Pending, attempts: 0, run: Run::default(), external_id: None }
    }

    fn claim(self, claim: ClaimId, held: Held) -> Result<Claim, Error> {
        let Self { routed, state, attempts, run, external_id } = self;
        let route = routed.routes.get(usize::from(held.id.index)).cloned();
        let route = route.ok_or_else(|| Error::Damaged("the event has no route for it".into()))?;
        let recovered = held.recovered;
        Ok(Claim { claim, id: held.id, event: routed.event, route, attempts, state, run, external_id, recovered })
    }
}

/// Reads what is not in memory of claimed deliveries, in the same order.
fn load(kv: &dyn Kv, wanted: &[(Held, Option<Routed>)]) -> Result<Vec<Result<Whole, Error>>, Error> {
    let mut read_now: HashMap<EventId, Routed> = HashMap::new();
    let mut found = Vec::with_capacity(wanted.len());
    for (held, cached) in wanted {
        match load_one(kv, held, cached.as_ref(), &mut read_now) {
            Err(Error::Failed(reason)) => return Err(Error::Failed(reason)),
            other => found.push(other),
        }
    }
    Ok(found)
}

fn load_one(kv: &dyn Kv, held: &Held, cached: Option<&Routed>, read_now: &mut HashMap<EventId, Routed>) -> Result<Whole, Error> {
    let id = held.id.event;
    let missing = || Error::Damaged(format!("event {id} has an unfinished delivery, but its record is gone"));
    let routed = match cached.or_else(|| read_now.get(&id)).cloned() {
        Some(routed) => routed,
        None => {
            let (event, routes) = read::event(kv, id)?.ok_or_else(missing)?;
            let routed = Routed { event: Arc::new(event), routes: routes.into() };
            read_now.insert(id, routed.clone());
            routed
        }
    };
    let entity = routed.routes.get(usize::from(held.id.index)).and_then(EntityHash::of_route);
    let known = entity.map(|entity| external::look_up(kv, held.subscription, entity)).transpose()?.flatten();
    let fresh = Whole { external_id: known.map(|known| known.id), ..Whole::fresh(routed) };
    let Some(last) = held.when.steps().checked_sub(1) else { return Ok(fresh) };
    let codec::StepHeader { state, attempts, run, .. } = read::step_header(kv, held.id, last)?.ok_or_else(missing)?;
    Ok(Whole { state, attempts, run, ..fresh })
}
