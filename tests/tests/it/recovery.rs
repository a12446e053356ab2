//! What was acknowledged is delivered, whatever happens to the process.

use futures::stream::{FuturesUnordered, StreamExt};
use postern_tests::launch::postern;
use postern_tests::platform::{attempts, id, incident};
use postern_tests::wait::{until, within};
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

on_each_engine!(
    after_a_kill_every_unfinished_delivery_is_made,
    no_acknowledged_event_is_lost_in_a_kill_amid_emissions,
    what_ended_stays_ended_and_history_is_kept,
    an_attempt_in_flight_ends_before_the_daemon_does,
    a_data_directory_in_use_is_refused_by_name,
    another_master_key_is_refused_and_changes_nothing,
    a_directory_of_the_other_engine_is_refused,
    lost_data_is_noticed_before_anything_is_changed_and_can_be_accepted,
);

async fn after_a_kill_every_unfinished_delivery_is_made(engine: Engine) {
    let mut daemon = Daemon::builder().engine(engine).config("[delivery]\nretry = [\"500ms\", \"500ms\"]").start().await;
    let (mut hanging, mut busy) = (Receiver::that(Reply::Hold).await, Receiver::that(Reply::Status(503)).await);
    daemon.register_incidents().await;
    let secret = crate::delivery::arrival::signing_secret(1);
    daemon.subscribe_webhook(json!({ "url": hanging.url(), "signingSecret": secret })).await;
    daemon.subscribe_webhook(json!({ "url": busy.url() })).await;
    let mut events = Vec::new();
    for number in 0..5 {
        events.push(daemon.emit(&format!("Number {number}")).await);
    }
    let mut ids = BTreeSet::new();
    for _ in &events {
        ids.insert(hanging.next().await.header("webhook-id").to_owned());
        busy.next().await;
    }
    daemon.kill_9();
    hanging.release();
    busy.always(Reply::Status(200));

    daemon.restart().await;
    for event in &events {
        for delivery in daemon.all_settled(event).await {
            assert_eq!(delivery["status"], "success", "{delivery:#}");
        }
    }
    let again: Vec<_> = hanging.drain();
    let ids_again: BTreeSet<_> = again.iter().map(|received| received.header("webhook-id").to_owned()).collect();
    assert_eq!(ids_again, ids, "made again under the same ids");
    assert!(crate::delivery::arrival::verifies(&secret, &again[0]), "the secret survived");
}

async fn no_acknowledged_event_is_lost_in_a_kill_amid_emissions(engine: Engine) {
    const EMISSIONS: usize = 200;
    let mut daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let mut emissions: FuturesUnordered<_> = (0..EMISSIONS)
        .map(|number| {
            let api = daemon.api.clone();
            async move {
                let body = incident(&format!("Number {number}")).to_string().into_bytes();
                let path = "/api/v1/plugins/incident/hooks/incident.created";
                api.send(Method::POST, path, "application/json", body).await
            }
        })
        .collect();
    let mut acknowledged = BTreeSet::new();
    let mut unanswered = 0;
    let mut alive = true;
    while let Some(answer) = within("the emissions to end", emissions.next()).await {
        match answer {
            Ok(answer) => {
                assert_eq!(answer.status, 202, "{}", answer.text);
                acknowledged.insert(id(&answer.json()["event"]));
            }
            Err(_) => unanswered += 1,
        }
        if alive && acknowledged.len() >= EMISSIONS / 4 {
            daemon.kill_9();
            alive = false;
        }
    }
    assert!(!alive && acknowledged.len() + unanswered == EMISSIONS);

    daemon.restart().await;
    let mut arrived = BTreeSet::new();
    while !acknowledged.is_subset(&arrived) {
        let received = receiver.next().await;
        arrived.insert(received.header("x-delivery-id").trim_end_matches("-0").to_owned());
    }
    for event in &acknowledged {
        assert_eq!(daemon.settled(event).await["status"], "success");
    }
}

async fn what_ended_stays_ended_and_history_is_kept(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    receiver.script([Reply::Status(410)]);
    let failed = daemon.settled(&daemon.emit("Gone").await).await;
    receiver.script([Reply::Status(503)]);
    let delivered = daemon.settled(&daemon.emit("Twice").await).await;
    assert_eq!((&failed["status"], attempts(&delivered).len()), (&json!("failed"), 2));
    let listing = daemon.api.items("/api/v1/deliveries").await;
    receiver.drain();

    for (round, killed) in [true, false].into_iter().enumerate() {
        if killed {
            daemon.kill_9();
        } else {
            assert!(daemon.terminate().await.status.success());
        }
        daemon.restart().await;
        assert_eq!(daemon.api.items("/api/v1/deliveries").await[round..], listing, "newest first, so the old ones come last");
        for before in [&failed, &delivered] {
            assert_eq!(&daemon.deliveries(before["event"].as_str().unwrap()).await[0], before);
        }
        // A new event is behind whatever the old ones would have made.
        daemon.settled(&daemon.emit("New").await).await;
        let arrived = receiver.drain();
        assert_eq!(arrived.len(), 1, "{arrived:?}");
    }
}

async fn an_attempt_in_flight_ends_before_the_daemon_does(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::that(Reply::Hold).await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let event = daemon.emit("In flight").await;
    receiver.next().await;
    daemon.signal_terminate();
    until("the daemon to say that it stops", || async { daemon.stderr().contains("stopping").then_some(()) }).await;
    receiver.release();
    let ended = daemon.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");

    daemon.restart().await;
    let delivery = daemon.settled(&event).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("success"), &json!(1)), "{delivery:#}");
    assert!(receiver.drain().is_empty(), "it was not made again");
}

async fn a_data_directory_in_use_is_refused_by_name(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let ended = daemon.refused_twin(Daemon::builder().engine(engine)).await;
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(ended.stderr.lines().count(), 1, "one message: {}", ended.stderr);
    assert!(ended.stderr.starts_with("error: the data directory ") && ended.stderr.contains("in use"), "{}", ended.stderr);
    assert!(ended.stderr.contains("/data "), "it names the directory: {}", ended.stderr);
    daemon.register_incidents().await;
}

async fn another_master_key_is_refused_and_changes_nothing(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let secret = crate::delivery::arrival::signing_secret(1);
    daemon.subscribe_webhook(json!({ "url": receiver.url(), "signingSecret": secret })).await;
    assert!(daemon.terminate().await.status.success());
    let (key, vault) = (daemon.data().join("master-key"), daemon.data().join("vault"));
    let (right, sealed) = (fs::read(&key).unwrap(), fs::read(&vault).unwrap());

    fs::write(&key, "00".repeat(32)).unwrap();
    let ended = daemon.try_restart().await.unwrap_err();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("master key") && ended.stderr.contains("nothing was changed"), "{}", ended.stderr);
    fs::remove_file(&key).unwrap();
    let ended = daemon.try_restart().await.unwrap_err();
    assert!(ended.stderr.contains("master key is missing"), "{}", ended.stderr);
    assert!(!key.exists(), "no new key in the place of the lost one");
    assert_eq!(fs::read(&vault).unwrap(), sealed);

    fs::write(&key, right).unwrap();
    daemon.restart().await;
    daemon.emit("With the right key").await;
    assert!(crate::delivery::arrival::verifies(&secret, &receiver.next().await));
}

async fn a_directory_of_the_other_engine_is_refused(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    assert!(daemon.terminate().await.status.success());
    let (other, names) = match engine {
        Engine::Sled => (Engine::Redb, ["with the engine \"sled\"", "\"redb\" is configured"]),
        Engine::Redb => (Engine::Sled, ["with the engine \"redb\"", "\"sled\" is configured"]),
    };
    let ended = daemon.refused_twin(Daemon::builder().engine(other)).await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(names.iter().all(|name| ended.stderr.contains(name)), "{}", ended.stderr);
    daemon.restart().await;
}

async fn lost_data_is_noticed_before_anything_is_changed_and_can_be_accepted(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    daemon.register_incidents().await;
    let kept = daemon.emit("Kept").await;
    assert!(daemon.terminate().await.status.success());
    let directory = daemon.data().join(if engine == Engine::Sled { "sled" } else { "redb" });
    let older = files(&directory);
    daemon.restart().await;
    let lost = daemon.emit("Lost").await;
    daemon.kill_9();
    // As from a backup that forgot the newest.
    fs::remove_dir_all(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    older.iter().for_each(|(path, content)| fs::write(path, content).unwrap());
    let ended = daemon.try_restart().await.unwrap_err();
    assert_eq!(ended.status.code(), Some(1));
    for text in ["acknowledged data is missing", directory.to_str().unwrap(), "backup", "--accept-loss", "store export --force"] {
        assert!(ended.stderr.contains(text), "`{text}`: {}", ended.stderr);
    }
    assert!(files(&directory) == older, "a file was changed");

    accept_loss(&daemon).await;
    daemon.restart().await;
    let listed: Vec<_> = daemon.api.items("/api/v1/events").await.iter().map(|event| id(&event["id"])).collect();
    assert!(listed.contains(&kept) && !listed.contains(&lost), "{listed:?}");
}

/// Serves once what is left, and is killed then.
async fn accept_loss(daemon: &Daemon) {
    let path = |name: &str| daemon.data().with_file_name(name);
    fs::remove_file(path("ready")).ok();
    let mut command = postern();
    command.args(["serve", "--accept-loss", "--listen", "127.0.0.1:0", "--data"]).arg(daemon.data());
    command.arg("--config").arg(path("postern.toml")).arg("--ready-file").arg(path("ready"));
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    until("the daemon to serve what is left", || async { path("ready").exists().then_some(()) }).await;
    child.kill().unwrap();
    child.wait().unwrap();
}

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}
