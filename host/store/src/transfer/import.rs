//! In: into an empty store, which nobody else uses meanwhile. All or nothing: a note in the store says that an import
//! is going on, and what one that ended early had stored is removed, at once or at the next opening.

use super::files::{Files, Unwritten};
use super::line::{
    AuditLine, ComponentLine, DocumentLine, EventLine, ExternalLine, HoldLine, IdempotencyLine, Line, StepLine, VaultLine,
};
use super::{FORMAT, LONGEST_LINE, TransferError, Transferred};
use crate::directory::free_bytes;
use crate::embedded::recover;
use crate::embedded::shared::Shared;
use crate::entity::{EntityHash, ShortHash};
use crate::external::External;
use crate::failure::Failure;
use crate::idempotency::{self, Remembered};
use crate::key::{self, AuditId, ends};
use crate::kv::{Direction, Kv, KvError, Op};
use crate::record::{self, Record, seal};
use crate::{AuditEntry, Embedded, Error, NewEvent, codec, read};
use postern_core::delivery::{Reason, Route, State};
use postern_core::{DeliveryId, Event, EventId, Json, Timestamp};
use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A commit takes so many keys or bytes, and then what completes a record.
const KEYS: usize = 1500;
const BYTES: usize = 4 << 20;

const NOTE: &str = "importing";

impl Embedded {
    /// Stores everything that an [`export`](Self::export) of any engine wrote, and writes the vault and the components
    /// beside it; what was unfinished there is due here.
    /// All or nothing. Blocks, also whoever else uses the store, and must not be called from async code.
    ///
    /// # Errors
    /// [`TransferError::NotEmpty`] when anything is in the store, or there is a vault. [`TransferError::Line`] when the file is no export or
    /// not a whole one, with the place. [`TransferError::File`] when it cannot be read. [`TransferError::Store`] when
    /// the disk is full or the store fails.
    pub fn import(&self, reader: &mut dyn BufRead) -> Result<Transferred, TransferError> {
        let imported = self.shared.alone(|kv| {
            let mut files = Files::new(&self.shared.path);
            match import(&self.shared, kv, &mut files, reader) {
                Err(TransferError::Store(error @ Error::Failed(_))) => {
                    files.undo();
                    Err(error)
                }
                Err(TransferError::NotEmpty) => Ok(Err(TransferError::NotEmpty)),
                Err(error) => {
                    files.undo();
                    wipe(kv)?;
                    Ok(Err(error))
                }
                Ok(counts) => {
                    // Still alone: nobody sees the records without their queue.
                    recover::note_all_marked(kv)?;
                    let (queue, damaged) = recover::unfinished(kv)?;
                    *self.shared.queue.lock() = queue;
                    self.shared.counters.damaged.fetch_add(damaged, Ordering::Relaxed);
                    let last_day = idempotency::last_day(kv)?.unwrap_or(0);
                    self.shared.last_idempotency_day.fetch_max(last_day, Ordering::Relaxed);
                    // Purges may have passed by where these events are now.
                    *self.shared.least_ingested.lock() = Some(EventId::from_bytes([0; 16]));
                    Ok(Ok(counts))
                }
            }
        })?;
        self.shared.changed.notify_one();
        imported
    }
}

/// Removes what an import stored that did not come to its end. Asked at each opening.
pub(crate) fn undo_unfinished(kv: &dyn Kv) -> Result<(), KvError> {
    if kv.get(&key::note(NOTE))?.is_some() {
        tracing::warn!("an import did not come to its end; what it stored is removed");
        wipe(kv)?;
    }
    Ok(())
}

fn wipe(kv: &dyn Kv) -> Result<(), KvError> {
    loop {
        let ops = contents(kv, KEYS)?.into_iter().map(Op::Delete).collect::<Vec<_>>();
        match ops.is_empty() {
            false => kv.commit(ops)?,
            true => return kv.commit(vec![Op::Delete(key::note(NOTE))]),
        }
    }
}

/// The first keys of what is not about the store itself.
fn contents(kv: &dyn Kv, limit: usize) -> Result<Vec<Vec<u8>>, KvError> {
    let mut keys = Vec::new();
    kv.scan(ends(&key::all()), Direction::Forward, &mut |key, _| {
        if !key.starts_with(b"V") {
            keys.push(key.to_vec());
        }
        if keys.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(keys)
}

fn import(shared: &Shared, kv: &dyn Kv, files: &mut Files, reader: &mut dyn BufRead) -> Result<Transferred, TransferError> {
    if !contents(kv, 1).map_err(Error::from)?.is_empty() || crate::vault::file(&shared.path).exists() {
        return Err(TransferError::NotEmpty);
    }
    let note = key::note(NOTE);
    let value = seal(&note, &[]);
    let mut import = Import::new(shared, kv, files);
    import.push(Op::Put(note.clone(), value));
    import.commit()?;
    let mut lines = Lines { reader, number: 0 };
    let wrong = |number, reason: String| TransferError::Line { line: number, reason };
    match lines.next()? {
        Some(Line::PosternExport { format: FORMAT }) => {}
        Some(Line::PosternExport { format }) => {
            return Err(wrong(1, format!("the format is {format}, and this postern reads {FORMAT}")));
        }
        _ => return Err(wrong(1, "this is no export of a postern store".into())),
    }
    let promised = loop {
        match lines.next()? {
            None => return Err(wrong(lines.number, "the export ends here, but not with its last line".into())),
            Some(Line::End(counts)) => break counts,
            Some(line) => import.add(line).map_err(|refused| refused.at(lines.number))?,
        }
    };
    import.end_event()?;
    if (Transferred { damaged: promised.damaged, ..import.counts }) != promised {
        return Err(wrong(lines.number, "lines are missing: there are fewer or more objects than the last line counts".into()));
    }
    if lines.next()?.is_some() {
        return Err(wrong(lines.number, "something follows the last line".into()));
    }
    import.ops.push(Op::Delete(note));
    import.commit()?;
    Ok(promised)
}

struct Lines<'a> {
    reader: &'a mut dyn BufRead,
    number: u64,
}

impl Lines<'_> {
    /// The next line; none at the end.
    fn next(&mut self) -> Result<Option<Line>, TransferError> {
        let mut bytes = Vec::new();
        self.number += 1;
        (&mut *self.reader).take(LONGEST_LINE).read_until(b'\n', &mut bytes)?;
        let wrong = |reason| Err(TransferError::Line { line: self.number, reason });
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.last() != Some(&b'\n') {
            let long = u64::try_from(bytes.len()).is_ok_and(|length| length == LONGEST_LINE);
            return wrong(if long { format!("it is longer than {LONGEST_LINE} bytes") } else { "it was cut".into() });
        }
        serde_json::from_slice(&bytes).map(Some).or_else(|error| wrong(error.to_string()))
    }
}

/// Why a line is not imported.
enum Refused {
    Content(String),
    Store(Error),
    File(std::io::Error),
}

impl Refused {
    fn at(self, line: u64) -> TransferError {
        match self {
            Self::Content(reason) => TransferError::Line { line, reason },
            Self::Store(error) => error.into(),
            Self::File(error) => error.into(),
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::TooLarge(_) => Self::Content(error.to_string()),
            error => Self::Store(error),
        }
    }
}

impl From<Unwritten> for Refused {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Content(reason) => Self::Content(reason),
            Unwritten::Disk(error) => Self::File(error),
        }
    }
}

fn refused<T>(reason: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Content(reason.into()))
}

struct Import<'a> {
    shared: &'a Shared,
    kv: &'a dyn Kv,
    files: &'a mut Files,
    ops: Vec<Op>,
    bytes: usize,
    counts: Transferred,
    /// The last key of each kind of row. They ascend in an export, so that nothing can be in it twice.
    last: HashMap<u8, Vec<u8>>,
    /// The event whose steps follow.
    event: Option<Open>,
}

/// An event whose deliveries are not all known yet.
struct Open {
    event: Arc<Event>,
    routes: Vec<Route>,
    /// What is known of each delivery.
    last: Vec<Last>,
}

/// How the last step of a delivery left it.
#[derive(Clone, Copy)]
enum Last {
    Unfinished,
    Succeeded,
    Failed(Option<Reason>, Timestamp),
}

impl<'a> Import<'a> {
    fn new(shared: &'a Shared, kv: &'a dyn Kv, files: &'a mut Files) -> Self {
        let (ops, last) = (Vec::new(), HashMap::new());
        Self { shared, kv, files, ops, bytes: 0, counts: Transferred::default(), last, event: None }
    }

    fn add(&mut self, line: Line) -> Result<(), Refused> {
        if !matches!(line, Line::Step(_)) {
            self.end_event()?;
        }
        match line {
            Line::Vault(line) => self.vault(&line),
            Line::Component(line) => self.component(&line),
            Line::Document(line) => self.document(line),
            Line::IdempotencyKey(line) => self.idempotency(line),
            Line::Audit(line) => self.audit(line),
            Line::Event(line) => self.event(line),
            Line::Step(line) => self.step(line),
            Line::Hold(line) => self.hold(line),
            Line::ExternalId(line) => self.external(line),
            Line::PosternExport { .. } | Line::End(_) => refused("it does not belong here"),
        }?;
        if self.ops.len() >= KEYS || self.bytes >= BYTES {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Error> {
        let (ops, bytes) = (std::mem::take(&mut self.ops), u64::try_from(std::mem::take(&mut self.bytes)).unwrap_or(u64::MAX));
        let need = self.shared.reserve.saturating_add(bytes.saturating_mul(self.shared.amplification));
        if let Ok(free) = free_bytes(&self.shared.path)
            && free < need
        {
            let (free, need, path) = (free >> 20, need >> 20, self.shared.path.display());
            return Err(Error::Full(format!("{free} MiB are free at {path}, and the import needs {need} MiB to go on")));
        }
        Ok(self.kv.commit(ops)?)
    }

    fn push(&mut self, op: Op) {
        self.bytes += op.bytes();
        self.ops.push(op);
    }

    fn ascends(&mut self, key: &[u8]) -> Result<(), Refused> {
        let last = self.last.entry(key[0]).or_default();
        if last.as_slice() >= key {
            return refused("it is there twice, or not in its place");
        }
        *last = key.to_vec();
        Ok(())
    }

    fn record(&mut self, first: &[u8], record: &Record) -> Result<(), Refused> {
        self.ascends(first)?;
        record.ops(first).for_each(|op| self.push(op));
        Ok(())
    }

    fn vault(&mut self, line: &VaultLine) -> Result<(), Refused> {
        if self.counts.vault {
            return refused("it is there twice");
        }
        self.files.write_vault(&line.content)?;
        self.counts.vault = true;
        Ok(())
    }

    fn component(&mut self, line: &ComponentLine) -> Result<(), Refused> {
        // A kind of row that the store does not have.
        self.ascends(format!("component {}", line.digest).as_bytes())?;
        self.files.write_component(&line.digest, &line.content)?;
        self.counts.components += 1;
        Ok(())
    }

    fn document(&mut self, line: DocumentLine) -> Result<(), Refused> {
        let DocumentLine { kind, id, revision, body } = line;
        if id.len() > crate::LONGEST_ID || revision == 0 {
            return refused("its id is too long, or its revision is 0");
        }
        self.record(&key::document(kind, &id), &codec::document_record(&id, revision, &body)?)?;
        self.counts.documents += 1;
        Ok(())
    }

    fn idempotency(&mut self, line: IdempotencyLine) -> Result<(), Refused> {
        let IdempotencyLine { key, event, deliveries, until } = line;
        let Some(hash) = parse_hash(&key) else { return refused("its key is not 64 hexadecimal digits") };
        let op = Remembered { event, until, deliveries }.op(&hash);
        if let Op::Put(key, _) = &op {
            self.ascends(key)?;
        }
        self.push(op);
        self.counts.idempotency_keys += 1;
        Ok(())
    }

    fn audit(&mut self, line: AuditLine) -> Result<(), Refused> {
        let AuditLine { at, order, actor, token, address, action, kind, object, tenant, detail } = line;
        let detail = detail.map(Json::parse).transpose().map_err(|error| Refused::Content(format!("its detail: {error}")))?;
        let first = key::audit(AuditId { at, order: u128::from_be_bytes(order.to_bytes()) });
        let entry = AuditEntry { at, actor, token, address, action, kind, object, tenant, detail };
        self.record(&first, &codec::audit_record(&entry)?)?;
        self.counts.audit_entries += 1;
        Ok(())
    }

    fn event(&mut self, line: EventLine) -> Result<(), Refused> {
        let EventLine { id, event_type, tenant, timestamp, routes, payload } = line;
        if routes.len() > usize::from(u16::MAX) {
            return refused("it has too many routes");
        }
        let payload = Json::parse(payload).map_err(|error| Refused::Content(format!("its payload: {error}")))?;
        let event = Arc::new(Event { id, event_type, tenant, timestamp, payload });
        let new = NewEvent { event, routes, idempotency: None };
        self.record(&key::event(id), &codec::event_record(&new)?)?;
        let last = vec![Last::Unfinished; new.routes.len()];
        self.event = Some(Open { event: new.event, routes: new.routes, last });
        self.counts.events += 1;
        Ok(())
    }

    fn step(&mut self, line: StepLine) -> Result<(), Refused> {
        let StepLine { delivery, sequence, step } = line;
        let of_event = self.event.as_mut().filter(|open| open.event.id == delivery.event);
        let Some(last) = of_event.and_then(|open| open.last.get_mut(usize::from(delivery.index))) else {
            return refused("it is a step of no delivery of the event before it");
        };
        *last = match step.state {
            State::Success { .. } => Last::Succeeded,
            State::Failed { reason, .. } => Last::Failed(reason, step.at),
            State::Pending | State::Retrying { .. } => Last::Unfinished,
        };
        self.record(&key::step(delivery, sequence), &codec::step_record(&step)?)?;
        self.counts.steps += 1;
        Ok(())
    }

    /// Marks the event as unfinished if it is, and indexes what failed of it.
    fn end_event(&mut self) -> Result<(), Error> {
        let Some(Open { event, routes, last }) = self.event.take() else { return Ok(()) };
        if last.iter().any(|last| matches!(last, Last::Unfinished)) {
            self.push(record::unfinished(event.id, u32::try_from(last.len()).unwrap_or(u32::MAX)));
        }
        for ((index, route), last) in (0..=u16::MAX).zip(&routes).zip(last) {
            if let Last::Failed(reason, at) = last {
                let failure = Failure::new(event.tenant.clone(), event.event_type.clone(), route, reason, at);
                self.push(failure.op(DeliveryId { event: event.id, index })?);
            }
        }
        Ok(())
    }

    fn external(&mut self, line: ExternalLine) -> Result<(), Refused> {
        let ExternalLine { subscription, entity, id, first, last } = line;
        let Some(hash) = parse_hash(&entity) else { return refused("its entity is not 32 hexadecimal digits") };
        if id.len() > crate::LONGEST_EXTERNAL_ID {
            return refused("its id is too long");
        }
        let key = key::external(subscription, EntityHash(hash));
        self.ascends(&key)?;
        self.push(External { id, first, last }.op(key));
        self.counts.external_ids += 1;
        Ok(())
    }

    fn hold(&mut self, line: HoldLine) -> Result<(), Refused> {
        let HoldLine { subscription, entity, delivery } = line;
        let Some(hash) = parse_hash(&entity).map(ShortHash) else { return refused("its entity is not 16 hexadecimal digits") };
        self.ascends(&key::hold(subscription, hash))?;
        self.counts.holds += 1;
        self.commit()?;
        // While the export was written the delivery may have come later, or have succeeded in between: nothing that would
        // ever succeed or be cancelled holds the entity then.
        let last = read::last_step(self.kv, delivery).map_err(Error::from)?;
        if last.is_some_and(|(_, step)| !matches!(step.state, State::Success { .. })) {
            self.push(record::hold(subscription, hash, delivery));
        }
        Ok(())
    }
}

fn parse_hash<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let mut hash = [0; BYTES];
    if text.len() != BYTES * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}
