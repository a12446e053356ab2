//! Out: group by group, so that whoever else uses the store goes on meanwhile.

use super::files;
use super::line::{
    AuditLine, ComponentLine, DocumentLine, EventLine, ExternalLine, HoldLine, IdempotencyLine, Line, StepLine, VaultLine,
};
use super::{FORMAT, TransferError, Transferred};
use crate::key::{self, KeyRange, ends};
use crate::kv::{Direction, Kv};
use crate::record::{self, unseal};
use crate::{AuditEntry, Embedded, Error, codec, external as externals, read};
use postern_core::EventId;
use std::io::Write;
use std::ops::ControlFlow;

/// How many records are read in one hold of the engine, and so kept in memory.
const GROUP: usize = 16;

impl Embedded {
    /// Writes everything that is stored, with the vault and the components beside it, as JSON lines. Blocks, and must not be called from async code. A store that
    /// serves may be exported: each event is then as it was when it was read, later events are not in the file, and
    /// purges wait. Records that cannot be read are logged, left out and counted.
    ///
    /// # Errors
    /// [`TransferError::File`] when the writer fails; [`TransferError::Store`] when the store does.
    pub fn export(&self, writer: &mut dyn Write) -> Result<Transferred, TransferError> {
        let _no_purge = self.marks.blocking_lock();
        let mut export = Export { store: self, writer, counts: Transferred::default() };
        export.put(&Line::PosternExport { format: FORMAT })?;
        export.vault()?;
        export.counts.documents = export.records(b'M', document)?;
        // Behind the providers: each component was there before its provider was stored.
        export.components()?;
        export.counts.idempotency_keys = export.records(b'I', idempotency)?;
        export.counts.audit_entries = export.records(b'A', audit)?;
        export.counts.external_ids = export.records(b'X', external)?;
        export.events()?;
        // Behind the events: what holds something now was there when they were read.
        export.counts.holds = export.records(b'H', hold)?;
        export.put(&Line::End(export.counts))?;
        export.writer.flush()?;
        Ok(export.counts)
    }
}

/// Reads the record that begins at a key, as a line; none if it is gone.
type ReadLine = fn(&dyn Kv, &[u8]) -> Result<Option<Line>, Error>;

struct Export<'a> {
    store: &'a Embedded,
    writer: &'a mut dyn Write,
    counts: Transferred,
}

impl Export<'_> {
    fn put(&mut self, line: &Line) -> Result<(), TransferError> {
        let mut bytes = serde_json::to_vec(line).map_err(std::io::Error::from)?;
        bytes.push(b'\n');
        Ok(self.writer.write_all(&bytes)?)
    }

    /// What was read; none if it is damaged or gone.
    fn sound<T>(&mut self, key: &[u8], read: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
        match read {
            Err(Error::Damaged(reason)) => {
                self.counts.damaged += 1;
                tracing::error!(key = %key::hex(key), %reason, "a damaged record was left out of an export");
                Ok(None)
            }
            other => other,
        }
    }

    fn vault(&mut self) -> Result<(), TransferError> {
        let found = files::vault(&self.store.shared.path)?;
        if let Some(content) = self.sound_file("vault", found) {
            self.put(&Line::Vault(VaultLine { content }))?;
            self.counts.vault = true;
        }
        Ok(())
    }

    fn components(&mut self) -> Result<(), TransferError> {
        let directory = self.store.shared.path.clone();
        for digest in files::components(&directory)? {
            let found = files::component(&directory, &digest)?;
            if let Some(content) = self.sound_file(&digest, found) {
                self.put(&Line::Component(ComponentLine { digest, content }))?;
                self.counts.components += 1;
            }
        }
        Ok(())
    }

    /// What was read of a file; none if it is damaged or gone.
    fn sound_file(&mut self, name: &str, found: files::Found) -> Option<String> {
        match found {
            files::Found::Sound(content) => Some(content),
            files::Found::Nothing => None,
            files::Found::Damaged(reason) => {
                self.counts.damaged += 1;
                tracing::error!(name, %reason, "a damaged file was left out of an export");
                None
            }
        }
    }

    /// Writes the records whose keys begin with this byte.
    fn records(&mut self, tag: u8, read: ReadLine) -> Result<u64, TransferError> {
        let mut range = vec![tag]..vec![tag + 1];
        let mut count = 0;
        loop {
            let group = self.store.shared.read(|kv| {
                let firsts = first_rows(kv, &range)?;
                firsts.into_iter().map(|first| sort(read(kv, &first), first)).collect::<Result<Vec<_>, _>>()
            })?;
            let Some((last, _)) = group.last() else { return Ok(count) };
            range.start = key::behind_record(last);
            for (first, line) in group {
                if let Some(line) = self.sound(&first, line)? {
                    self.put(&line)?;
                    count += 1;
                }
            }
        }
    }

    fn events(&mut self) -> Result<(), TransferError> {
        let (mut newest, oldest) = (EventId::from_bytes([0xff; 16]), EventId::from_bytes([0; 16]));
        loop {
            let found = self.store.shared.read(|kv| Ok(read::event_heads(kv, newest, oldest, 64, Direction::Forward)?))?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            let next = key::previous(*last);
            for (id, _) in found {
                self.event(id)?;
            }
            match next {
                Some(next) => newest = next,
                None => return Ok(()),
            }
        }
    }

    fn event(&mut self, id: EventId) -> Result<(), TransferError> {
        let (event, steps) = self.store.shared.read(|kv| {
            let (_, event) = sort(read::event(kv, id).map_err(Error::from), ())?;
            Ok((event, read::step_ids(kv, id)?))
        })?;
        let Some((event, routes)) = self.sound(&key::event(id), event)? else { return Ok(()) };
        self.put(&Line::Event(EventLine::new(event, routes)))?;
        self.counts.events += 1;
        for group in steps.chunks(GROUP) {
            let read = self.store.shared.read(|kv| {
                let step = |first: &[u8]| Ok(record::read(kv, first)?.map(|whole| codec::step(&whole)).transpose()?);
                group.iter().map(|id| sort(step(&key::step(id.0, id.1)), *id)).collect::<Result<Vec<_>, _>>()
            })?;
            for ((delivery, sequence), step) in read {
                if let Some(step) = self.sound(&key::step(delivery, sequence), step)? {
                    self.put(&Line::Step(StepLine { delivery, sequence, step }))?;
                    self.counts.steps += 1;
                }
            }
        }
        Ok(())
    }
}

/// What was read of an object, or that it is damaged.
type Sorted<I, T> = (I, Result<Option<T>, Error>);

/// Damage concerns one record and is kept with it; any other error ends the export.
fn sort<I, T>(read: Result<Option<T>, Error>, of: I) -> Result<Sorted<I, T>, Error> {
    match read {
        Err(error) if !matches!(error, Error::Damaged(_)) => Err(error),
        other => Ok((of, other)),
    }
}

/// The keys of the first records in a range.
fn first_rows(kv: &dyn Kv, range: &KeyRange) -> Result<Vec<Vec<u8>>, Error> {
    let mut firsts = Vec::new();
    kv.scan(ends(range), Direction::Forward, &mut |key, _| {
        if key::first_row(key) == Some(key) {
            firsts.push(key.to_vec());
        }
        if firsts.len() == GROUP { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(firsts)
}

fn document(kv: &dyn Kv, first: &[u8]) -> Result<Option<Line>, Error> {
    let Some(kind) = key::document_kind(first) else { return Ok(None) };
    let Some(whole) = record::read(kv, first)? else { return Ok(None) };
    Ok(Some(Line::Document(DocumentLine::new(kind, codec::document(&whole)?))))
}

fn idempotency(kv: &dyn Kv, key: &[u8]) -> Result<Option<Line>, Error> {
    let Some((_, hash)) = key::parse_idempotency(key) else { return Ok(None) };
    let Some(value) = kv.get(key)? else { return Ok(None) };
    let remembered = codec::remembered(unseal(key, &value)?)?;
    let (event, deliveries, until) = (remembered.event, remembered.deliveries, remembered.until);
    Ok(Some(Line::IdempotencyKey(IdempotencyLine { key: key::hex(&hash), event, deliveries, until })))
}

fn audit(kv: &dyn Kv, first: &[u8]) -> Result<Option<Line>, Error> {
    let Some((id, _)) = key::parse_audit(first) else { return Ok(None) };
    let Some(whole) = record::read(kv, first)? else { return Ok(None) };
    let AuditEntry { at, actor, token, address, action, kind, object, tenant, detail } = codec::audit(&whole)?;
    let detail = detail.map(|detail| detail.as_str().to_owned());
    let order = EventId::from_bytes(id.order.to_be_bytes());
    Ok(Some(Line::Audit(AuditLine { at, order, actor, token, address, action, kind, object, tenant, detail })))
}

fn external(kv: &dyn Kv, key: &[u8]) -> Result<Option<Line>, Error> {
    let Some((subscription, entity)) = key::parse_external(key) else { return Ok(None) };
    let Some(value) = kv.get(key)? else { return Ok(None) };
    let externals::External { id, first, last } = externals::parse(key, &value)?;
    Ok(Some(Line::ExternalId(ExternalLine { subscription, entity: key::hex(&entity.0), id, first, last })))
}

fn hold(kv: &dyn Kv, key: &[u8]) -> Result<Option<Line>, Error> {
    let Some((subscription, entity)) = key::parse_hold(key) else { return Ok(None) };
    let Some(value) = kv.get(key)? else { return Ok(None) };
    let delivery = record::parse_hold(key, &value)?;
    Ok(Some(Line::Hold(HoldLine { subscription, entity: key::hex(&entity.0), delivery })))
}
