//! Files that a disk has changed: everything that was acknowledged is there, or the opening is refused and changes nothing.

use crate::*;
use postern_store::{Error, EventFilter, PageRequest};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

on_both_engines!(
    a_changed_byte_is_refused_or_takes_nothing,
    a_file_that_was_cut_or_is_gone_is_refused,
    a_loss_can_be_accepted,
    an_older_file_in_place_of_the_newest_is_refused,
    a_store_without_its_watermark_opens,
    what_a_killed_process_left_opens,
);

/// A store that was closed, or whose process was killed, and what it acknowledged.
struct Left {
    place: Place,
    events: Vec<NewEvent>,
    /// The content of its files.
    files: BTreeMap<PathBuf, Vec<u8>>,
}

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    found
}

fn engine_file(place: &Place) -> PathBuf {
    let name = if place.engine == Engine::Sled { "sled/db" } else { "redb/postern.redb" };
    place.options().directory.join(name)
}

impl Left {
    /// Some events; one that has run twice, so that parts of its files are used again. Killed: its files are taken while
    /// it is open, as a kill leaves them.
    async fn new(place: Place, killed: bool) -> Self {
        let mut events = Vec::new();
        let mut store = place.open();
        for n in 0..240 {
            if n == 120 {
                store.close().await;
                store = place.open();
            }
            let new = new_event(n % 3, 200 + n * 67 % 9000);
            store.ingest(new.clone()).await.unwrap();
            events.push(new);
            let claims = claim_all(&store).await;
            let some: Vec<_> = claims.iter().filter(|_| n % 4 != 0).map(|claim| finish(claim, success())).collect();
            store.finish(&some).await.unwrap();
            store.release(claims.iter().filter(|_| n % 4 == 0).map(|claim| claim.claim).collect()).await.unwrap();
        }
        let files = match killed {
            true => files(&place.options().directory),
            false => {
                store.close().await;
                files(&place.options().directory)
            }
        };
        drop(store);
        let left = Self { place, events, files };
        left.restore();
        left
    }

    fn restore(&self) {
        let directory = self.place.options().directory;
        fs::remove_dir_all(&directory).unwrap();
        for (path, content) in &self.files {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    /// Opens the store; answers whether it was refused. Otherwise everything must be there, or be reported when it is read.
    async fn is_refused(&self, what: &str) -> bool {
        let before = files(&self.place.options().directory);
        let store = match Embedded::open(self.place.options()) {
            Ok(store) => store,
            Err(Error::Lost { .. }) => {
                assert!(files(&self.place.options().directory) == before, "{what}: a file was changed");
                return true;
            }
            Err(error) => panic!("{what}: {error}"),
        };
        for new in &self.events {
            let (event, deliveries) =
                store.event(new.event.id).await.unwrap().unwrap_or_else(|| panic!("{what}: an event is gone"));
            assert_eq!((&event, deliveries.len()), (&new.event, new.routes.len()), "{what}");
        }
        let mut page = PageRequest { limit: 100, after: None };
        let mut listed = 0;
        loop {
            let found = store.list_events(EventFilter::default(), page).await.unwrap();
            listed += found.items.len();
            let Some(next) = found.next else { break };
            page = PageRequest { limit: 100, after: Some(next) };
        }
        assert_eq!(listed, self.events.len(), "{what}");
        store.close().await;
        false
    }

    async fn flip(&self, offset: usize, bit: u8) -> bool {
        let path = engine_file(&self.place);
        let mut content = self.files[&path].clone();
        content[offset] ^= 1 << bit;
        fs::write(&path, &content).unwrap();
        let refused = self.is_refused(&format!("bit {bit} of byte {offset} of {}", content.len())).await;
        self.restore();
        refused
    }
}

async fn a_changed_byte_is_refused_or_takes_nothing(place: Place) {
    for killed in [false, true] {
        let left = Left::new(Place::new(place.engine), killed).await;
        let path = engine_file(&left.place);
        let content = &left.files[&path];
        let find = |new: &NewEvent| {
            let id = new.event.id.to_bytes();
            // redb has the key as it is, sled what it does not share with its neighbours.
            let wanted = id.map(|byte| !byte);
            (0..content.len() - 6).rev().find(|at| content[*at..].starts_with(&wanted[10..]))
        };
        let mut refused = 0;
        let mut places: Vec<usize> = (0..12).map(|n| n * content.len() / 12 + 40).collect();
        places.extend([&left.events[0], &left.events[120], &left.events[239]].into_iter().filter_map(find));
        for offset in places.iter().copied() {
            refused += usize::from(left.flip(offset, 4).await);
        }
        // Not all that is in the files belongs to something.
        assert!(refused >= 3, "{refused} of {}", places.len());
    }
}

async fn a_file_that_was_cut_or_is_gone_is_refused(place: Place) {
    for killed in [false, true] {
        let left = Left::new(Place::new(place.engine), killed).await;
        let path = engine_file(&left.place);
        let content = &left.files[&path];
        for length in [0, 10, content.len() / 4, content.len() / 2, content.len() - 300_000] {
            fs::write(&path, &content[..length]).unwrap();
            assert!(left.is_refused(&format!("cut to {length} of {}", content.len())).await, "{length}");
            left.restore();
        }
        fs::remove_file(&path).unwrap();
        assert!(left.is_refused("no file").await);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        assert!(left.is_refused("no directory").await);
    }
}

async fn a_loss_can_be_accepted(place: Place) {
    let left = Left::new(place, false).await;
    let path = engine_file(&left.place);
    fs::remove_file(&path).unwrap();
    let message = Embedded::open(left.place.options()).unwrap_err().to_string();
    for text in
        [path.to_str().unwrap(), "missing", "store export --force", "serve --accept-loss", "backup", "nothing in it was changed"]
    {
        assert!(message.contains(text), "`{text}`: {message}");
    }
    if left.place.engine == Engine::Sled {
        // Its snapshot speaks of what is not there; sled gives up on that.
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
    let mut options = left.place.options();
    options.accept_loss = true;
    let store = Embedded::open(options).unwrap();
    let new = ingest(&store, 1).await;
    store.close().await;
    let store = left.place.open();
    assert!(store.event(new.event.id).await.unwrap().is_some());
    assert_eq!(store.backlog().unfinished, 1);
}

async fn an_older_file_in_place_of_the_newest_is_refused(place: Place) {
    let left = Left::new(place, false).await;
    let store = left.place.open();
    for _ in 0..9 {
        ingest(&store, 1).await;
    }
    store.close().await;
    for (path, content) in left.files.iter().filter(|(path, _)| path.extension().is_none_or(|ending| ending != "watermark")) {
        fs::write(path, content).unwrap();
    }
    let engine = engine_file(&left.place).parent().unwrap().to_owned();
    for path in files(&engine).into_keys().filter(|path| !left.files.contains_key(path)) {
        fs::remove_file(path).unwrap();
    }
    assert!(matches!(Embedded::open(left.place.options()), Err(Error::Lost { .. })));
}

async fn a_store_without_its_watermark_opens(place: Place) {
    let left = Left::new(place, true).await;
    let engine = engine_file(&left.place).parent().unwrap().to_owned();
    let watermark = engine.with_extension("watermark");
    for content in [None, Some(&b""[..]), Some(b"00000000000000000001 00000000\n")] {
        match content {
            Some(content) => fs::write(&watermark, content).unwrap(),
            None => fs::remove_file(&watermark).unwrap(),
        }
        assert!(!left.is_refused("no watermark").await);
        assert_eq!(fs::read(&watermark).unwrap().len(), left.files[&watermark].len());
        left.restore();
    }
}

async fn what_a_killed_process_left_opens(place: Place) {
    let left = Left::new(place, true).await;
    assert!(!left.is_refused("killed").await);
    // And what it leaves when it is killed once more while it is open.
    for _ in 0..3 {
        let store = left.place.open();
        ingest(&store, 1).await;
        let files = files(&left.place.options().directory);
        drop(store);
        for (path, content) in files {
            fs::write(path, content).unwrap();
        }
        left.place.open().close().await;
    }
}

fn property(engine: Engine) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let left: Vec<Left> = [false, true].map(|killed| runtime.block_on(Left::new(Place::new(engine), killed))).into();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 40, ..ProptestConfig::default() });
    let flips = (any::<bool>(), any::<prop::sample::Index>(), 0u8..8);
    let result = runner.run(&flips, |(killed, place, bit)| {
        let left = &left[usize::from(killed)];
        let offset = place.index(left.files[&engine_file(&left.place)].len());
        runtime.block_on(left.flip(offset, bit));
        Ok(())
    });
    result.unwrap();
}

#[test]
fn any_changed_bit_is_refused_or_takes_nothing_on_sled() {
    property(Engine::Sled);
}

#[test]
fn any_changed_bit_is_refused_or_takes_nothing_on_redb() {
    property(Engine::Redb);
}
