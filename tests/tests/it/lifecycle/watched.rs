//! Files in watched folders.

use super::{PATH, delivered_by, in_force, in_state, kept, pairs};
use crate::bad_input::assert_detail;
use crate::commands::{json_of, ok};
use postern_tests::tracker::{BUILD, GREEDY, PROVIDER, REPAIRED};
use postern_tests::wait::until;
use postern_tests::{CONNECTED, Daemon, Engine, Receiver, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use tempfile::TempDir;

on_each_engine!(a_file_is_added_upgraded_and_removed_as_it_appears_changes_and_goes, what_happens_while_nobody_looks_is_found);

/// A folder with the folder of the plugin `test`, and a daemon that watches it.
async fn watching(engine: Engine, config: &str) -> (Daemon, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("test")).unwrap();
    let watch = format!("[providers]\nwatch = [{:?}]", folder.path().display().to_string());
    (Daemon::builder().engine(engine).config(&watch).config(config).start().await, folder)
}

/// Puts a file there at once, as a tool that deploys does.
fn place(path: &Path, content: &[u8]) {
    let temporary = path.with_extension("part");
    fs::write(&temporary, content).unwrap();
    fs::rename(temporary, path).unwrap();
}

/// Waits until the version in force is this.
async fn at_version(daemon: &Daemon, version: &str) {
    until(&format!("version {version}"), || async { (in_force(daemon).await.1 == version).then_some(()) }).await;
}

/// A file, once its problem contains this.
async fn with_problem(daemon: &Daemon, name: &str, text: &str) -> Value {
    until(&format!("{name} to fail: {text}"), || async {
        let files = daemon.api.items("/api/v1/providers/watched").await;
        let found = files.into_iter().find(|found| found["file"].as_str().unwrap().ends_with(&format!("/{name}")));
        found.filter(|found| found["problem"].as_str().is_some_and(|problem| problem.contains(text)))
    })
    .await
}

async fn a_file_is_added_upgraded_and_removed_as_it_appears_changes_and_goes(engine: Engine) {
    let (daemon, folder) = watching(engine, "").await;
    daemon.register_incidents().await;
    let receiver = Receiver::start().await;
    let file = folder.path().join("test/tracker.wasm");
    place(&file, BUILD);
    let added = in_state(&daemon, PROVIDER, "awaiting-approval").await;
    assert_eq!((&added["watched"]["file"], &added["watched"]["problem"]), (&json!(file), &Value::Null));
    daemon.api.post(&format!("{PATH}/approve"), Value::Null).await;
    let subscription = daemon.subscribe_with(PROVIDER, &receiver, json!({})).await;
    assert_eq!(delivered_by(&daemon).await, "1.0.0");

    // A file that grows is read when it is whole.
    let mut growing = File::create(&file).unwrap();
    for part in REPAIRED.chunks(REPAIRED.len() / 3) {
        growing.write_all(part).unwrap();
        growing.sync_all().unwrap();
        assert_eq!(in_force(&daemon).await, (json!("active"), json!("1.0.0")));
    }
    drop(growing);
    at_version(&daemon, "1.0.1").await;
    assert_eq!(delivered_by(&daemon).await, "1.0.1");

    // What is no provider leaves the one before serving, and says why.
    place(&file, b"not a component");
    let failed = with_problem(&daemon, "tracker.wasm", "no WebAssembly").await;
    assert_eq!(failed["provider"], PROVIDER);
    assert_eq!(daemon.api.get(PATH).await["watched"]["problem"], failed["problem"]);
    assert_eq!(delivered_by(&daemon).await, "1.0.1");
    assert!(daemon.stderr().contains("a file in a watched folder is not taken"), "{}", daemon.stderr());
    place(&file, GREEDY);
    until("the build to wait", || async { (!daemon.api.get(PATH).await["pending"].is_null()).then_some(()) }).await;
    assert_eq!(kept(&daemon).await, pairs(&[("1.2.0", "awaiting-approval"), ("1.0.1", "in-force"), ("1.0.0", "kept")]));

    fs::remove_file(&file).unwrap();
    let stays = with_problem(&daemon, "tracker.wasm", "used by 1 subscription").await;
    assert_detail(&json!({ "detail": stays["problem"] }), &["the file is gone", "stays"]);
    assert_eq!(delivered_by(&daemon).await, "1.0.1");
    daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
    until("the provider to be gone", || async {
        (daemon.api.call(Method::GET, PATH, Value::Null).await.status == 404).then_some(())
    })
    .await;
    until("the file to be forgotten", || async { daemon.api.items("/api/v1/providers/watched").await.is_empty().then_some(()) })
        .await;
}

async fn what_happens_while_nobody_looks_is_found(engine: Engine) {
    let (mut daemon, folder) = watching(engine, "").await;
    let file = folder.path().join("test/tracker.wasm");
    place(&file, BUILD);
    in_state(&daemon, PROVIDER, "awaiting-approval").await;
    daemon.api.post(&format!("{PATH}/approve"), Value::Null).await;
    daemon.terminate().await;
    place(&file, REPAIRED);
    daemon.restart().await;
    at_version(&daemon, "1.0.1").await;
    // Who goes back stays there until the file changes, whatever happens meanwhile.
    daemon.api.post(&format!("{PATH}/rollback"), Value::Null).await;
    daemon.kill_9();
    daemon.restart().await;
    let other = folder.path().join("test/connected.wasm");
    place(&other, CONNECTED);
    in_state(&daemon, "test.connected", "awaiting-approval").await;
    assert_eq!(in_force(&daemon).await, (json!("active"), json!("1.0.0")));
    daemon.terminate().await;
    fs::remove_file(&file).unwrap();
    fs::rename(&other, folder.path().join("test/renamed.wasm")).unwrap();
    daemon.restart().await;
    until("the provider to be gone", || async {
        (daemon.api.call(Method::GET, PATH, Value::Null).await.status == 404).then_some(())
    })
    .await;
    let shown = daemon.api.get("/api/v1/providers/test.connected").await;
    assert!(shown["watched"]["file"].as_str().unwrap().ends_with("renamed.wasm"), "it followed: {shown:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_file_that_is_not_taken_says_why() {
    let (daemon, folder) = watching(Engine::Sled, "[sandbox]\ncomponent-bytes = 2000000").await;
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("no plugin")).unwrap();
    fs::create_dir(path("postern")).unwrap();
    place(&path("connected.wasm"), CONNECTED);
    in_state(&daemon, "local.connected", "awaiting-approval").await;
    place(&path("test/tracker.wasm"), BUILD);
    in_state(&daemon, PROVIDER, "awaiting-approval").await;

    place(&path("no plugin/a.wasm"), BUILD);
    place(&path("postern/b.wasm"), BUILD);
    place(&path("test/c.wasm"), REPAIRED);
    place(&path("test/d.wasm"), &vec![0; 2_000_001]);
    place(&path("test/readme.txt"), b"is not looked at");
    place(&path("test/.hidden.wasm"), b"neither");
    for (name, text) in [
        ("a.wasm", "its folder `no plugin` should be called like the plugin"),
        ("b.wasm", "for the providers that come with the program"),
        ("c.wasm", "test.tracker follows the file"),
        ("d.wasm", "at most 2000000 are allowed ([sandbox] component-bytes)"),
    ] {
        with_problem(&daemon, name, text).await;
    }
    let files = json_of(&daemon, &["provider", "watched"]).await;
    assert_eq!(files.as_array().unwrap().len(), 6, "{files:#}");
    assert!(ok(&daemon, &["provider", "watched"]).await.contains("local.connected"));
    assert_eq!(in_force(&daemon).await.1, "1.0.0");
    // The other file has its way when the first is gone.
    fs::remove_file(path("test/tracker.wasm")).unwrap();
    place(&path("test/c.wasm"), GREEDY);
    at_version(&daemon, "1.2.0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_not_there_means_nothing() {
    let (mut daemon, folder) = watching(Engine::Sled, "").await;
    place(&folder.path().join("test/tracker.wasm"), BUILD);
    in_state(&daemon, PROVIDER, "awaiting-approval").await;
    daemon.terminate().await;
    let away = folder.path().with_extension("away");
    fs::rename(folder.path(), &away).unwrap();
    daemon.restart().await;
    until("the daemon to tell", || async {
        daemon.stderr().contains("a watched folder cannot be read; its providers stay as they are").then_some(())
    })
    .await;
    assert_eq!(in_force(&daemon).await.1, "1.0.0");
    fs::rename(&away, folder.path()).unwrap();
    place(&folder.path().join("test/tracker.wasm"), REPAIRED);
    at_version(&daemon, "1.0.1").await;
}
