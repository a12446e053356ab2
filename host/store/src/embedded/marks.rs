//! Which events are marked as unfinished, in the making of a commit.

use super::batch::Batch;
use super::effect::Effect;
use super::recover;
use crate::key;
use crate::kv::Op;
use crate::record;
use postern_core::EventId;

impl Batch<'_> {
    /// Marks what is unfinished without a mark, if that is much. Done before anything is decided, so that what becomes final in the
    /// same commit loses its mark again.
    pub(super) fn mark_lingering(&mut self) {
        let leaving = self.shared.queue.lock().unmarked.leave();
        if let Some((since, events)) = leaving {
            self.push(events.into_iter().map(|(event, deliveries)| record::unfinished(event, deliveries)));
            self.push([recover::note_since(since)]);
            self.then([Effect::Marked]);
        }
    }

    /// Stores an event's mark, if it needs one.
    pub(super) fn mark(&mut self, event: EventId, deliveries: u32) {
        if !self.shared.queue.lock().unmarked.admit(event, deliveries) {
            self.push([record::unfinished(event, deliveries)]);
        }
    }
}

/// What takes the mark of an event away whose last delivery becomes final.
pub(super) fn unmark(unmarked: bool, event: EventId, ops: &mut Vec<Op>, effects: &mut Vec<Effect>) {
    if unmarked {
        effects.push(Effect::Finished(event));
    } else {
        ops.push(Op::Delete(key::unfinished(event)));
    }
}
