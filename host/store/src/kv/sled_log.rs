//! Reads sled's log without sled, and changes nothing.
//!
//! When sled 0.34.7 opens its log and finds a message near the end whose checksum is wrong, it takes that for the end: it
//! overwrites what is behind it in the segment, and clears the segments after it. That is right for a write that was cut
//! off, and wrong for a byte that a disk has changed. Once sled has opened the log, the difference is gone.
//!
//! So the whole log is read before each opening, and judged in two ways. What lies before the log's last segments was
//! finished long ago: every message of it must be sound. In the last segments an unreadable place is the end, as it is for
//! sled, and that end must lie behind everything that is known to have been on the disk ([`watermark`](super::watermark)).

mod format;
mod pages;
mod segment;
mod snapshot;
#[cfg(test)]
mod tests;

pub(crate) use snapshot::{Snapshot, snapshot};

use format::{Header, SEGMENT, SEGMENT_HEADER, STEP};
use pages::Pages;
use segment::Behind;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Something that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// From the file's beginning, in bytes; none if it is no one place.
    pub(crate) offset: Option<u64>,
    /// What is wrong there.
    pub(crate) reason: String,
}

impl Damage {
    fn at(offset: u64, reason: impl Into<String>) -> Self {
        Self { offset: Some(offset), reason: reason.into() }
    }
}

/// Looks for damage that would make sled lose something silently.
///
/// `stable` is the end of what sled's snapshot covers, 0 without one; `durable` is the end of what is
/// known to have been on the disk, if anything is known. Both count bytes of the log, not of the file.
pub(crate) fn damage(log: &Path, stable: u64, durable: Option<u64>) -> io::Result<Vec<Damage>> {
    let mut file = match File::open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let lost = durable.is_some_and(|durable| durable > 0);
            return Ok(lost.then(|| Damage { offset: None, reason: "the file is missing".into() }).into_iter().collect());
        }
        Err(error) => return Err(error),
    };
    let mut judge = Judge::new(file.metadata()?.len(), stable, durable);
    judge.headers(&mut file)?;
    judge.messages(&mut file)?;
    Ok(judge.into_damage())
}

struct Judge {
    /// Of the file, in bytes.
    length: u64,
    stable: u64,
    durable: Option<u64>,
    /// Where the segments lie in the file, by their places in the log.
    segments: BTreeMap<u64, u64>,
    /// Where the last segments begin, those that sled looks through for the end.
    tail: u64,
    /// The log's end as sled would find it, and where that is in the file.
    end: u64,
    end_offset: Option<u64>,
    pages: Pages,
    found: Vec<Damage>,
}

impl Judge {
    fn new(length: u64, stable: u64, durable: Option<u64>) -> Self {
        let (segments, pages, found) = (BTreeMap::new(), Pages::default(), Vec::new());
        Self { length, stable, durable, segments, tail: 0, end: 0, end_offset: None, pages, found }
    }

    /// Finds the segments, and which of them are the last.
    fn headers(&mut self, file: &mut File) -> io::Result<()> {
        let mut stable = self.stable;
        for offset in (0..self.length).step_by(SEGMENT) {
            let mut header = [0; SEGMENT_HEADER];
            if self.length - offset < SEGMENT_HEADER as u64 {
                break;
            }
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(&mut header)?;
            match Header::read(&header) {
                Header::Empty => {}
                Header::Damaged => {
                    self.found.push(Damage::at(offset, "the beginning of a segment does not match its checksum"));
                }
                Header::Sound { place, stable: of_segment } => {
                    // sled does not look at segments that its snapshot covers.
                    if place >= floor(self.stable) {
                        stable = stable.max(of_segment);
                    }
                    if self.segments.insert(place, offset).is_some() {
                        self.found.push(Damage::at(offset, "a segment is there twice"));
                    }
                }
            }
        }
        // The last stable byte decides, not the one behind it.
        self.tail = floor(stable.saturating_sub(1));
        if self.stable > 0 {
            self.tail = self.tail.max(floor(self.stable));
        }
        self.end = self.tail;
        Ok(())
    }

    /// Reads all segments in the order of the log.
    fn messages(&mut self, file: &mut File) -> io::Result<()> {
        let mut next = Some(self.tail);
        let mut bytes = Vec::with_capacity(SEGMENT);
        for (place, offset) in std::mem::take(&mut self.segments) {
            let in_tail = place >= self.tail;
            if in_tail && next != Some(place) {
                // Behind the end; sled clears it.
                break;
            }
            bytes.clear();
            file.seek(SeekFrom::Start(offset))?;
            (&mut *file).take(STEP).read_to_end(&mut bytes)?;
            let (pages, length) = (&mut self.pages, self.length);
            let walk = segment::walk(&bytes, place, |_, message| pages.take(message, length));
            let unreadable = Damage::at(offset + walk.end as u64, "a message does not match its checksum");
            if walk.complete {
                if in_tail {
                    (self.end, self.end_offset) = (place + STEP, None);
                    next = Some(place + STEP);
                }
            } else if in_tail {
                next = None;
                (self.end, self.end_offset) = (place + walk.end as u64, unreadable.offset);
                // Without a watermark what is behind must tell.
                if self.durable.is_none() && segment::behind(&bytes, walk.end, place) == Behind::Same {
                    self.found.push(unreadable);
                }
            } else if segment::behind(&bytes, walk.end, place) != Behind::Other {
                // Of another segment: it was free, and its next use had begun.
                self.found.push(unreadable);
            }
        }
        Ok(())
    }

    fn into_damage(mut self) -> Vec<Damage> {
        if let Some(durable) = self.durable.filter(|durable| *durable > self.end) {
            let missing = durable - self.end;
            self.found.push(Damage {
                offset: self.end_offset,
                reason: format!(
                    "sound data ends here, and {missing} bytes of acknowledged data that were behind it are not there"
                ),
            });
        }
        if self.found.is_empty()
            && let Some((count, first)) = self.pages.missing()
        {
            let reason = format!("{count} page(s) are not accounted for, page {first} first: a part of the file is missing");
            self.found.push(Damage { offset: None, reason });
        }
        self.found
    }
}

/// The beginning of the segment that holds this place.
fn floor(place: u64) -> u64 {
    place / STEP * STEP
}
