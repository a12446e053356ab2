//! Verifying a store: every row's checksum, every record's parts and content, and that the records fit each other.
//!
//! It reads all there is, some rows at a time. While it looks at a group it has the engine for itself, so that it never
//! takes a commit in progress for damage; between groups whoever waits goes on.

use crate::directory::Directory;
use crate::embedded::recover;
use crate::entity::EntityHash;
use crate::key::{self, ends};
use crate::kv::{Direction, Found, Kv, redb, sled, watermark};
use crate::record::{self, Head, unseal};
use crate::{Embedded, Engine, Error, codec, describe, external, failure, read};
use postern_core::delivery::State;
use postern_core::{DeliveryId, EventId};
use std::ops::ControlFlow;
use std::path::Path;

/// So many problems are told; all are counted.
pub const LISTED: usize = 1000;

/// How many rows are looked at in one hold of the engine.
const GROUP: usize = 128;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Sound documents of all kinds.
    pub documents: u64,
    /// Sound events.
    pub events: u64,
    /// Their deliveries.
    pub deliveries: u64,
    /// Sound steps of deliveries.
    pub steps: u64,
    /// Events of which a delivery is not final.
    pub unfinished: u64,
    /// Sound idempotency keys.
    pub idempotency_keys: u64,
    /// Sound audit records.
    pub audit_entries: u64,
    /// Sound rows of the index of failures.
    pub failures: u64,
    /// Entities that failed deliveries hold.
    pub holds: u64,
    /// Sound external ids of entities.
    pub external_ids: u64,
    /// How many problems there are.
    pub problem_count: u64,
    /// The first [`LISTED`] of them.
    pub problems: Vec<Problem>,
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The record that the row belongs to: `event 01J…` say.
    pub record: String,
    /// The row's key in hex; none if a file is damaged before its rows could be told.
    pub key: Option<String>,
    /// What is wrong.
    pub reason: String,
}

impl Embedded {
    /// Looks for what makes an opening fail with [`Error::Lost`]. Changes nothing. Blocks.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process uses the directory; [`Error::Failed`] when a file cannot be read, or the
    /// directory was made for another engine.
    pub fn check_files(directory: &Path, engine: Engine) -> Result<Vec<Problem>, Error> {
        let locked = Directory::open(directory, engine)?;
        let path = locked.engine_path(engine);
        let durable = watermark::read(&path)?;
        let found = match engine {
            Engine::Sled => sled::found(&path, durable)?,
            Engine::Redb => redb::found(&path, durable)?,
        };
        Ok(found.into_iter().map(|Found { place, reason }| Problem { record: place, key: None, reason }).collect())
    }

    /// Reads and verifies everything that is stored; changes nothing. Blocks.
    ///
    /// # Errors
    /// [`Error::Failed`] when the engine cannot be read, [`Error::Closed`]. What is damaged is in the answer.
    pub fn check(&self) -> Result<Checked, Error> {
        self.check_and_tell(&mut |_| {})
    }

    /// Likewise, and tells from time to time what it found so far.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_and_tell(&self, tell: &mut dyn FnMut(&Checked)) -> Result<Checked, Error> {
        let mut check = Check { checked: Checked::default(), start: Vec::new(), unmarked_since: None, last_event: None };
        while !self.shared.alone(|kv| check.group(kv))? {
            tell(&check.checked);
        }
        Ok(check.checked)
    }
}

struct Check {
    checked: Checked,
    /// Where the next group begins.
    start: Vec<u8>,
    /// From which event on one that is unfinished need not be marked.
    unmarked_since: Option<EventId>,
    /// The last event that was looked up for a step, and whether it is there.
    last_event: Option<(EventId, bool)>,
}

/// A record in a group: the key of its first row and how many rows it has, if that is known.
type Current = (Vec<u8>, Option<usize>);

impl Check {
    fn problem(&mut self, key: &[u8], reason: impl Into<String>) {
        self.checked.problem_count += 1;
        if self.checked.problems.len() < LISTED {
            self.checked.problems.push(Problem {
                record: describe::record(key),
                key: Some(key::hex(key)),
                reason: reason.into(),
            });
        }
    }

    /// Looks at one group; answers whether it was the last.
    fn group(&mut self, kv: &dyn Kv) -> Result<bool, Error> {
        self.unmarked_since = recover::since(kv)?;
        let mut keys = Vec::with_capacity(GROUP);
        kv.scan(self.start.as_slice()..ends(&key::all()).end, Direction::Forward, &mut |key, _| {
            keys.push(key.to_vec());
            if keys.len() == GROUP { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let Some(last) = keys.last() else { return Ok(true) };
        self.start = [last.as_slice(), &[0]].concat();
        let mut current: Option<Current> = None;
        for key in &keys {
            match key::first_row(key) {
                None => self.problem(key, "is no key of this store"),
                Some(first) if first == key => current = Some((key.clone(), self.record(kv, key)?)),
                Some(first) => {
                    if current.as_ref().is_none_or(|(of, _)| of != first) {
                        current = Some((first.to_vec(), self.rows(kv, key, first)?));
                    }
                    let number = key::chunk_number(first, key).map_or(usize::MAX, usize::from);
                    if current.as_ref().and_then(|(_, rows)| *rows).is_some_and(|rows| number >= rows) {
                        self.problem(key, "is a part that its record does not have");
                    }
                }
            }
        }
        Ok(keys.len() < GROUP)
    }

    /// How many rows the record has whose first row was in an earlier group, or is not there.
    fn rows(&mut self, kv: &dyn Kv, key: &[u8], first: &[u8]) -> Result<Option<usize>, Error> {
        match kv.get(first)? {
            Some(value) => Ok(Head::parse(first, &value).ok().map(|head| head.rows())),
            None => {
                self.problem(key, "is a part of a record whose beginning is not there");
                Ok(None)
            }
        }
    }

    /// Verifies the record that begins here; answers with how many rows it has.
    fn record(&mut self, kv: &dyn Kv, first: &[u8]) -> Result<Option<usize>, Error> {
        let verified = match first[0] {
            b'E' => self.event(kv, first),
            b'S' => self.step(kv, first),
            b'Q' => self.unfinished(kv, first),
            b'M' => self.document(kv, first),
            b'I' => self.idempotency(kv, first),
            b'A' => self.audit(kv, first),
            b'F' => self.failure(kv, first),
            b'H' => self.hold(kv, first),
            b'X' => self.external(kv, first),
            _ => note(kv, first),
        };
        match verified {
            Ok(()) => {}
            Err(Error::Damaged(reason)) => self.problem(first, reason),
            Err(error) => return Err(error),
        }
        if matches!(first[0], b'Q' | b'I' | b'V' | b'F' | b'H' | b'X') {
            return Ok(None);
        }
        Ok(kv.get(first)?.and_then(|value| Head::parse(first, &value).ok()).map(|head| head.rows()))
    }

    fn event(&mut self, kv: &dyn Kv, first: &[u8]) -> Result<(), Error> {
        let Some((id, _)) = key::parse_event(first) else { return Ok(()) };
        let (_, routes) = read::event(kv, id)?.ok_or_else(gone)?;
        self.checked.events += 1;
        self.checked.deliveries += routes.len() as u64;
        let last = read::last_steps(kv, id, id)?;
        if let Some((delivery, _)) = last.iter().find(|(delivery, _)| usize::from(delivery.index) >= routes.len()) {
            self.problem(first, format!("the event has steps of delivery {delivery}, which it does not have"));
        }
        let unfinished = (0..=u16::MAX).zip(&routes).any(|(index, _)| {
            // A step that cannot be read is a problem of its own.
            match last.get(&DeliveryId { event: id, index }) {
                None => true,
                Some((_, step)) => step.as_ref().is_ok_and(|step| !step.state.is_final()),
            }
        });
        self.checked.unfinished += u64::from(unfinished);
        let unreadable = last.values().any(|(_, step)| step.is_err());
        match kv.get(&key::unfinished(id))? {
            None if unfinished && self.unmarked_since.is_none_or(|since| id < since) => {
                self.problem(first, "the event has unfinished deliveries, but they are not in the queue")
            }
            Some(_) if !unfinished && !unreadable => self.problem(first, "the event is in the queue, but has nothing unfinished"),
            Some(value) => {
                let key = key::unfinished(id);
                // If the mark itself is damaged, that is told where it lies.
                if unseal(&key, &value).is_ok_and(|count| *count != u32::try_from(routes.len()).unwrap_or(0).to_be_bytes()) {
                    self.problem(&key, "does not say how many deliveries the event has");
                }
            }
            None => {}
        }
        Ok(())
    }

    fn step(&mut self, kv: &dyn Kv, first: &[u8]) -> Result<(), Error> {
        let Some((delivery, ..)) = key::parse_step(first) else { return Ok(()) };
        let known = match self.last_event {
            Some((id, known)) if id == delivery.event => known,
            _ => kv.get(&key::event(delivery.event))?.is_some(),
        };
        self.last_event = Some((delivery.event, known));
        if !known {
            self.problem(first, format!("is a step of the event {}, which is not there", delivery.event));
        }
        codec::step(&record::read(kv, first)?.ok_or_else(gone)?)?;
        self.checked.steps += 1;
        Ok(())
    }

    fn unfinished(&mut self, kv: &dyn Kv, key: &[u8]) -> Result<(), Error> {
        if let Some(id) = key::parse_unfinished(key)
            && kv.get(&key::event(id))?.is_none()
        {
            self.problem(key, format!("the event {id} is in the queue, but it is not there"));
        }
        let value = kv.get(key)?.ok_or_else(gone)?;
        match unseal(key, &value)?.len() {
            4 => Ok(()),
            _ => Err(Error::Damaged("a count of deliveries has a wrong length".into())),
        }
    }

    fn document(&mut self, kv: &dyn Kv, first: &[u8]) -> Result<(), Error> {
        let document = codec::document(&record::read(kv, first)?.ok_or_else(gone)?)?;
        if key::document_kind(first).is_none_or(|kind| key::document(kind, &document.id) != first) {
            return Err(Error::Damaged(format!("the document {} lies under another's key", document.id)));
        }
        self.checked.documents += 1;
        Ok(())
    }

    fn idempotency(&mut self, kv: &dyn Kv, key: &[u8]) -> Result<(), Error> {
        let value = kv.get(key)?.ok_or_else(gone)?;
        codec::remembered(unseal(key, &value)?)?;
        self.checked.idempotency_keys += 1;
        Ok(())
    }

    fn failure(&mut self, kv: &dyn Kv, key: &[u8]) -> Result<(), Error> {
        let value = kv.get(key)?.ok_or_else(gone)?;
        let failure = failure::parse(key, &value)?;
        let Some(id) = key::parse_failure(key) else { return Ok(()) };
        let last = read::last_step(kv, id)?;
        if !last.is_some_and(|(_, step)| matches!(step.state, State::Failed { .. }) && step.at == failure.at) {
            return Err(Error::Damaged(format!(
                "the index says that the delivery {id} failed, but it did not, or at another time"
            )));
        }
        self.checked.failures += 1;
        Ok(())
    }

    fn hold(&mut self, kv: &dyn Kv, key: &[u8]) -> Result<(), Error> {
        let value = kv.get(key)?.ok_or_else(gone)?;
        let id = record::parse_hold(key, &value)?;
        let header = read::event_header(kv, id.event)?;
        let route = header.as_ref().and_then(|header| header.routes.get(usize::from(id.index)));
        let entity = route.and_then(|route| Some((route.subscription, EntityHash::of_route(route)?.short())));
        if entity.is_none() || entity != key::parse_hold(key) {
            return Err(Error::Damaged(format!("the delivery {id} holds an entity that it is not about, or is not there")));
        }
        if read::last_step(kv, id)?.is_none_or(|(_, step)| matches!(step.state, State::Success { .. })) {
            return Err(Error::Damaged(format!("the delivery {id} holds an entity, but did not fail")));
        }
        self.checked.holds += 1;
        Ok(())
    }

    fn external(&mut self, kv: &dyn Kv, key: &[u8]) -> Result<(), Error> {
        let value = kv.get(key)?.ok_or_else(gone)?;
        external::parse(key, &value)?;
        self.checked.external_ids += 1;
        Ok(())
    }

    fn audit(&mut self, kv: &dyn Kv, first: &[u8]) -> Result<(), Error> {
        codec::audit(&record::read(kv, first)?.ok_or_else(gone)?)?;
        self.checked.audit_entries += 1;
        Ok(())
    }
}

fn note(kv: &dyn Kv, key: &[u8]) -> Result<(), Error> {
    if key == key::note(recover::SCHEMA_NOTE) {
        return recover::schema(kv).map(drop);
    }
    Ok(unseal(key, &kv.get(key)?.ok_or_else(gone)?).map(drop)?)
}

/// A row that was there a moment ago.
fn gone() -> Error {
    Error::Damaged("the engine lists a row, but does not find it".into())
}
