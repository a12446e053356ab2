//! A full disk: new events are refused, what was accepted is delivered, and everything goes on once there is space.

use postern_tests::platform::{attempts, id, incident};
use postern_tests::wait::until;
use postern_tests::{Api, Daemon, Engine, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

on_each_engine!(
    on_a_full_disk_events_are_refused_and_deliveries_go_on_until_there_is_space_again,
    on_a_disk_that_others_filled_to_the_last_byte_nothing_accepted_is_lost,
    a_reserve_that_the_disk_does_not_have_refuses_events_and_lets_deliveries_go_on,
);

const EMIT: &str = "/api/v1/plugins/incident/hooks/incident.created";

/// A file system in memory that holds so little that it can be filled.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None, with a reason on stderr, where this user cannot mount.
    fn mount(mebibytes: u32) -> Option<Self> {
        let directory = tempfile::Builder::new().prefix("postern-disk-").tempdir().expect("a temporary directory");
        let size = format!("size={mebibytes}m,mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "postern"]).arg(directory.path()).output();
        match mounted {
            Ok(output) if output.status.success() => return Some(Self(directory)),
            Ok(output) => eprintln!("skipped: no file system can be mounted: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => eprintln!("skipped: `mount` cannot be run: {error}"),
        }
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills it until so many bytes are free.
    fn fill(&self, left: u64) {
        let mut file = File::create(self.path().join("ballast")).expect("a file");
        let mut length = 0;
        while let Ok(written) = file.write(&[0; 1 << 12]) {
            length += written as u64;
        }
        file.set_len(length.checked_sub(left).expect("it was emptier than it is to be")).expect("the file can be cut");
    }

    fn clear(&self) {
        fs::remove_file(self.path().join("ballast")).expect("the file can be removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever still has files open keeps what he needs of it.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// Emits and is refused; answers with the problem.
async fn refused(api: &Api, key: &str) -> Value {
    let answer = api.call_with(Method::POST, EMIT, &[("Idempotency-Key", key)], incident("No space")).await;
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
    let problem = answer.problem(503, "disk-full");
    let detail = problem["detail"].as_str().unwrap();
    assert!(["the disk is full", "MiB are free at ", "nothing was stored"].iter().all(|text| detail.contains(text)), "{detail}");
    problem
}

/// A daemon with events whose deliveries wait for the receiver, one of which fails at first.
async fn with_deliveries_under_way(daemon: &Daemon, receiver: &mut Receiver) -> Vec<String> {
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url(), "timeout": 60_000 })).await;
    receiver.script([Reply::HoldThen(Box::new(Reply::Status(503)))]);
    let mut events = Vec::new();
    for number in 0..8 {
        events.push(daemon.emit(&format!("Number {number}")).await);
    }
    // As many as may be on their way to a destination of which nothing is known.
    for _ in 0..4 {
        receiver.next().await;
    }
    events
}

async fn all_delivered(daemon: &Daemon, events: &[String]) -> usize {
    let mut made = 0;
    for event in events {
        let delivery = daemon.settled(event).await;
        assert_eq!(delivery["status"], "success", "{delivery:#}");
        made += attempts(&delivery).len();
    }
    made
}

async fn on_a_full_disk_events_are_refused_and_deliveries_go_on_until_there_is_space_again(engine: Engine) {
    let Some(disk) = SmallDisk::mount(96) else { return };
    let mut receiver = Receiver::that(Reply::Hold).await;
    let mut daemon = Daemon::builder().engine(engine).data(disk.path()).config("[store]\nreserve-mib = 16").start().await;
    let mut events = with_deliveries_under_way(&daemon, &mut receiver).await;

    disk.fill(14 << 20);
    refused(&daemon.api, "one").await;
    let subscription = json!({
        "name": "New", "providerId": "postern.webhook", "events": ["incident.*"], "providerConfig": { "url": receiver.url() },
    });
    daemon.api.call(Method::POST, "/api/v1/subscriptions", subscription).await.problem(503, "disk-full");
    assert_eq!(daemon.api.items("/api/v1/subscriptions").await.len(), 1);
    // What makes room later needs none now.
    let given_up = events.pop().unwrap();
    let path = format!("/api/v1/deliveries/{}/cancel", id(&daemon.deliveries(&given_up).await[0]["id"]));
    assert_eq!(daemon.api.post(&path, Value::Null).await["status"], "failed");

    receiver.release();
    assert_eq!(all_delivered(&daemon, &events).await, events.len() + 1, "one of them was tried twice");
    refused(&daemon.api, "one").await;
    assert_eq!(daemon.api.items("/api/v1/events").await.len(), events.len() + 1);

    // It also starts and goes on where there is no space.
    daemon.kill_9();
    daemon.restart().await;
    refused(&daemon.api, "one").await;

    disk.clear();
    let answer = daemon.api.call_with(Method::POST, EMIT, &[("Idempotency-Key", "one")], incident("Space")).await.success();
    assert_eq!(answer["deliveries"], 1);
    let event = answer["event"].as_str().unwrap();
    assert_eq!(daemon.settled(event).await["status"], "success");
    assert!(!events.iter().any(|known| known == event), "it was not stored when it was refused");
}

async fn on_a_disk_that_others_filled_to_the_last_byte_nothing_accepted_is_lost(engine: Engine) {
    let Some(disk) = SmallDisk::mount(64) else { return };
    let mut receiver = Receiver::that(Reply::Hold).await;
    let mut daemon = Daemon::builder().engine(engine).data(disk.path()).start().await;
    let events = with_deliveries_under_way(&daemon, &mut receiver).await;

    disk.fill(0);
    refused(&daemon.api, "one").await;
    receiver.release();
    // Either the outcomes find room in what the engine has, or it cannot go on and says so.
    let ended = until("the outcomes to be recorded, or the daemon to end", || async {
        let listing = daemon.api.try_call_with(Method::GET, "/api/v1/deliveries?status=success", &[], Value::Null).await;
        match listing {
            Ok(answer) if answer.status == 200 => (answer.json()["items"].as_array()?.len() == events.len()).then_some(false),
            _ => Some(true),
        }
    })
    .await;
    println!("{engine:?}: the daemon {}", if ended { "ended" } else { "went on" });
    if ended {
        let ended = daemon.ended().await;
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.contains("the store failed and the daemon stops"), "{}", ended.stderr);
        // Whoever starts it again meanwhile is told why that cannot be, or it serves.
        if let Err(ended) = daemon.try_restart().await {
            assert_eq!((ended.status.code(), ended.stderr.lines().count()), (Some(1), 1), "{ended:?}");
            assert!(ended.stderr.contains("No space left"), "{ended:?}");
            disk.clear();
            daemon.restart().await;
        } else {
            disk.clear();
        }
    } else {
        disk.clear();
    }
    all_delivered(&daemon, &events).await;
    assert_eq!(daemon.settled(&daemon.emit("Space").await).await["status"], "success");
}

async fn a_reserve_that_the_disk_does_not_have_refuses_events_and_lets_deliveries_go_on(engine: Engine) {
    let mut receiver = Receiver::that(Reply::Hold).await;
    let mut daemon = Daemon::on(engine).await;
    let events = with_deliveries_under_way(&daemon, &mut receiver).await;
    let configuration = daemon.data().parent().expect("the data is in the test's directory").join("postern.toml");
    let text = fs::read_to_string(&configuration).unwrap();
    let larger = text.replace("reserve-mib = 1\n", "reserve-mib = 1000000000\n");
    assert_ne!(larger, text);
    daemon.kill_9();

    fs::write(&configuration, larger).unwrap();
    daemon.restart().await;
    refused(&daemon.api, "one").await;
    // What cannot be recorded with whoever did it is not done.
    let path = format!("/api/v1/deliveries/{}/cancel", id(&daemon.deliveries(&events[7]).await[0]["id"]));
    daemon.api.call(Method::POST, &path, Value::Null).await.problem(503, "disk-full");
    receiver.release();
    all_delivered(&daemon, &events).await;
    refused(&daemon.api, "one").await;
    assert!(daemon.terminate().await.status.success());

    fs::write(&configuration, text).unwrap();
    daemon.restart().await;
    assert_eq!(daemon.settled(&daemon.emit("Space").await).await["status"], "success");
}
