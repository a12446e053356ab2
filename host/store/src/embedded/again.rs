//! What is done by hand: beginning another run of final deliveries, giving up waiting ones, letting held entities go on.
//! Each request has a commit of its own, so what is stored is how things are.

use super::batch::Batch;
use super::committer::Subject;
use super::effect::Effect;
use super::ingest::Encoded;
use super::marks::unmark;
use crate::audit::NewEntry;
use crate::due::When;
use crate::failure::Failure;
use crate::key::{self, ends};
use crate::kv::{Direction, Kv, Op};
use crate::record::{self, unseal};
use crate::{BesideRuns, Cancelled, Error, codec, read};
use postern_core::delivery::{Class, Run, State, Step};
use postern_core::{DeliveryId, EventId, SubscriptionId, Timestamp};
use std::collections::HashSet;
use std::ops::ControlFlow;

impl Batch<'_> {
    /// Makes final deliveries pending. Answers with which it did.
    pub(super) fn reopen(
        &mut self,
        subjects: &[Subject],
        at: Timestamp,
        unless_since: Option<Timestamp>,
        beside: BesideRuns,
    ) -> Result<Vec<DeliveryId>, Error> {
        let mut unfinished: HashSet<EventId> = HashSet::new();
        let (mut ops, mut effects, mut begun) = (Vec::new(), Vec::new(), Vec::new());
        for subject in subjects {
            let id = subject.id;
            let last = match self.shared.read(|kv| Ok(read::last_step(kv, id)?)) {
                Ok(last) => last.filter(|(_, step)| step.state.is_final()),
                Err(Error::Damaged(reason)) => {
                    tracing::error!(delivery = %id, %reason, "a damaged delivery is not begun again");
                    None
                }
                Err(error) => return Err(error),
            };
            let Some((sequence, last)) = last else { continue };
            // A run needs a step to begin and one to end.
            let Some(steps) = sequence.checked_add(2).filter(|steps| *steps < u16::MAX) else { continue };
            if unless_since.is_some_and(|since| last.at >= since) {
                continue;
            }
            let run = Run { number: last.run.number.saturating_add(1), started_at: Some(at), retries: 0, ..last.run };
            let step = Step { state: State::Pending, attempts: last.attempts, at, attempt: None, run };
            ops.extend(codec::step_record(&step)?.ops(&key::step(id, sequence + 1)));
            if matches!(last.state, State::Failed { .. }) {
                ops.push(Op::Delete(key::failure(id)));
            }
            let had_some = !unfinished.insert(id.event)
                || self.shared.queue.lock().unmarked.contains(id.event)
                || self.shared.read(|kv| Ok(kv.get(&key::unfinished(id.event))?.is_some()))?;
            if !had_some {
                ops.push(record::unfinished(id.event, subject.deliveries));
            }
            effects.push(Effect::Reopened { lot: subject.lot(), when: When::At { due: at, steps, recovered: false }, had_some });
            begun.push(id);
        }
        if !ops.is_empty() {
            self.need_space(ops.iter().map(Op::bytes).sum(), self.shared.reserve)?;
        }
        self.beside(Encoded::of(beside(&begun))?)?;
        self.push(ops);
        self.then(effects);
        Ok(begun)
    }

    /// Gives a delivery up, or ends its hold.
    pub(super) fn cancel(
        &mut self,
        subject: &Subject,
        at: Timestamp,
        error: String,
        entries: &[NewEntry],
    ) -> Result<Cancelled, Error> {
        let (id, lot) = (subject.id, subject.lot());
        let entries: Vec<Op> = entries.iter().flat_map(NewEntry::ops).collect();
        if !entries.is_empty() {
            // Giving up is possible on a full disk as well, as long as it can be recorded.
            self.need_space(entries.iter().map(Op::bytes).sum(), self.shared.reserve / 2)?;
        }
        let last = self.shared.read(|kv| Ok(read::last_step(kv, id)?))?;
        let hold = lot.entity.map(|entity| (lot.subscription, entity, id));
        if last.as_ref().is_some_and(|(_, step)| step.state.is_final()) {
            let Some((subscription, entity, _)) = hold.filter(|_| self.shared.queue.lock().is_holder(lot)) else {
                return Ok(Cancelled::Final);
            };
            self.push(entries);
            self.push([Op::Delete(key::hold(subscription, entity))]);
            self.then(hold.map(Effect::Lifted));
            return Ok(Cancelled::Released);
        }
        let unmarked = self.shared.queue.lock().unmarked.contains(id.event);
        self.shared.read(|kv| check_queued(kv, id.event, unmarked))?;
        let steps = last.as_ref().map_or(Some(0), |(sequence, _)| sequence.checked_add(1));
        let Some(steps) = steps.filter(|steps| *steps < u16::MAX) else {
            return Err(Error::TooLarge(format!("delivery {id} has {} steps", u16::MAX)));
        };
        let (attempts, run) = last.map_or((0, Run::default()), |(_, step)| (step.attempts, step.run));
        let reason = Some(Class::Cancelled.into());
        let failure = Failure::new(subject.tenant.clone(), subject.event_type.clone(), &subject.route, reason, at).op(id)?;
        let step = codec::step_record(&Step { state: State::Failed { error, reason }, attempts, at, attempt: None, run })?;

        let mut queue = self.shared.queue.lock();
        if !queue.withdraw(lot, steps) {
            return Ok(Cancelled::InFlight);
        }
        let mut ops: Vec<_> = step.ops(&key::step(id, steps)).chain([failure]).collect();
        let mut effects = vec![Effect::Final { lot, holds: false }];
        if let Some((subscription, entity, _)) = hold.filter(|_| queue.is_holder(lot)) {
            ops.push(Op::Delete(key::hold(subscription, entity)));
        }
        if queue.note_final(id.event) {
            unmark(unmarked, id.event, &mut ops, &mut effects);
        }
        drop(queue);
        if steps == 0 {
            // The claim for which its event may have been kept does not come.
            self.shared.cache.lock().take(id.event);
        }
        self.push(entries);
        self.push(ops);
        self.then(effects);
        Ok(Cancelled::Done)
    }

    /// Ends up to so many holds of a subscription. Answers with how many it ended.
    pub(super) fn release_holds(&mut self, subscription: SubscriptionId, limit: usize) -> Result<usize, Error> {
        let rows = self.shared.read(|kv| {
            let mut rows = Vec::new();
            kv.scan(ends(&key::holds_of(subscription)), Direction::Forward, &mut |key, value| {
                rows.push((key.to_vec(), record::parse_hold(key, value)));
                if rows.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            Ok(rows)
        })?;
        let released = rows.len();
        for (key, holder) in rows {
            // A damaged row held nothing.
            let hold = key::parse_hold(&key).zip(holder.ok()).map(|((subscription, entity), id)| (subscription, entity, id));
            self.then(hold.map(Effect::Lifted));
            self.push([Op::Delete(key)]);
        }
        Ok(released)
    }
}

/// Refuses an event whose deliveries the opening left alone because something about it is damaged: how many of them are
/// not final is not known then.
fn check_queued(kv: &dyn Kv, event: EventId, unmarked: bool) -> Result<(), Error> {
    if !unmarked {
        let key = key::unfinished(event);
        unseal(&key, &kv.get(&key)?.unwrap_or_default())?;
    }
    match read::last_steps(kv, event, event)?.into_values().find_map(|(_, step)| step.err()) {
        Some(damage) => Err(damage.into()),
        None => Ok(()),
    }
}
