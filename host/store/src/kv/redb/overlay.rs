//! A file that is read, and a memory that takes what is written over it: what redb does there changes nothing.

use redb::StorageBackend;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};

/// In bytes. redb writes whole pages of this size.
const PAGE: u64 = 4096;

/// A storage of redb. It keeps in memory what is written: for a verification, redb's record of free pages.
#[derive(Debug)]
pub(super) struct Overlay(Mutex<State>);

#[derive(Debug)]
struct State {
    file: File,
    /// So much of the file still counts.
    from_file: u64,
    length: u64,
    written: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self(Mutex::new(State { file, from_file: length, length, written: BTreeMap::new() })))
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn check(&self, offset: u64, length: usize) -> io::Result<()> {
        let end = u64::try_from(length).ok().and_then(|length| offset.checked_add(length));
        if end.is_none_or(|end| end > self.length) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends too early"));
        }
        Ok(())
    }

    /// Fills `out` from the file, and with zeros behind its end.
    fn read_file(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(self.from_file.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (from_file, zeros) = out.split_at_mut(there);
        zeros.fill(0);
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(from_file)
    }

    fn read(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.check(offset, out.len())?;
        self.read_file(offset, out)?;
        for (number, page) in self.written.range(offset / PAGE..=(offset + out.len() as u64) / PAGE) {
            let (start, end) = (number * PAGE, (number + 1) * PAGE);
            let (from, to) = (start.max(offset), end.min(offset + out.len() as u64));
            if from < to {
                let part = &page[(from - start) as usize..(to - start) as usize];
                out[(from - offset) as usize..(to - offset) as usize].copy_from_slice(part);
            }
        }
        Ok(())
    }

    fn write(&mut self, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
        self.check(offset, data.len())?;
        while !data.is_empty() {
            let (number, start) = (offset / PAGE, (offset % PAGE) as usize);
            let (part, rest) = data.split_at(data.len().min(PAGE as usize - start));
            let mut page = match self.written.remove(&number) {
                Some(page) => page,
                None => {
                    let mut page = vec![0; PAGE as usize];
                    self.read_file(number * PAGE, &mut page)?;
                    page
                }
            };
            page[start..start + part.len()].copy_from_slice(part);
            self.written.insert(number, page);
            offset += part.len() as u64;
            data = rest;
        }
        Ok(())
    }

    fn set_length(&mut self, length: u64) {
        if length < self.length {
            self.from_file = self.from_file.min(length);
            self.written.split_off(&length.div_ceil(PAGE));
            if let Some(page) = self.written.get_mut(&(length / PAGE)) {
                page[(length % PAGE) as usize..].fill(0);
            }
        }
        self.length = length;
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.with(|state| state.length))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|state| state.read(offset, out))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.with(|state| state.set_length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|state| state.write(offset, data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    proptest! {
        #[test]
        fn it_is_a_file_of_its_own(
            steps in proptest::collection::vec((0u8..3, 0u64..30_000, 0usize..9000), 1..40),
            length in 0usize..20_000,
        ) {
            let mut file = tempfile::tempfile().unwrap();
            let mut expected: Vec<u8> = (0..length).map(|n| n as u8 | 1).collect();
            file.write_all(&expected).unwrap();
            let original = expected.clone();
            let overlay = Overlay::new(file.try_clone().unwrap()).unwrap();
            for (n, (kind, offset, size)) in steps.into_iter().enumerate() {
                let fits = offset + size as u64 <= expected.len() as u64;
                match kind {
                    0 => {
                        overlay.set_len(offset).unwrap();
                        expected.resize(offset as usize, 0);
                    }
                    1 => {
                        let data = vec![n as u8; size];
                        prop_assert_eq!(overlay.write(offset, &data).is_ok(), fits);
                        if fits {
                            expected[offset as usize..][..size].copy_from_slice(&data);
                        }
                    }
                    _ => {
                        let mut out = vec![9; size];
                        prop_assert_eq!(overlay.read(offset, &mut out).is_ok(), fits);
                        if fits {
                            prop_assert_eq!(&out[..], &expected[offset as usize..][..size]);
                        }
                    }
                }
                prop_assert_eq!(overlay.len().unwrap(), expected.len() as u64);
            }
            let mut after = Vec::new();
            file.seek(SeekFrom::Start(0)).unwrap();
            file.read_to_end(&mut after).unwrap();
            prop_assert_eq!(after, original);
        }
    }
}
