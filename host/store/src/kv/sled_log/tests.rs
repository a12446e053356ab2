use super::*;
use crate::kv::sled::Sled;
use crate::kv::{Kv, Loss, Op, watermark};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

fn open(directory: &TempDir) -> Sled {
    Sled::open(&directory.path().join("sled"), 1 << 24, Loss::Refuse).unwrap()
}

fn stable_end(engine: &Path) -> u64 {
    match snapshot(engine).unwrap() {
        Snapshot::Until(end) => end,
        Snapshot::None => 0,
        Snapshot::Damaged(path) => panic!("{path:?}"),
    }
}

fn log(directory: &TempDir) -> PathBuf {
    directory.path().join("sled/db")
}

/// What is wrong, with the watermark and without it.
fn judge(directory: &TempDir) -> Vec<Damage> {
    let engine = directory.path().join("sled");
    let (stable, durable) = (stable_end(&engine), watermark::read(&engine).unwrap());
    let known = damage(&log(directory), stable, durable).unwrap();
    [known, damage(&log(directory), stable, None).unwrap()].concat()
}

/// Commits that make, change and remove keys, so that segments are used again.
fn fill(store: &Sled, rounds: u8, mut between: impl FnMut(u8)) {
    for round in 0..rounds {
        let put = |n: u8| Op::Put(vec![b'k', n, round % 5], vec![round ^ n; 3000]);
        let delete = |n: u8| Op::Delete(vec![b'k', n, (round + 1) % 5]);
        store.commit((0..10).map(put).chain((0..3).map(delete)).collect()).unwrap();
        between(round);
    }
}

#[test]
fn a_sound_log_has_no_damage_however_it_is_left() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(snapshot(directory.path()).unwrap(), Snapshot::None);
    for round in 0..6 {
        let store = open(&directory);
        assert_eq!(judge(&directory), [], "after sled has marked the end, {round}");
        fill(&store, 25, |_| {});
        drop(store);
        assert_eq!(judge(&directory), [], "{round}");
    }
    assert!(fs::metadata(log(&directory)).unwrap().len() > 3 * STEP);
}

#[test]
fn while_it_is_written_it_has_none_either() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let store = open(&directory);
        fill(&store, 60, |round| assert_eq!(judge(&directory), [], "{round}"));
    }
}

#[test]
fn whatever_is_changed_before_the_end_is_found_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    fill(&open(&directory), 60, |_| {});
    let engine = directory.path().join("sled");
    let (stable, durable) = (stable_end(&engine), watermark::read(&engine).unwrap());
    let bytes = fs::read(log(&directory)).unwrap();
    let changed = directory.path().join("changed");
    let mut found = 0;
    for place in (0..bytes.len()).step_by(9973) {
        let mut copy = bytes.clone();
        copy[place] ^= 0x10;
        fs::write(&changed, &copy).unwrap();
        // What is behind the end of a segment's messages is nobody's.
        if let Some(first) = damage(&changed, stable, durable).unwrap().first() {
            let offset = first.offset.unwrap();
            assert!(offset <= place as u64 && place as u64 - offset < 200 << 10, "{first:?} {place}");
            found += 1;
        }
    }
    assert!(found > bytes.len() / 9973 / 2, "{found}");
}

#[test]
fn an_end_that_was_cut_off_is_damage_only_if_it_was_durable() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    let engine = directory.path().join("sled");
    let mut ends = Vec::new();
    // One segment is not filled.
    fill(&store, 4, |_| ends.push(watermark::read(&engine).unwrap().unwrap()));
    drop(store);
    assert!(ends.is_sorted() && ends[3] < STEP, "{ends:?}");
    let bytes = fs::read(log(&directory)).unwrap();
    let cut = directory.path().join("cut");
    for length in [ends[1] as usize, ends[1] as usize + 700, ends[2] as usize - 1] {
        fs::write(&cut, &bytes[..length]).unwrap();
        assert_eq!(damage(&cut, 0, Some(ends[1])).unwrap(), []);
        let found = damage(&cut, 0, Some(ends[2])).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].offset.is_some_and(|offset| offset >= ends[1] && offset < ends[2]), "{found:?}");
    }
}

#[test]
fn a_part_that_is_gone_between_two_segments_is_noticed_if_something_was_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    for round in 0..120u8 {
        store.commit((0..10).map(|n| Op::Put(vec![round, n], vec![round ^ n; 5000])).collect()).unwrap();
    }
    drop(store);
    let engine = directory.path().join("sled");
    let durable = watermark::read(&engine).unwrap();
    let bytes = fs::read(log(&directory)).unwrap();
    let mut noticed = 0;
    for segment in 0..bytes.len() / SEGMENT {
        let changed = tempfile::tempdir().unwrap();
        let path = changed.path().join("sled");
        fs::create_dir(&path).unwrap();
        fs::copy(engine.join("conf"), path.join("conf")).unwrap();
        let mut copy = bytes.clone();
        copy[segment * SEGMENT..(segment + 1) * SEGMENT].fill(0);
        fs::write(path.join("db"), &copy).unwrap();
        if damage(&path.join("db"), 0, durable).unwrap().is_empty() {
            let store = open(&changed);
            let gone = (0..120u8).filter(|round| (0..10).any(|n| store.get(&[*round, n]).unwrap().is_none())).count();
            assert_eq!(gone, 0, "{segment}");
        } else {
            noticed += 1;
        }
    }
    assert!(noticed > 3, "{noticed}");
    assert_eq!(damage(&directory.path().join("none"), 0, durable).unwrap().len(), 1);
    assert_eq!(damage(&directory.path().join("none"), 0, None).unwrap(), []);
}
