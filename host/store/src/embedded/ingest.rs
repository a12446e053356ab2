//! Events, and what is stored beside something else, in the making of a commit.

use super::batch::Batch;
use super::effect::Effect;
use crate::audit::{self, NewEntry};
use crate::entity::{EntityHash, ShortHash};
use crate::idempotency::{self, Remembered};
use crate::key;
use crate::kv::Op;
use crate::record::{self, Record};
use crate::{Beside, Change, Error, Ingested, NewEvent, codec};
use postern_core::EventTypeId;
use std::sync::atomic::Ordering;

/// An event that is to be stored, encoded.
pub(crate) struct Ingest {
    pub(super) new: NewEvent,
    /// The entity of each route; none at all if no route has one.
    entities: Vec<Option<ShortHash>>,
    record: Record,
}

impl Ingest {
    /// # Errors
    /// It is too large.
    pub(super) fn of(new: NewEvent) -> Result<Self, Error> {
        if new.routes.len() > usize::from(u16::MAX) {
            return Err(Error::TooLarge(format!("an event for {} subscriptions; {} are possible", new.routes.len(), u16::MAX)));
        }
        new.idempotency.as_ref().map_or(Ok(()), idempotency::check)?;
        let record = codec::event_record(&new)?;
        let entity = |route| EntityHash::of_route(route).map(EntityHash::short);
        let entities = match new.routes.iter().any(|route| route.entity.is_some()) {
            true => new.routes.iter().map(entity).collect(),
            false => Vec::new(),
        };
        Ok(Self { new, entities, record })
    }

    /// Events of the host's own, without those that are too large: what they tell of is worth more.
    pub(super) fn announced(events: Vec<NewEvent>) -> Vec<Self> {
        let encoded = events.into_iter().filter_map(|event| {
            let event_type = event.event.event_type.clone();
            Self::of(event).inspect_err(|error| not_announced(&event_type, error)).ok()
        });
        encoded.collect()
    }
}

fn not_announced(event_type: &EventTypeId, error: &Error) {
    tracing::error!(%event_type, %error, "an announcement could not be stored");
}

/// What is stored beside something else, encoded.
pub(crate) struct Encoded {
    changes: Vec<Change>,
    entries: Vec<NewEntry>,
    events: Vec<Ingest>,
}

impl Encoded {
    /// # Errors
    /// A record of the audit is too large.
    pub(super) fn of(Beside { changes, entries, events }: Beside) -> Result<Self, Error> {
        let entries = entries.iter().map(audit::encode).collect::<Result<_, _>>()?;
        Ok(Self { changes, entries, events: Ingest::announced(events) })
    }
}

impl Batch<'_> {
    /// Answers with the new revisions.
    pub(super) fn beside(&mut self, Encoded { changes, entries, events }: Encoded) -> Result<Vec<u64>, Error> {
        let revisions = self.apply(&changes, &entries)?;
        self.announce(events);
        Ok(revisions)
    }

    /// Stores events of the host's own for which there is room. What they tell of is stored in any case.
    pub(super) fn announce(&mut self, events: Vec<Ingest>) {
        for event in events {
            let event_type = event.new.event.event_type.clone();
            if let Err(error) = self.ingest(event) {
                not_announced(&event_type, &error);
            }
        }
    }

    /// Answers with what was answered before, if this is a repetition.
    pub(super) fn ingest(&mut self, Ingest { new, entities, record }: Ingest) -> Result<Ingested, Error> {
        let deliveries = u32::try_from(new.routes.len()).unwrap_or(u32::MAX);
        let id = new.event.id;
        let answer = Ingested { event: id, deliveries: new.routes.len(), repeated: false };
        let mut remember = Vec::new();
        if let Some(asked) = &new.idempotency {
            if let Some(answer) = self.remembered.get(&asked.key).and_then(|known| known.answer(asked.now)) {
                return Ok(answer);
            }
            let last_day = self.shared.last_idempotency_day.load(Ordering::Relaxed);
            let (found, stale) = self.shared.read(|kv| idempotency::look_up(kv, asked, last_day))?;
            if let Some(answer) = found.and_then(|known| known.answer(asked.now)) {
                return Ok(answer);
            }
            remember.extend(stale.into_iter().map(Op::Delete));
            if asked.until > asked.now {
                remember.push(Remembered { event: id, until: asked.until, deliveries }.op(&asked.key));
            }
        }
        self.need_space(record.rows() * record::CHUNK, self.shared.reserve)?;
        if let Some(asked) = new.idempotency.filter(|asked| asked.until > asked.now) {
            self.remembered.insert(asked.key, Remembered { event: id, until: asked.until, deliveries });
            self.shared.last_idempotency_day.fetch_max(idempotency::day(asked.until), Ordering::Relaxed);
        }
        self.push(remember);
        self.push(record.ops(&key::event(id)));
        self.mark(id, deliveries);
        self.then([Effect::Ingested { event: new.event, routes: new.routes.into(), entities }]);
        Ok(answer)
    }
}
