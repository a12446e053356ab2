//! The master key is rotated while the daemon serves, and after each crash in the middle.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_tests::chat::builder;
use postern_tests::daemon::{Printed, run};
use postern_tests::launch::postern;
use postern_tests::{Daemon, Engine, Receiver, on_each_engine};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::delivery::arrival::{signing_secret, verifies};

const CHAT_TOKEN: &str = "t0ken-of-the-chat";

on_each_engine!(
    deliveries_go_on_while_the_master_key_is_rotated_and_only_the_new_one_starts_the_daemon,
    a_rotation_that_was_cut_off_leaves_a_daemon_that_starts_and_is_finished_by_the_next,
);

/// A daemon with secrets in use.
struct Scene {
    daemon: Daemon,
    chat: Receiver,
    hook: Receiver,
    secret: String,
}

impl Scene {
    async fn on(engine: Engine) -> Self {
        let daemon = builder().engine(engine).start().await.with_chat().await;
        let (chat, hook) = (Receiver::start().await, Receiver::start().await);
        let secret = signing_secret(0x5a);
        let connection = daemon.connect(&chat, CHAT_TOKEN).await;
        daemon.subscribe_room(&connection, "ops").await;
        daemon.subscribe_webhook(json!({ "url": hook.url(), "signingSecret": secret })).await;
        Self { daemon, chat, hook, secret }
    }

    /// Emits, and checks that both secrets arrive as they must.
    async fn deliver(&mut self, title: &str) {
        let event = self.daemon.emit(title).await;
        for delivery in self.daemon.all_settled(&event).await {
            assert_eq!(delivery["status"], "success", "{delivery:#}");
        }
        assert!(verifies(&self.secret, &self.hook.next().await), "{title}");
        assert_eq!(self.chat.next().await.header("authorization"), format!("Bearer {CHAT_TOKEN}"), "{title}");
    }

    fn key_file(&self) -> PathBuf {
        self.daemon.data().join("master-key")
    }

    fn key(&self) -> String {
        fs::read_to_string(self.key_file()).unwrap().trim().to_owned()
    }

    /// Runs `postern secrets`, with the master key in the environment if one is named.
    async fn secrets(&self, arguments: &[&str], key: Option<&str>) -> Printed {
        let mut command = postern();
        command.arg("secrets").args(arguments).arg("--data").arg(self.daemon.data());
        if let Some(key) = key {
            command.env("POSTERN_MASTER_KEY", key).env("NEW_KEY", STANDARD.encode([9; 32]));
        }
        run(command).await
    }

    /// What it prints with `--json`, if it succeeds.
    async fn told(&self, arguments: &[&str], key: Option<&str>) -> Value {
        let printed = self.secrets(&[arguments, &["--json"]].concat(), key).await;
        assert!(printed.success && printed.stderr.is_empty(), "{arguments:?}: {printed:?}");
        serde_json::from_str(&printed.stdout).unwrap()
    }

    async fn refused(&self, arguments: &[&str], key: Option<&str>, texts: &[&str]) {
        let printed = self.secrets(arguments, key).await;
        assert_eq!(printed.code, Some(1), "{arguments:?}: {printed:?}");
        assert!(texts.iter().all(|text| printed.stderr.contains(text)), "{texts:?}: {printed:?}");
    }

    /// Checks that the daemon does not start with this key, and says why, and that nothing changes.
    async fn refuses_to_start_with(&mut self, key: &str) {
        let (right, vault) = (fs::read(self.key_file()).unwrap(), fs::read(self.daemon.data().join("vault")).unwrap());
        fs::write(self.key_file(), key).unwrap();
        let ended = self.daemon.try_restart().await.unwrap_err();
        assert_eq!(ended.status.code(), Some(1));
        for text in ["master key", "is not the one", "fingerprint", "nothing was changed"] {
            assert!(ended.stderr.contains(text), "`{text}`: {}", ended.stderr);
        }
        assert!(!ended.stderr.contains(key), "{}", ended.stderr);
        fs::write(self.key_file(), right).unwrap();
        assert_eq!(fs::read(self.daemon.data().join("vault")).unwrap(), vault);
    }
}

async fn deliveries_go_on_while_the_master_key_is_rotated_and_only_the_new_one_starts_the_daemon(engine: Engine) {
    let mut scene = Scene::on(engine).await;
    scene.deliver("Before").await;
    let mut keys = vec![scene.key()];
    let before = scene.told(&["status"], None).await;
    assert_eq!((&before["opens"], &before["unfinishedRotation"]), (&json!(true), &json!(false)));
    for round in 0..4 {
        // A delivery in flight, and one behind it.
        let (printed, ()) = tokio::join!(scene_rotate(&scene.daemon), emit_twice(&scene.daemon));
        assert!(printed.success && printed.stderr.is_empty(), "{printed:?}");
        for _ in 0..2 {
            assert!(verifies(&scene.secret, &scene.hook.next().await));
            scene.chat.next().await;
        }
        keys.push(scene.key());
        assert_ne!(keys[round], keys[round + 1]);
        assert!(keys.iter().all(|key| !printed.stdout.contains(key)), "{printed:?}");
        scene.deliver("Between").await;
    }
    let after = scene.told(&["status"], None).await;
    assert_eq!(after["opensWith"].as_array().unwrap().len(), 1);
    assert_ne!(after["key"], before["key"]);
    let connection = scene.daemon.connect(&scene.chat, CHAT_TOKEN).await;
    scene.daemon.subscribe_room(&connection, "made after the rotation").await;
    assert!(scene.daemon.terminate().await.status.success());
    scene.refuses_to_start_with(&keys[0].clone()).await;
    scene.refuses_to_start_with(&keys[3].clone()).await;
    scene.daemon.restart().await;
    scene.deliver("After a restart").await;
    assert_eq!(scene.chat.next().await.header("authorization"), format!("Bearer {CHAT_TOKEN}"), "saved after the rotation");
    let log = scene.daemon.stderr();
    assert!(keys.iter().all(|key| !log.contains(key)));
}

async fn scene_rotate(daemon: &Daemon) -> Printed {
    let mut command = postern();
    command.args(["secrets", "rotate", "--data"]).arg(daemon.data());
    run(command).await
}

async fn emit_twice(daemon: &Daemon) {
    for title in ["Meanwhile", "And again"] {
        daemon.emit(title).await;
    }
}

async fn a_rotation_that_was_cut_off_leaves_a_daemon_that_starts_and_is_finished_by_the_next(engine: Engine) {
    let mut scene = Scene::on(engine).await;
    let next = scene.daemon.data().join("master-key.next");
    for steps in 1..=3 {
        let (old, new) = (scene.key(), STANDARD.encode([steps; 32]));
        // What a rotation leaves that is killed after so many steps.
        fs::write(&next, &new).unwrap();
        fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
        if steps >= 2 {
            let file = next.to_str().unwrap();
            assert_eq!(scene.told(&["rotate", "--new-key-file", file], Some(&old)).await["outcome"], "prepared");
        }
        if steps >= 3 {
            fs::rename(&next, scene.key_file()).unwrap();
        }
        scene.daemon.kill_9();
        scene.daemon.restart().await;
        scene.deliver("Between two steps").await;
        assert_eq!(scene.told(&["status"], None).await["unfinishedRotation"], true);
        if steps >= 2 {
            assert!(scene.daemon.stderr().contains("postern secrets status"), "{}", scene.daemon.stderr());
            // Whichever of the two the operator puts there.
            for key in [&new, &old] {
                let kept = fs::read(scene.key_file()).unwrap();
                fs::write(scene.key_file(), key).unwrap();
                scene.daemon.kill_9();
                scene.daemon.restart().await;
                scene.deliver("With either").await;
                fs::write(scene.key_file(), kept).unwrap();
            }
        }
        assert_eq!(scene.told(&["rotate"], None).await["outcome"], "rotated");
        assert_eq!((scene.key(), next.exists()), (new, false), "what was begun is finished");
        scene.deliver("Finished").await;
        scene.daemon.kill_9();
        scene.refuses_to_start_with(&old).await;
        scene.daemon.restart().await;
        scene.deliver("Finished and restarted").await;
        assert_eq!(scene.told(&["status"], None).await["unfinishedRotation"], false);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_key_in_the_environment_the_operator_is_told_what_to_do() {
    let mut scene = Scene::on(Engine::Sled).await;
    let (old, new) = (scene.key(), STANDARD.encode([9; 32]));
    let rotate = ["rotate", "--new-key-env", "NEW_KEY"];
    let printed = scene.secrets(&rotate, Some(&old)).await;
    assert!(printed.success, "{printed:?}");
    for text in ["both master keys open the vault", "set POSTERN_MASTER_KEY", "postern secrets rotate --finish"] {
        assert!(printed.stdout.contains(text), "`{text}`: {printed:?}");
    }
    assert!(![&old, &new].into_iter().any(|key| printed.stdout.contains(key)), "{printed:?}");
    scene.refused(&["rotate", "--finish"], Some(&old), &["still holds the old master key"]).await;
    assert_eq!(scene.told(&["rotate"], Some(&new)).await["outcome"], "ready-to-finish");
    assert_eq!(scene.told(&["rotate", "--finish"], Some(&new)).await["outcome"], "rotated");
    assert_eq!(scene.told(&["rotate", "--finish"], Some(&new)).await["outcome"], "nothing-to-finish");
    scene.refused(&["status"], Some(&old), &["does not open the vault"]).await;
    scene.deliver("No restart").await;
    scene.daemon.kill_9();
    fs::write(scene.key_file(), &new).unwrap();
    scene.refuses_to_start_with(&old).await;
    scene.daemon.restart().await;
    scene.deliver("Restarted").await;

    let made = scene.told(&["rotate"], Some(&new)).await;
    let file = made["keyFile"].as_str().unwrap();
    let key = fs::read_to_string(file).unwrap();
    assert_eq!(scene.told(&["rotate", "--cancel"], Some(&new)).await["outcome"], "cancelled");
    scene.refused(&["rotate"], Some(&new), &["delete the file", file]).await;
    assert_eq!(fs::read_to_string(file).unwrap(), key);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_rotated_is_said_and_changes_nothing() {
    let mut scene = Scene::on(Engine::Sled).await;
    let (data, key) = (scene.daemon.data(), scene.key());
    let vault = fs::read(data.join("vault")).unwrap();
    let bad = data.join("bad-key");
    fs::write(&bad, "hunter2").unwrap();
    let bad = bad.to_str().unwrap();
    scene.refused(&["rotate", "--new-key-file", bad], None, &[bad, "malformed"]).await;
    scene.refused(&["rotate", "--new-key-file", "/nowhere/key"], None, &["/nowhere/key"]).await;
    scene.refused(&["rotate", "--new-key-env", "NO_SUCH_NAME"], None, &["NO_SUCH_NAME is not set"]).await;
    let own = scene.key_file();
    scene.refused(&["rotate", "--new-key-file", own.to_str().unwrap()], None, &["the one that is in force"]).await;
    scene.refused(&["rotate"], Some(&STANDARD.encode([8; 32])), &["is not the one", "fingerprint"]).await;
    scene.refused(&["rotate"], Some("hunter2"), &["malformed"]).await;
    let both = scene.secrets(&["rotate", "--new-key-file", bad, "--new-key-env", "X"], None).await;
    assert_eq!(both.code, Some(2), "{both:?}");
    assert_eq!(scene.told(&["rotate", "--finish"], None).await["outcome"], "nothing-to-finish");
    assert_eq!(scene.told(&["rotate", "--cancel"], None).await["outcome"], "nothing-to-finish");
    let lock = File::options().write(true).create(true).truncate(false).open(data.join("vault.lock")).unwrap();
    lock.lock().unwrap();
    scene.refused(&["rotate"], None, &["another rotation", "vault.lock"]).await;
    drop(lock);
    let mut elsewhere = postern();
    elsewhere.args(["secrets", "rotate", "--data", "/nowhere/at/all"]);
    let printed = run(elsewhere).await;
    assert!(printed.code == Some(1) && printed.stderr.contains("there is no vault"), "{printed:?}");
    assert_eq!((scene.key(), fs::read(data.join("vault")).unwrap()), (key, vault));
    scene.deliver("As before").await;
}
