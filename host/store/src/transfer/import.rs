//! In: into an empty store, which nobody else uses meanwhile. All or nothing: a note in the store says that an import
//! is going on, and what one that ended early had stored is removed, at once or at the next opening.

use super::files::{Files, Unwritten};
use super::line::{AuditLine, ComponentLine, DocumentLine, EventLine, IdempotencyLine, Line, StepLine, VaultLine};
use super::{FORMAT, LONGEST_LINE, TransferError, Transferred};
use crate::directory::free_bytes;
use crate::embedded::recover;
use crate::embedded::shared::Shared;
use crate::idempotency::{self, Remembered};
use crate::key::{self, AuditId, ends};
use crate::kv::{Direction, Kv, KvError, Op};
use crate::record::{Record, seal};
use crate::{AuditEntry, Embedded, Error, NewEvent, codec};
use postern_core::{Event, EventId, Json};
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
    import.end_event();
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
    /// The event whose steps follow, with whether each delivery is unfinished.
    event: Option<(EventId, Vec<bool>)>,
}

impl<'a> Import<'a> {
    fn new(shared: &'a Shared, kv: &'a dyn Kv, files: &'a mut Files) -> Self {
        let (ops, last) = (Vec::new(), HashMap::new());
        Self { shared, kv, files, ops, bytes: 0, counts: Transferred::default(), last, event: None }
    }

    fn add(&mut self, line: Line) -> Result<(), Refused> {
        if !matches!(line, Line::Step(_)) {
            self.end_event();
        }
        match line {
            Line::Vault(line) => self.vault(&line),
            Line::Component(line) => self.component(&line),
            Line::Document(line) => self.document(line),
            Line::IdempotencyKey(line) => self.idempotency(line),
            Line::Audit(line) => self.audit(line),
            Line::Event(line) => self.event(line),
            Line::Step(line) => self.step(line),
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
        let unfinished = vec![true; routes.len()];
        let record = codec::event_record(&NewEvent { event, routes, idempotency: None })?;
        self.record(&key::event(id), &record)?;
        self.event = Some((id, unfinished));
        self.counts.events += 1;
        Ok(())
    }

    fn step(&mut self, line: StepLine) -> Result<(), Refused> {
        let StepLine { delivery, sequence, step } = line;
        let of_event = self.event.as_mut().filter(|(id, _)| *id == delivery.event);
        let Some(unfinished) = of_event.and_then(|(_, unfinished)| unfinished.get_mut(usize::from(delivery.index))) else {
            return refused("it is a step of no delivery of the event before it");
        };
        *unfinished = !step.state.is_final();
        self.record(&key::step(delivery, sequence), &codec::step_record(&step)?)?;
        self.counts.steps += 1;
        Ok(())
    }

    /// Marks the event as unfinished if it is.
    fn end_event(&mut self) {
        let Some((id, unfinished)) = self.event.take() else { return };
        if unfinished.contains(&true) {
            let key = key::unfinished(id);
            let deliveries = u32::try_from(unfinished.len()).unwrap_or(u32::MAX);
            let value = seal(&key, &deliveries.to_be_bytes());
            self.push(Op::Put(key, value));
        }
    }
}

fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}
