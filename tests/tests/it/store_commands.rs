//! `postern store`: a data directory is verified, and moved to another engine whole.

use postern_tests::chat::builder;
use postern_tests::daemon::{Printed, run};
use postern_tests::launch::postern;
use postern_tests::platform::id;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::delivery::arrival::{signing_secret, verifies};

const CHAT_TOKEN: &str = "t0ken-of-the-chat";

/// In the payload of an event, so that it can be found in the engine's files.
const MARKED: &str = "Find me in the file";

on_each_engine!(
    a_data_directory_moves_to_the_other_engine_with_all_that_is_in_it,
    a_damaged_byte_is_found_and_named_and_the_rest_can_be_kept,
    a_wrong_export_is_refused_with_its_line_and_the_target_stays_empty,
    a_directory_in_use_is_refused,
);

fn other(engine: Engine) -> Engine {
    if engine == Engine::Sled { Engine::Redb } else { Engine::Sled }
}

fn name(engine: Engine) -> &'static str {
    if engine == Engine::Sled { "sled" } else { "redb" }
}

/// Runs `postern store`.
async fn store(arguments: &[&str], data: &Path) -> Printed {
    let mut command = postern();
    command.arg("store").args(arguments).arg("--data").arg(data);
    command.env("POSTERN_STORE_RESERVE_MIB", "1");
    run(command).await
}

async fn ok(arguments: &[&str], data: &Path) -> String {
    let printed = store(arguments, data).await;
    assert!(printed.success, "{arguments:?}: {printed:?}");
    printed.stdout
}

#[track_caller]
fn assert_refused(printed: &Printed, texts: &[&str]) {
    assert_eq!(printed.code, Some(1), "{printed:?}");
    assert!(printed.stderr.contains("error: "), "{printed:?}");
    assert!(texts.iter().all(|text| printed.stderr.contains(text)), "{texts:?}: {printed:?}");
}

/// A daemon with everything that a move must keep, and the receivers of its deliveries.
struct Scene {
    daemon: Daemon,
    chat: Receiver,
    hook: Receiver,
    /// The event with [`MARKED`] in its payload.
    marked: String,
    /// The event whose deliveries are in flight.
    pending: String,
}

impl Scene {
    async fn on(engine: Engine) -> Self {
        let daemon = builder().engine(engine).config("[delivery]\nretry = [\"1h\"]").start().await.with_chat().await;
        let (mut chat, mut hook) = (Receiver::start().await, Receiver::start().await);
        let connection = daemon.connect(&chat, CHAT_TOKEN).await;
        daemon.subscribe_room(&connection, "ops").await;
        daemon.subscribe_webhook(json!({ "url": hook.url(), "signingSecret": signing_secret(3) })).await;
        let marked = daemon.emit(MARKED).await;
        daemon.all_settled(&marked).await;
        hook.script([Reply::Status(410)]);
        daemon.all_settled(&daemon.emit("Gone").await).await;
        hook.script([Reply::Status(503)]);
        let later = daemon.emit("Later").await;
        daemon.with_status(&later, "retrying").await;
        daemon.with_status(&later, "success").await;
        for receiver in [&mut chat, &mut hook] {
            assert_eq!(receiver.drain().len(), 3);
            receiver.always(Reply::Hold);
        }
        let pending = daemon.emit("Pending").await;
        chat.next().await;
        hook.next().await;
        Self { daemon, chat, hook, marked, pending }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.daemon.data().with_file_name(name)
    }
}

/// All that the daemon lists, with the details of each.
async fn everything(daemon: &Daemon) -> Vec<Value> {
    let mut all = Vec::new();
    for what in ["event-types", "providers", "connections", "subscriptions", "events", "deliveries", "tokens"] {
        for item in daemon.api.items(&format!("/api/v1/{what}?limit=500")).await {
            if what != "tokens" {
                all.push(daemon.api.get(&format!("/api/v1/{what}/{}", id(&item["id"]))).await);
            }
            all.push(item);
        }
    }
    all
}

async fn a_data_directory_moves_to_the_other_engine_with_all_that_is_in_it(engine: Engine) {
    let mut scene = Scene::on(engine).await;
    let before = everything(&scene.daemon).await;
    assert!(before.iter().any(|object| object["status"] == "pending"), "{before:#?}");
    scene.daemon.kill_9();
    let old = scene.daemon.data();
    let checked: Value = serde_json::from_str(&ok(&["check", "--json"], &old).await).unwrap();
    assert_eq!((&checked["sound"], &checked["events"], &checked["components"]), (&json!(true), &json!(4), &json!(1)));
    assert_eq!(checked["engine"], name(engine));
    assert!(ok(&["check"], &old).await.contains("no problems"));

    let export = scene.file("all.jsonl");
    let file = export.to_str().unwrap();
    let told = ok(&["export", file], &old).await;
    assert!(told.contains("4 events") && told.contains("master key"), "{told}");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&export).unwrap().permissions()) & 0o777, 0o600);
    assert_refused(&store(&["export", file], &old).await, &[file, "exists"]);
    let text = fs::read_to_string(&export).unwrap();
    assert_eq!(ok(&["export"], &old).await, text, "standard output, if no file is named");
    let key = fs::read_to_string(old.join("master-key")).unwrap();
    for secret in [CHAT_TOKEN, &signing_secret(3), key.trim(), scene.daemon.api.token().unwrap()] {
        assert!(!text.contains(secret));
    }

    let mut moved = builder().engine(other(engine)).config("[delivery]\nretry = [\"1h\"]").start().await;
    assert!(moved.terminate().await.status.success());
    let new = moved.data();
    assert_refused(&store(&["import", file], &new).await, &["is not empty", "--data"]);
    fs::remove_dir_all(&new).unwrap();
    let told = ok(&["import", file, "--engine", name(other(engine))], &new).await;
    assert!(told.contains("4 events") && told.contains("copy that to") && told.contains("master-key"), "{told}");
    let again = store(&["export"], &new).await;
    assert!(again.stdout == text, "the same comes out again");
    assert_refused(&store(&["import", file], &new).await, &["is not empty"]);
    for name in ["master-key", "admin-token"] {
        fs::copy(old.join(name), new.join(name)).unwrap();
    }
    let checked: Value = serde_json::from_str(&ok(&["check", "--json"], &new).await).unwrap();
    assert_eq!((&checked["sound"], &checked["engine"]), (&json!(true), &json!(name(other(engine)))));
    assert!(checked["vault"].as_str().unwrap().contains("opens"), "{checked}");

    moved.restart().await;
    // Both are in flight again, and end only when the receivers answer.
    let (chat, hook) = (scene.chat.next().await, scene.hook.next().await);
    assert!(verifies(&signing_secret(3), &hook));
    assert_eq!(chat.header("authorization"), format!("Bearer {CHAT_TOKEN}"));
    let after = everything(&moved).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
    scene.chat.release();
    scene.hook.release();
    for delivery in moved.all_settled(&scene.pending).await {
        assert_eq!(delivery["status"], "success", "{delivery:#}");
    }
    moved.all_settled(&moved.emit("A new one").await).await;
    assert!(verifies(&signing_secret(3), &scene.hook.next().await));
}

/// The files in which the engine keeps its rows.
fn engine_file(data: &Path, engine: Engine) -> PathBuf {
    data.join(if engine == Engine::Sled { "sled/db" } else { "redb/postern.redb" })
}

/// All that belongs to the engine.
fn engine_files(data: &Path, engine: Engine) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = data.join(name(engine));
    let inside = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    inside.chain([directory.with_extension("watermark")]).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

async fn a_damaged_byte_is_found_and_named_and_the_rest_can_be_kept(engine: Engine) {
    let mut scene = Scene::on(engine).await;
    scene.daemon.kill_9();
    let (data, marked) = (scene.daemon.data(), scene.marked.clone());
    ok(&["check"], &data).await;
    let path = engine_file(&data, engine);
    let mut bytes = fs::read(&path).unwrap();
    let places: Vec<_> = bytes.windows(MARKED.len()).enumerate().filter(|(_, found)| *found == MARKED.as_bytes()).collect();
    let places: Vec<usize> = places.into_iter().map(|(place, _)| place).collect();
    assert!(!places.is_empty());
    let sound = engine_files(&data, engine);
    places.iter().for_each(|place| bytes[*place] ^= 1);
    fs::write(&path, bytes).unwrap();

    let damaged = fs::read(&path).unwrap();
    let printed = store(&["check", "--json"], &data).await;
    assert_refused(&printed, &[data.to_str().unwrap(), "backup", "postern store export"]);
    let checked: Value = serde_json::from_str(&printed.stdout).unwrap();
    let problems = checked["problems"].as_array().unwrap();
    assert_eq!((&checked["sound"], &checked["problemCount"]), (&json!(false), &json!(problems.len())));
    let told = store(&["check"], &data).await.stdout;
    let export = scene.file("rest.jsonl");
    let file = export.to_str().unwrap();
    // What an engine would cut off is lost, so its files are looked at before it gets to them.
    let record = problems[0]["record"].as_str().unwrap();
    assert!(record.ends_with(path.to_str().unwrap()) && told.contains(record), "{record}: {told}");
    if engine == Engine::Sled {
        let offset: usize = record.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(offset <= places[0] && places[0] - offset < 64 << 10, "{record}");
    }
    assert_refused(&store(&["export", file], &data).await, &[record, "--force"]);
    assert!(!export.exists() && fs::read(&path).unwrap() == damaged, "nothing was cut off");
    let forced = store(&["export", "--force", file], &data).await;
    match engine {
        Engine::Redb => assert_refused(&forced, &["left out", "postern store check"]),
        Engine::Sled => assert!(forced.success, "{forced:?}"),
    }
    let target = scene.file("target");
    ok(&["import", file, "--engine", name(other(engine))], &target).await;
    fs::copy(data.join("master-key"), target.join("master-key")).unwrap();
    ok(&["check"], &target).await;
    let kept = fs::read_to_string(&export).unwrap();
    assert!(!kept.contains(&format!("\"id\":\"{marked}\"")) && kept.contains("\"subscription\""));

    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    for (path, content) in sound {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let component = fs::read_dir(data.join("components")).unwrap().next().unwrap().unwrap().path();
    fs::write(&component, "damaged").unwrap();
    fs::write(data.join("master-key"), "00".repeat(32)).unwrap();
    let told = store(&["check"], &data).await.stdout;
    for text in ["problem: component ", "problem: vault: the master key from", "2 problem(s)"] {
        assert!(told.contains(text), "`{text}`: {told}");
    }
    fs::remove_file(component).unwrap();
    let told = store(&["check"], &data).await.stdout;
    assert!(told.contains("problem: provider test.connected: its component is missing"), "{told}");
}

async fn a_wrong_export_is_refused_with_its_line_and_the_target_stays_empty(engine: Engine) {
    let mut scene = Scene::on(engine).await;
    scene.daemon.kill_9();
    let text = ok(&["export"], &scene.daemon.data()).await;
    let lines: Vec<&str> = text.lines().collect();
    let place = |start: &str| lines.iter().position(|line| line.starts_with(start)).unwrap();
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines.join("\n") + "\n"
    };
    let component = place("{\"component\"");
    let event = lines.windows(2).position(|pair| pair[0].starts_with("{\"event\"") && pair[1].starts_with("{\"step\"")).unwrap();
    let (bad, target) = (scene.file("bad.jsonl"), scene.file("target"));
    for (content, line, reason) in [
        (with(event, "garbled"), event + 1, "expected"),
        (with(event, "{\"event\":{}}"), event + 1, "missing field"),
        (with(event, lines[event + 1]), event + 1, "of no delivery"),
        (with(component, &lines[component].replace("content\":\"", "content\":\"AAAA")), component + 1, "digest"),
        (with(0, "{\"some\":\"other file\"}"), 1, ""),
        (lines[..event].join("\n") + "\n", event + 1, "ends here"),
        (text[..text.len() - 9].to_owned(), lines.len(), "cut"),
    ] {
        fs::write(&bad, content).unwrap();
        for existed in [false, true] {
            if existed {
                fs::create_dir(&target).unwrap();
                // It may be there first.
                fs::copy(scene.daemon.data().join("master-key"), target.join("master-key")).unwrap();
            }
            let arguments = ["import", bad.to_str().unwrap(), "--engine", name(other(engine))];
            let printed = store(&arguments, &target).await;
            assert_refused(&printed, &[&format!("line {line} of the export"), reason, "nothing was imported"]);
            if existed {
                let left: Vec<_> = fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name()).collect();
                assert_eq!(left, ["master-key"]);
                fs::remove_dir_all(&target).unwrap();
            }
            assert!(!target.exists());
        }
    }
    let missing = store(&["import", "/nowhere/export"], &target).await;
    assert_refused(&missing, &["/nowhere/export"]);
    assert!(!target.exists());
    // From standard input, over a key that is there.
    fs::create_dir(&target).unwrap();
    fs::copy(scene.daemon.data().join("master-key"), target.join("master-key")).unwrap();
    let mut command = postern();
    command.args(["store", "import", "-", "--data"]).arg(&target).env("POSTERN_STORE_RESERVE_MIB", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && told.contains("opens its secrets"), "{told}");
}

async fn a_directory_in_use_is_refused(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let export = daemon.data().with_file_name("all.jsonl");
    let file = export.to_str().unwrap();
    fs::write(daemon.data().with_file_name("some.jsonl"), "").unwrap();
    let some = daemon.data().with_file_name("some.jsonl");
    for arguments in [vec!["check"], vec!["export", file], vec!["import", some.to_str().unwrap()]] {
        let printed = store(&arguments, &daemon.data()).await;
        assert_refused(&printed, &["is in use by another postern process", "stop it"]);
        assert!(printed.stdout.is_empty(), "{printed:?}");
    }
    assert!(!export.exists());
    let nowhere = daemon.data().with_file_name("nowhere");
    for command in ["check", "export"] {
        assert_refused(&store(&[command], &nowhere).await, &["is no data directory", "--data"]);
    }
    assert!(!nowhere.exists());
}
