//! Changes of documents, in the making of a commit.

use super::batch::{Batch, Stored};
use crate::audit::NewEntry;
use crate::key;
use crate::kv::{Kv, Op};
use crate::record::Head;
use crate::{Change, Error, Expect, Kind, LONGEST_ID, codec};
use std::collections::HashMap;

impl Batch<'_> {
    pub(super) fn apply(&mut self, changes: &[Change], entries: &[NewEntry]) -> Result<Vec<u64>, Error> {
        let mut tentative: HashMap<(Kind, String), Stored> = HashMap::new();
        let mut ops = Vec::new();
        let mut revisions = Vec::with_capacity(changes.len());
        for change in changes {
            if change.id.len() > LONGEST_ID {
                return Err(Error::TooLarge(format!("an id of {} bytes; {LONGEST_ID} are allowed", change.id.len())));
            }
            let name = (change.kind, change.id.clone());
            let stored = match tentative.get(&name).or_else(|| self.documents.get(&name)) {
                Some(stored) => *stored,
                None => self.shared.read(|kv| stored(kv, change.kind, &change.id))?,
            };
            check(change, stored)?;
            let first = key::document(change.kind, &change.id);
            let old_rows = stored.map_or(0, |(_, rows)| rows);
            let now = match &change.body {
                None => None,
                Some(body) => {
                    let revision = stored.map_or(0, |(revision, _)| revision) + 1;
                    let record = codec::document_record(&change.id, revision, body)?;
                    ops.extend(record.ops(&first));
                    Some((revision, record.rows()))
                }
            };
            let new_rows = now.map_or(0, |(_, rows)| rows);
            ops.extend((0..=u16::MAX).take(old_rows).skip(new_rows).map(|number| Op::Delete(key::chunk(&first, number))));
            revisions.push(now.map_or(0, |(revision, _)| revision));
            tentative.insert(name, now);
        }
        let bytes: usize = ops.iter().filter(|op| matches!(op, Op::Put(..))).map(Op::bytes).sum();
        let entries: Vec<Op> = entries.iter().flat_map(NewEntry::ops).collect();
        let entry_bytes: usize = entries.iter().map(Op::bytes).sum();
        if bytes + entry_bytes > 0 {
            // What only removes objects is recorded on a full disk as well, and so is what was done already.
            let keep = if bytes == 0 { self.shared.reserve / 2 } else { self.shared.reserve };
            self.need_space(bytes + entry_bytes, keep)?;
        }
        ops.extend(entries);
        self.documents.extend(tentative);
        self.push(ops);
        Ok(revisions)
    }
}

fn stored(kv: &dyn Kv, kind: Kind, id: &str) -> Result<Stored, Error> {
    let first = key::document(kind, id);
    let Some(value) = kv.get(&first)? else { return Ok(None) };
    let head = Head::parse(&first, &value)?;
    let rows = head.rows();
    let header = head.header().ok_or_else(|| Error::Damaged(format!("the document {id} has no header")))?;
    let header: codec::DocumentHeader = codec::header("a document", header)?;
    Ok(Some((header.revision, rows)))
}

fn check(change: &Change, stored: Stored) -> Result<(), Error> {
    let expected = match (change.expect, stored) {
        (Expect::Anything, _) | (Expect::Absent, None) | (Expect::Present, Some(_)) => return Ok(()),
        (Expect::Revision(revision), Some((found, _))) if revision == found => return Ok(()),
        (Expect::Absent, _) => "nothing".to_owned(),
        (Expect::Present, _) => "something".to_owned(),
        (Expect::Revision(revision), _) => revision.to_string(),
    };
    let found = stored.map_or("nothing".to_owned(), |(revision, _)| revision.to_string());
    Err(Error::Conflict { id: change.id.clone(), expected, found })
}
