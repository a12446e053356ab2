//! What an export holds besides the store's records, and that nothing changes on the way.

use crate::*;
use postern_store::transfer::{COMPONENTS, TransferError};
use postern_store::vault::Vault;
use postern_store::{Change, Expect, Kind};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

on_both_engines!(
    the_vault_and_the_components_come_along,
    a_file_that_is_not_what_it_says_is_refused_and_leaves_nothing,
    damaged_files_are_left_out_and_counted,
    an_import_never_replaces_a_vault,
    whatever_is_stored_comes_out_the_same_after_an_import,
);

fn exported(store: &Embedded) -> String {
    let mut bytes = Vec::new();
    tokio::task::block_in_place(|| store.export(&mut bytes)).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn import(store: &Embedded, text: &str) -> Result<(), TransferError> {
    tokio::task::block_in_place(|| store.import(&mut text.as_bytes())).map(drop)
}

fn other(place: &Place) -> Place {
    Place::new(if place.engine == Engine::Sled { Engine::Redb } else { Engine::Sled })
}

fn data(place: &Place) -> PathBuf {
    place.options().directory
}

fn key_file(place: &Place) -> PathBuf {
    place.directory.path().join("master-key")
}

fn vault(place: &Place) -> Vault {
    Vault::open(&data(place), &key_file(place), None).unwrap()
}

/// Puts a component where the host keeps those that were added.
fn keep_component(directory: &Path, content: &[u8]) -> PathBuf {
    let digest: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    let path = directory.join(COMPONENTS).join(format!("{digest}.wasm"));
    fs::create_dir_all(directory.join(COMPONENTS)).unwrap();
    fs::write(&path, content).unwrap();
    path
}

/// The names of the files beside the store.
fn beside(place: &Place) -> Vec<String> {
    let mut names = Vec::new();
    for folder in [data(place), data(place).join(COMPONENTS)] {
        let entries = fs::read_dir(folder).into_iter().flatten();
        names.extend(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
    }
    let of_store = ["engine", "lock", "sled", "redb", "sled.watermark", "redb.watermark"];
    names.retain(|name| !of_store.contains(&name.as_str()));
    names.sort();
    names
}

async fn the_vault_and_the_components_come_along(place: Place) {
    let (store, target) = (place.open(), other(&place));
    let secret = vault(&place).encrypt("record", "/path", "hunter2").unwrap();
    keep_component(&data(&place), b"one");
    keep_component(&data(&place), &[0xff; 100_000]);
    fs::write(data(&place).join(COMPONENTS).join("half.new"), b"no component").unwrap();
    let text = exported(&store);
    let moved = target.open();
    import(&moved, &text).unwrap();
    assert!(exported(&moved) == text);
    assert_eq!(beside(&target).len(), 4, "{:?}", beside(&target));
    fs::copy(key_file(&place), key_file(&target)).unwrap();
    assert_eq!(*vault(&target).decrypt("record", "/path", &secret).unwrap(), "hunter2");
    let key = fs::read_to_string(key_file(&place)).unwrap();
    assert!(!text.contains(key.trim()) && !text.contains("hunter2"));
}

async fn a_file_that_is_not_what_it_says_is_refused_and_leaves_nothing(place: Place) {
    let store = place.open();
    vault(&place);
    keep_component(&data(&place), b"one");
    keep_component(&data(&place), b"two");
    let text = exported(&store);
    let digest = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["component"]["digest"].to_string();
    let components: Vec<&str> = text.lines().filter(|line| line.contains("component\":")).collect();
    let (first, second) = (digest(components[0]), digest(components[1]));
    let vault = text.lines().nth(1).unwrap();
    let target = other(&place);
    let moved = target.open();
    for (bad, line, expected) in [
        (text.replace(&first, &second), 3, "does not have the digest"),
        (text.replace(&first, "\"../../../etc/passwd\""), 3, "64 hexadecimal digits"),
        (text.replace(&first, &first.to_uppercase()), 3, "64 hexadecimal digits"),
        (text.replace("b25l", "b25").replace("dHdv", "dHd"), 3, "its content"),
        (text.replace(&format!("{}\n", components[1]), ""), 4, "missing"),
        (text.replace(components[1], components[0]), 4, "twice"),
        (text.replace(components[1], vault), 4, "twice"),
        (text.replace("wrappings", "trappings"), 2, "no vault"),
    ] {
        let error = import(&moved, &bad).unwrap_err();
        assert!(matches!(error, TransferError::Line { line: at, .. } if at == line), "{expected}: {error}");
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert_eq!(beside(&target), Vec::<String>::new(), "{expected}");
    }
    import(&moved, &text).unwrap();
}

async fn damaged_files_are_left_out_and_counted(place: Place) {
    let store = place.open();
    vault(&place);
    keep_component(&data(&place), b"one");
    fs::write(keep_component(&data(&place), b"two"), b"changed").unwrap();
    let counts = tokio::task::block_in_place(|| store.export(&mut Vec::new())).unwrap();
    assert_eq!((counts.vault, counts.components, counts.damaged), (true, 1, 1));
    fs::write(data(&place).join("vault"), b"{").unwrap();
    let counts = tokio::task::block_in_place(|| store.export(&mut Vec::new())).unwrap();
    assert_eq!((counts.vault, counts.components, counts.damaged), (false, 1, 2));
    let target = other(&place);
    import(&target.open(), &exported(&store)).unwrap();
}

async fn an_import_never_replaces_a_vault(place: Place) {
    let store = place.open();
    vault(&place);
    let text = exported(&store);
    let target = other(&place);
    let moved = target.open();
    vault(&target);
    let before = fs::read(data(&target).join("vault")).unwrap();
    assert!(matches!(import(&moved, &text), Err(TransferError::NotEmpty)));
    assert_eq!(fs::read(data(&target).join("vault")).unwrap(), before);
}

/// Something that is done to a store.
#[derive(Clone, Debug)]
enum Act {
    Ingest { routes: usize, payload: String },
    Attempt { state: u8, body: usize },
    Put { kind: usize, id: String, body: String },
    Component(Vec<u8>),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..4usize, any::<String>()).prop_map(|(routes, payload)| Act::Ingest { routes, payload }),
        (0..3u8, 0..9000usize).prop_map(|(state, body)| Act::Attempt { state, body }),
        (0..Kind::ALL.len(), "[a-c\\x00]{1,3}", any::<String>()).prop_map(|(kind, id, body)| Act::Put { kind, id, body }),
        proptest::collection::vec(any::<u8>(), 0..64).prop_map(Act::Component),
    ]
}

async fn perform(store: &Embedded, directory: &Path, act: Act) {
    match act {
        Act::Ingest { routes, payload } => {
            let mut new = new_event(routes, 0);
            Arc::get_mut(&mut new.event).unwrap().payload = Json::parse(serde_json::to_string(&payload).unwrap()).unwrap();
            store.ingest(new).await.unwrap();
        }
        Act::Attempt { state, body } => {
            let state = [success(), failed(), retrying(now())][usize::from(state)].clone();
            let mut claims = claim_all(store).await;
            let rest = claims.split_off(claims.len().min(1));
            store.release(rest.into_iter().map(|claim| claim.claim).collect()).await.unwrap();
            for claim in claims {
                let step = step(claim.attempts + 1, state.clone(), body);
                store
                    .finish(&[Finish { claim: claim.claim, id: claim.id, route: claim.route, step, hold: false }])
                    .await
                    .unwrap();
            }
        }
        Act::Put { kind, id, body } => {
            let change = Change { kind: Kind::ALL[kind], id, expect: Expect::Anything, body: Some(body) };
            store.apply(vec![change]).await.unwrap();
        }
        Act::Component(content) => drop(keep_component(directory, &content)),
    }
}

async fn whatever_is_stored_comes_out_the_same_after_an_import(place: Place) {
    let engine = place.engine;
    let handle = tokio::runtime::Handle::current();
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 12, failure_persistence: None, ..Config::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let round = |acts: Vec<Act>| {
        handle.block_on(async {
            let place = Place::new(engine);
            let store = place.open();
            for act in acts {
                perform(&store, &data(&place), act).await;
            }
            let text = exported(&store);
            let left = unfinished(&store);
            let moved_to = other(&place);
            let moved = moved_to.open();
            import(&moved, &text).unwrap();
            prop_assert!(exported(&moved) == text);
            prop_assert_eq!(unfinished(&moved), left);
            let checked = tokio::task::block_in_place(|| moved.check()).unwrap();
            prop_assert_eq!(checked.problems, vec![]);
            Ok(())
        })
    };
    tokio::task::block_in_place(|| runner.run(&proptest::collection::vec(act(), 0..25), round)).unwrap();
}
