//! The daemon is killed while a replay runs: it goes on where it stopped, and begins no delivery twice.

use postern_tests::platform::{attempts, id};
use postern_tests::wait::until;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use serde_json::json;
use std::collections::BTreeSet;

on_each_engine!(a_replay_goes_on_after_kills_and_begins_nothing_twice);

const FAILED: usize = 40;

async fn a_replay_goes_on_after_kills_and_begins_nothing_twice(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::that(Reply::Status(410)).await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    for number in 0..FAILED {
        daemon.emit(&format!("Number {number}")).await;
    }
    let failed = "/api/v1/deliveries?status=failed&limit=500";
    until("all to fail", || async { (daemon.api.items(failed).await.len() == FAILED).then_some(()) }).await;
    receiver.drain();
    receiver.always(Reply::Status(200));

    let replay = daemon.api.post("/api/v1/deliveries/replay", json!({ "perSecond": 50 })).await;
    assert_eq!((&replay["state"], &replay["total"]), (&json!("running"), &json!(FAILED)));
    let path = format!("/api/v1/replays/{}", id(&replay["id"]));
    for count in [1, 3, 8] {
        for _ in 0..count {
            receiver.next().await;
        }
        daemon.kill_9();
        daemon.restart().await;
    }
    let done = until("the replay to end", || async {
        let replay = daemon.api.get(&path).await;
        (replay["state"] == "done").then_some(replay)
    })
    .await;
    // A step that was made and not noted down is not made again, and not counted.
    assert!(done["replayed"].as_u64().is_some_and(|replayed| replayed <= FAILED as u64), "{done}");
    let delivered = "/api/v1/deliveries?status=success&limit=500";
    let all = until("all to be delivered", || async {
        let found = daemon.api.items(delivered).await;
        (found.len() == FAILED).then_some(found)
    })
    .await;
    let mut ids = BTreeSet::new();
    for delivery in &all {
        let whole = daemon.api.get(&format!("/api/v1/deliveries/{}", id(&delivery["id"]))).await;
        let runs: Vec<_> = whole["history"].as_array().unwrap().iter().map(|step| step["run"]["number"].as_u64()).collect();
        assert!(runs.iter().all(|run| matches!(run, Some(1 | 2))), "{whole:#}");
        let outcomes: Vec<_> = attempts(&whole).iter().map(|attempt| attempt["outcome"]["result"].clone()).collect();
        assert_eq!(outcomes.len(), 2, "what failed is kept, and one attempt is added: {whole:#}");
        ids.insert(id(&delivery["id"]));
    }
    assert_eq!(ids.len(), FAILED);
}
