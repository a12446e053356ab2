//! What became of claimed deliveries, in the making of a commit.

use super::batch::Batch;
use super::committer::{NewStep, lot};
use super::effect::Effect;
use super::marks::unmark;
use crate::due::When;
use crate::kv::Op;
use crate::{Error, external, key, record};
use postern_core::delivery::State;
use std::collections::HashSet;

impl Batch<'_> {
    /// Records steps, all or none.
    pub(super) fn finish(&mut self, steps: Vec<NewStep>) -> Result<(), Error> {
        let mut ops = Vec::with_capacity(steps.len() * 2);
        for step in &steps {
            if let (State::Success { external_id }, Some((subscription, entity))) = (&step.state, step.entity) {
                let known = |kv: &_| external::success(kv, subscription, entity, external_id.as_deref(), step.at);
                ops.extend(self.shared.read(known)?);
            }
        }
        let mut queue = self.shared.queue.lock();
        let mut claims = HashSet::with_capacity(steps.len());
        if let Some(lost) = steps.iter().find(|step| !queue.holds(step.claim, step.id) || !claims.insert(step.claim)) {
            return Err(Error::LostClaim(lost.id));
        }
        let held: Vec<_> = steps.iter().filter_map(|step| queue.take_held(step.claim)).collect();
        if let Some(full) = held.iter().find(|held| held.when.steps() == u16::MAX) {
            // Their claims are gone on purpose: a delivery that can record nothing must not be attempted again.
            return Err(Error::TooLarge(format!("delivery {} has {} steps", full.id, u16::MAX)));
        }
        let mut effects = Vec::with_capacity(steps.len());
        for (step, held) in steps.into_iter().zip(held) {
            let sequence = held.when.steps();
            ops.extend(step.record.ops(&key::step(step.id, sequence)));
            let lot = lot(step.id, held.subscription, step.entity.map(|(_, entity)| entity));
            let due = match &step.state {
                State::Retrying { next_attempt_at, .. } => Some(*next_attempt_at),
                State::Pending => Some(step.at),
                State::Success { .. } | State::Failed { .. } => None,
            };
            if let Some(due) = due {
                effects.push(Effect::Again { lot, when: When::At { due, steps: sequence + 1, recovered: false } });
                continue;
            }
            ops.extend(step.failure);
            let holds = step.hold && lot.entity.is_some() && matches!(step.state, State::Failed { .. });
            if let Some(entity) = lot.entity {
                match (queue.is_holder(lot), holds) {
                    (false, true) => ops.push(record::hold(lot.subscription, entity, lot.id)),
                    (true, false) => ops.push(Op::Delete(key::hold(lot.subscription, entity))),
                    _ => {}
                }
            }
            if queue.note_final(step.id.event) {
                unmark(queue.unmarked.contains(step.id.event), step.id.event, &mut ops, &mut effects);
            }
            effects.push(Effect::Final { lot, holds });
        }
        drop(queue);
        self.push(ops);
        self.then(effects);
        Ok(())
    }
}
