//! Rotations, whole and cut off after each step.

use super::*;
use crate::vault::status::{self, Status};
use crate::vault::{Vault, wrapped};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;

struct Place {
    home: tempfile::TempDir,
    secret: String,
}

impl Place {
    /// A vault with a secret in it, and a key file.
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut place = Self { home, secret: String::new() };
        place.secret = place.open(None).unwrap().encrypt("record", "/path", "hunter2").unwrap();
        place
    }

    /// One whose key is in the environment.
    fn in_env(key: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut place = Self { home, secret: String::new() };
        place.secret = place.open(Some(key)).unwrap().encrypt("record", "/path", "hunter2").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn key(&self) -> String {
        fs::read_to_string(self.path("keys/master.key")).unwrap().trim().to_owned()
    }

    fn location(&self, from_env: Option<&str>) -> Location {
        Location::new(&self.path("data"), &self.path("keys/master.key"), from_env.map(str::to_owned))
    }

    fn open(&self, from_env: Option<&str>) -> Result<Vault, VaultError> {
        Vault::open(&self.path("data"), &self.path("keys/master.key"), from_env.map(str::to_owned))
    }

    fn begin(&self) -> Rotation {
        Rotation::begin(self.location(None)).unwrap()
    }

    fn status(&self, from_env: Option<&str>) -> Status {
        status::read(&self.location(from_env)).unwrap()
    }

    #[track_caller]
    fn assert_opens(&self, from_env: Option<&str>) {
        let vault = self.open(from_env).unwrap();
        assert_eq!(*vault.decrypt("record", "/path", &self.secret).unwrap(), "hunter2");
    }

    #[track_caller]
    fn assert_refused(&self, key: &str) {
        let error = self.open(Some(key)).unwrap_err();
        assert!(matches!(error, VaultError::WrongKey { .. }), "{error}");
        assert!(!error.to_string().contains(key), "{error}");
    }
}

fn given(key: &str) -> Option<NewKey> {
    Some(NewKey::parse(key.to_owned(), "a test").unwrap())
}

type Step = fn(&mut Rotation) -> Result<(), VaultError>;

/// Does so many steps of a rotation.
fn cut_off_after(place: &Place, steps: usize) {
    let mut rotation = place.begin();
    let all: [Step; 4] = [Rotation::make_key, Rotation::wrap_both, Rotation::switch_key_file, Rotation::drop_old];
    all.iter().take(steps).for_each(|step| step(&mut rotation).unwrap());
}

const STAGES: [Stage; 5] = [Stage::Idle, Stage::KeyMade, Stage::BothOpen, Stage::Switched, Stage::Idle];

#[test]
fn whatever_step_it_is_cut_off_after_the_key_file_opens_the_vault_and_another_rotation_finishes_it() {
    for (steps, stage) in STAGES.into_iter().enumerate() {
        for again in [run, finish] {
            let place = Place::new();
            let old = place.key();
            cut_off_after(&place, steps);
            place.assert_opens(None);
            assert_eq!(place.status(None).stage, Some(stage), "{steps}");
            assert_eq!(place.begin().stage(), stage, "{steps}");
            if steps < 4 {
                place.assert_opens(Some(&old));
            } else {
                place.assert_refused(&old);
            }
            let next = (1..3).contains(&steps).then(|| fs::read_to_string(place.path("keys/master.key.next")).unwrap());
            let before = place.key();
            let outcome = again(place.location(None), None).unwrap();
            place.assert_opens(None);
            if stage == Stage::Idle && matches!(outcome, Outcome::NothingToFinish { .. }) {
                assert_eq!(place.key(), before);
                continue;
            }
            assert!(matches!(outcome, Outcome::Rotated { .. }), "{steps}: {outcome:?}");
            place.assert_refused(&old);
            assert_eq!(steps == 3, place.key() == before, "what was begun is finished, and nothing more");
            if let Some(next) = next {
                assert_eq!(place.key(), next.trim());
            }
            assert_eq!(place.status(None).stage, Some(Stage::Idle));
            let mut files: Vec<_> = fs::read_dir(place.path("keys")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            files.sort();
            assert_eq!(files, ["master.key"], "the old key is kept nowhere");
        }
    }
}

#[test]
fn a_write_that_was_cut_off_is_no_obstacle() {
    for steps in 0..4 {
        let place = Place::new();
        cut_off_after(&place, steps);
        for file in ["data/vault.new", "keys/master.key.new"] {
            fs::write(place.path(file), "{\"ver").unwrap();
        }
        place.assert_opens(None);
        run(place.location(None), None).unwrap();
        place.assert_opens(None);
    }
}

#[test]
fn a_given_key_is_the_new_one() {
    let place = Place::new();
    let old = place.key();
    let new = STANDARD.encode([7; 32]);
    let error = run(place.location(None), given(&old)).unwrap_err();
    assert!(matches!(error, VaultError::SameKey(_)), "{error}");
    run(place.location(None), given(&new)).unwrap();
    assert_eq!(place.key(), new);
    place.assert_opens(Some(&"07".repeat(32)));
    place.assert_refused(&old);
}

#[test]
fn a_key_given_while_another_waits_takes_its_place_only_if_nothing_opens_with_that() {
    let (one, other) = ("11".repeat(32), "22".repeat(32));
    let place = Place::new();
    Rotation::begin(place.location(None)).unwrap().make_key().unwrap();
    run(place.location(None), given(&one)).unwrap();
    place.assert_opens(Some(&one));
    for steps in [2, 3] {
        let place = Place::new();
        cut_off_after(&place, steps);
        let error = run(place.location(None), given(&other)).unwrap_err();
        assert!(matches!(error, VaultError::OtherRotation { .. }), "{error}");
        assert!(!error.to_string().contains(&other), "{error}");
        place.assert_opens(None);
        run(place.location(None), None).unwrap();
    }
}

#[test]
fn a_new_key_that_was_lost_can_be_given_or_given_up() {
    let place = Place::new();
    let old = place.key();
    cut_off_after(&place, 2);
    let next = place.path("keys/master.key.next");
    let lost = fs::read_to_string(&next).unwrap();
    fs::remove_file(&next).unwrap();
    let error = run(place.location(None), None).unwrap_err();
    assert!(matches!(error, VaultError::NewKeyLost { .. }) && error.to_string().contains("--cancel"), "{error}");
    place.assert_opens(None);
    run(place.location(None), given(&lost)).unwrap();
    assert_eq!(place.key(), lost.trim());

    for (steps, stage) in STAGES.into_iter().enumerate().take(3) {
        let place = Place::new();
        let old = place.key();
        cut_off_after(&place, steps);
        let outcome = cancel(place.location(None)).unwrap();
        assert_eq!(matches!(outcome, Outcome::NothingToFinish { .. }), stage == Stage::Idle);
        assert_eq!((place.key(), place.status(None).stage), (old, Some(Stage::Idle)));
        assert_eq!(place.status(None).opens_with.len(), 1);
        place.assert_opens(None);
        assert!(!place.path("keys/master.key.next").exists());
    }
    place.assert_refused(&old);
    cut_off_after(&place, 3);
    assert!(matches!(cancel(place.location(None)), Err(VaultError::TooLateToCancel(_))));
}

#[test]
fn with_the_key_in_the_environment_the_operator_switches() {
    let (old, new, other) = ("aa".repeat(32), "bb".repeat(32), "cc".repeat(32));
    let place = Place::in_env(&old);
    for _ in 0..2 {
        let outcome = run(place.location(Some(&old)), given(&new)).unwrap();
        assert!(matches!(outcome, Outcome::Prepared { key_file: None, .. }), "{outcome:?}");
    }
    assert!(!place.path("keys").exists(), "a given key is not written anywhere");
    place.assert_opens(Some(&old));
    place.assert_opens(Some(&new));
    place.assert_refused(&other);
    let error = finish(place.location(Some(&old)), None).unwrap_err();
    assert!(matches!(error, VaultError::OldKeyInForce { .. }), "{error}");
    let error = run(place.location(Some(&old)), given(&other)).unwrap_err();
    assert!(matches!(error, VaultError::OtherRotation { .. }), "{error}");
    assert!(matches!(run(place.location(Some(&new)), None).unwrap(), Outcome::ReadyToFinish { .. }));
    assert!(matches!(finish(place.location(Some(&new)), None).unwrap(), Outcome::Rotated { .. }));
    place.assert_opens(Some(&new));
    place.assert_refused(&old);
    assert!(matches!(finish(place.location(Some(&new)), None).unwrap(), Outcome::NothingToFinish { .. }));
}

#[test]
fn a_key_made_for_the_environment_is_written_once_and_never_lost() {
    let old = "aa".repeat(32);
    let place = Place::in_env(&old);
    let mut made = Vec::new();
    for _ in 0..2 {
        let outcome = run(place.location(Some(&old)), None).unwrap();
        let Outcome::Prepared { key_file: Some(path), .. } = outcome else { panic!("{outcome:?}") };
        made.push(fs::read_to_string(path).unwrap());
    }
    assert_eq!(made[0], made[1]);
    finish(place.location(Some(&made[0])), None).unwrap();
    place.assert_opens(Some(&made[0]));
    let error = run(place.location(Some(&made[0])), None).unwrap_err();
    assert!(matches!(error, VaultError::LeftOver(_)), "{error}");
    assert_eq!(fs::read_to_string(place.path("keys/master.key.generated")).unwrap(), made[0]);

    let place = Place::in_env(&old);
    Rotation::begin(place.location(Some(&old))).unwrap().make_key().unwrap();
    place.assert_opens(Some(&old));
    let generated = place.path("keys/master.key.generated");
    assert!(matches!(run(place.location(Some(&old)), None), Err(VaultError::LeftOver(_))));
    let outcome = run(place.location(Some(&old)), Some(NewKey::read(&generated).unwrap())).unwrap();
    assert!(matches!(outcome, Outcome::Prepared { key_file: Some(_), .. }), "{outcome:?}");
}

#[test]
fn a_key_file_that_only_the_operator_can_replace_is_replaced_by_hand() {
    let place = Place::new();
    let old = place.key();
    let new = "dd".repeat(32);
    run(place.location(Some(&old)), given(&new)).unwrap();
    place.assert_opens(None);
    fs::write(place.path("keys/master.key"), &new).unwrap();
    place.assert_opens(None);
    assert!(matches!(finish(place.location(None), None).unwrap(), Outcome::Rotated { .. }));
    place.assert_refused(&old);

    cut_off_after(&place, 2);
    fs::copy(place.path("keys/master.key.next"), place.path("keys/master.key")).unwrap();
    run(place.location(None), None).unwrap();
    place.assert_opens(None);
    assert!(!place.path("keys/master.key.next").exists());
}

#[test]
fn a_vault_of_version_1_opens_and_is_rotated() {
    let place = Place::new();
    let path = place.path("data/vault");
    let text: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let old = serde_json::json!({ "version": 1, "dataKey": text["wrappings"][0]["dataKey"] });
    fs::write(&path, old.to_string()).unwrap();
    place.assert_opens(None);
    assert!(place.status(None).opens_with[0].found.is_some());
    let stranger = place.status(Some(&"ee".repeat(32)));
    assert_eq!((stranger.opens_with[0].fingerprint.as_ref(), stranger.stage), (None, None));
    place.assert_refused(&"ee".repeat(32));
    for steps in 0..4 {
        fs::write(&path, old.to_string()).unwrap();
        fs::remove_file(place.path("keys/master.key.next")).ok();
        cut_off_after(&place, steps.min(2));
        place.assert_opens(None);
    }
    run(place.location(None), None).unwrap();
    place.assert_opens(None);
}

#[test]
fn a_vault_that_is_no_vault_is_said_to_be_damaged() {
    let place = Place::new();
    let wrapping = serde_json::json!({ "masterKey": "00", "dataKey": "AAAA" });
    for (bad, text) in [
        ("{".to_owned(), "EOF"),
        (serde_json::json!({ "version": 3 }).to_string(), "version is 3"),
        (serde_json::json!({ "version": 2, "wrappings": [] }).to_string(), "0 keys"),
        (serde_json::json!({ "version": 2, "wrappings": [wrapping, wrapping, wrapping] }).to_string(), "3 keys"),
    ] {
        fs::write(place.path("data/vault"), bad).unwrap();
        for error in [place.open(None).unwrap_err(), run(place.location(None), None).unwrap_err()] {
            assert!(matches!(error, VaultError::Damaged(..)) && error.to_string().contains(text), "{error}");
        }
    }
    fs::remove_file(place.path("data/vault")).unwrap();
    assert!(matches!(run(place.location(None), None), Err(VaultError::NoVault(_))));
    assert!(!place.path("data/vault").exists());
}

#[test]
fn there_is_one_rotation_at_a_time() {
    let place = Place::new();
    let rotation = place.begin();
    assert!(matches!(run(place.location(None), None), Err(VaultError::Busy(_))));
    place.assert_opens(None);
    drop(rotation);
    run(place.location(None), None).unwrap();
}

#[test]
fn whoever_opens_the_vault_during_rotations_is_never_refused() {
    let place = Place::new();
    std::thread::scope(|scope| {
        let rotations = scope.spawn(|| (0..60).for_each(|_| drop(run(place.location(None), None).unwrap())));
        while !rotations.is_finished() {
            place.assert_opens(None);
        }
    });
}

#[test]
fn a_wrong_key_rotates_nothing() {
    let place = Place::new();
    let before = fs::read(place.path("data/vault")).unwrap();
    let wrong = "ff".repeat(32);
    for attempt in [
        run(place.location(Some(&wrong)), None),
        finish(place.location(Some(&wrong)), None),
        cancel(place.location(Some(&wrong))),
    ] {
        assert!(matches!(attempt, Err(VaultError::WrongKey { .. })));
    }
    assert_eq!(fs::read(place.path("data/vault")).unwrap(), before);
    fs::remove_file(place.path("keys/master.key")).unwrap();
    assert!(matches!(run(place.location(None), None), Err(VaultError::MissingKey { .. })));
}

#[cfg(unix)]
#[test]
fn the_files_stay_with_whom_they_belong_to_and_a_link_stays_a_link() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
    let place = Place::new();
    let (key, vault) = (place.path("keys/master.key"), place.path("data/vault"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    // Only root can give files away.
    let owner = if chown(&key, Some(1234), Some(1235)).is_ok() { (1234, 1235) } else { own(&key) };
    chown(&vault, Some(owner.0), Some(owner.1)).unwrap();
    let link = place.path("link");
    symlink(&key, &link).unwrap();
    let location = || Location::new(&place.path("data"), &link, None);
    let mut rotation = Rotation::begin(location()).unwrap();
    rotation.make_key().unwrap();
    let next = place.path("keys/master.key.next");
    assert_eq!((own(&next), fs::metadata(&next).unwrap().mode() & 0o777), (owner, 0o600));
    drop(rotation);
    run(location(), None).unwrap();
    assert_eq!((own(&key), fs::metadata(&key).unwrap().mode() & 0o777), (owner, 0o640));
    assert_eq!((own(&vault), own(&place.path("data/vault.lock"))), (owner, owner));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    place.assert_opens(None);

    fn own(path: &Path) -> (u32, u32) {
        let metadata = fs::metadata(path).unwrap();
        (metadata.uid(), metadata.gid())
    }
}

#[test]
fn the_status_tells_which_keys_open_the_vault() {
    let place = Place::new();
    cut_off_after(&place, 2);
    let status = place.status(None);
    let found: Vec<_> = status.opens_with.iter().map(|opener| opener.found.clone().unwrap()).collect();
    assert!(found[0].ends_with("master.key") && found[1].ends_with("master.key.next"), "{found:?}");
    assert_eq!(status.key, status.opens_with[0].fingerprint);
    assert_eq!(status.vault, wrapped::path(&place.path("data")));
    fs::remove_file(place.path("keys/master.key")).unwrap();
    let status = place.status(None);
    assert_eq!((status.key, status.stage), (None, None));
    assert!(status.opens_with.iter().all(|opener| opener.fingerprint.is_some()));
}
