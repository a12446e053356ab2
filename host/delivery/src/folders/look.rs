//! When a file in a watched folder is whole, and when one is gone. Pure: what was found and the time are passed in.
//!
//! A file that is being written grows, and one that is replaced may be away for a moment. So a file counts only once it looked
//! the same for a while, and as gone only once it was away for longer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// How long a file must look the same before it is read.
pub(super) const QUIET: Duration = Duration::from_millis(300);
/// How long a file must be away before its provider is removed.
pub(super) const GONE: Duration = Duration::from_secs(2);

/// How a file looks from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// In bytes.
    pub(super) length: u64,
    pub(super) modified: Option<SystemTime>,
    /// Its number on the disk: a file that takes another's place has another.
    pub(super) inode: u64,
    /// Length and time of the signature beside it.
    pub(super) signature: Option<(u64, Option<SystemTime>)>,
}

#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    since: Instant,
    read: bool,
}

/// What was seen of files so far.
#[derive(Debug, Default)]
pub(super) struct Files {
    seen: BTreeMap<PathBuf, Seen>,
    missed: BTreeMap<PathBuf, Instant>,
}

/// What is to be done after a look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Files that are whole and were not read as they are now.
    pub(super) whole: Vec<(PathBuf, Stamp)>,
    /// Files that a provider follows and that are gone.
    pub(super) gone: Vec<PathBuf>,
    /// When there may be more to do though nothing changes.
    pub(super) again: Option<Instant>,
}

impl Files {
    /// Compares what is there with what was there. `followed` are the files that should be.
    pub(super) fn look(&mut self, found: BTreeMap<PathBuf, Stamp>, followed: Vec<PathBuf>, now: Instant) -> Look {
        let mut look = Look::default();
        let mut later = |at: Instant| look.again = Some(look.again.map_or(at, |again| again.min(at)));
        self.missed.retain(|path, _| followed.contains(path) && !found.contains_key(path));
        for path in followed.into_iter().filter(|path| !found.contains_key(path)) {
            let since = *self.missed.entry(path.clone()).or_insert(now);
            if now.duration_since(since) >= GONE { look.gone.push(path) } else { later(since + GONE) }
        }
        self.seen.retain(|path, _| found.contains_key(path));
        for (path, stamp) in found {
            let seen = self.seen.entry(path.clone()).or_insert_with(|| Seen { stamp: stamp.clone(), since: now, read: false });
            if seen.stamp != stamp {
                *seen = Seen { stamp, since: now, read: false };
            }
            if seen.read {
                continue;
            }
            if now.duration_since(seen.since) < QUIET {
                later(seen.since + QUIET);
                continue;
            }
            seen.read = true;
            look.whole.push((path, seen.stamp.clone()));
        }
        look
    }

    /// A file was not what it looked like when it was read: it counts as changed.
    pub(super) fn changed(&mut self, path: &PathBuf, now: Instant) {
        if let Some(seen) = self.seen.get_mut(path) {
            (seen.since, seen.read) = (now, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(length: u64) -> Stamp {
        Stamp { length, modified: None, inode: 1, signature: None }
    }

    fn found(length: u64) -> BTreeMap<PathBuf, Stamp> {
        BTreeMap::from([(PathBuf::from("a.wasm"), stamp(length))])
    }

    #[test]
    fn a_file_is_read_once_it_stays_the_same_and_again_when_it_changed() {
        let (mut files, start) = (Files::default(), Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        let whole = |length| vec![(PathBuf::from("a.wasm"), stamp(length))];
        assert_eq!(files.look(found(1), vec![], start), Look { again: Some(start + QUIET), ..Look::default() });
        assert_eq!(files.look(found(2), vec![], after(299)).again, Some(after(299) + QUIET), "it grows");
        assert_eq!(files.look(found(2), vec![], after(598)).whole, vec![]);
        assert_eq!(files.look(found(2), vec![], after(599)).whole, whole(2));
        assert_eq!(files.look(found(2), vec![], after(5000)), Look::default());
        let path = PathBuf::from("a.wasm");
        files.changed(&path, after(5000));
        assert_eq!(files.look(found(2), vec![], after(5300)).whole, whole(2));
        files.look(found(3), vec![], after(6000));
        assert_eq!(files.look(found(3), vec![], after(6300)).whole, whole(3));
        files.look(BTreeMap::new(), vec![], after(7000));
        files.look(found(3), vec![], after(7001));
        assert_eq!(files.look(found(3), vec![], after(7301)).whole, whole(3), "it was away");
    }

    #[test]
    fn a_file_that_is_replaced_is_not_gone() {
        let (mut files, start) = (Files::default(), Instant::now());
        let followed = || vec![PathBuf::from("a.wasm")];
        assert_eq!(files.look(BTreeMap::new(), followed(), start).again, Some(start + GONE));
        files.look(found(1), followed(), start + GONE / 2);
        assert_eq!(files.look(BTreeMap::new(), followed(), start + GONE).gone, Vec::<PathBuf>::new(), "it was there meanwhile");
        for _ in 0..2 {
            assert_eq!(files.look(BTreeMap::new(), followed(), start + GONE * 2).gone, followed(), "as long as it is followed");
        }
        assert_eq!(files.look(BTreeMap::new(), vec![], start + GONE * 3), Look::default());
    }
}
