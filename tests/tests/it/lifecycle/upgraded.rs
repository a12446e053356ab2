//! What becomes of calls and of the build before when another is added.

use super::{PATH, delivered_by, in_force, kept, pairs, with_tracker};
use crate::bad_input::assert_detail;
use postern_tests::platform::attempts;
use postern_tests::tracker::{BUILD, GREEDY, PROVIDER, REPAIRED};
use postern_tests::{Engine, Reply, on_each_engine};
use serde_json::{Value, json};

on_each_engine!(
    an_upgrade_is_in_force_for_new_calls_while_one_in_flight_ends_on_the_old_build,
    a_build_that_fails_leaves_the_one_before_serving,
    a_build_that_asks_for_more_waits_while_the_one_before_serves,
);

async fn an_upgrade_is_in_force_for_new_calls_while_one_in_flight_ends_on_the_old_build(engine: Engine) {
    let (daemon, mut receiver, _) = with_tracker(engine).await;
    receiver.script([Reply::Hold]);
    let first = daemon.emit("In flight").await;
    receiver.next().await;
    let upgraded = daemon.offer(REPAIRED).await.success();
    assert_eq!((&upgraded["state"], &upgraded["version"]), (&json!("active"), &json!("1.0.1")));
    assert_eq!(delivered_by(&daemon).await, "1.0.1");
    receiver.release_one();
    let delivery = daemon.settled(&first).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("success"), &json!(1)));
    assert_eq!(attempts(&delivery)[0]["provider"]["version"], "1.0.0");
    assert_eq!(receiver.drain().len(), 1, "each arrived once");
}

async fn a_build_that_fails_leaves_the_one_before_serving(engine: Engine) {
    let (mut daemon, _receiver, _) = with_tracker(engine).await;
    let before = daemon.api.get(PATH).await;
    let cut = &REPAIRED[..REPAIRED.len() / 2];
    assert_detail(&daemon.offer(cut).await.problem(422, "invalid-component"), &["not valid"]);
    for _ in 0..2 {
        assert_eq!(daemon.api.get(PATH).await, before);
        assert_eq!(delivered_by(&daemon).await, "1.0.0");
        daemon.terminate().await;
        daemon.restart().await;
    }
}

async fn a_build_that_asks_for_more_waits_while_the_one_before_serves(engine: Engine) {
    let (mut daemon, _receiver, _) = with_tracker(engine).await;
    let offered = daemon.offer(GREEDY).await.success();
    assert_eq!((&offered["state"], &offered["asks"]), (&json!("awaiting-approval"), &json!(["more.example"])));
    assert_eq!((&offered["version"], &offered["pending"]["version"]), (&json!("1.0.0"), &json!("1.2.0")));
    for _ in 0..2 {
        assert_eq!(in_force(&daemon).await, (json!("active"), json!("1.0.0")));
        assert_eq!(delivered_by(&daemon).await, "1.0.0");
        assert_eq!(kept(&daemon).await, pairs(&[("1.2.0", "awaiting-approval"), ("1.0.0", "in-force")]));
        daemon.terminate().await;
        daemon.restart().await;
    }
    let approved = daemon.api.post(&format!("{PATH}/approve"), Value::Null).await;
    assert_eq!((&approved["state"], &approved["version"]), (&json!("active"), &json!("1.2.0")));
    assert_eq!((&approved["asks"], &approved["pending"]), (&json!([]), &Value::Null));
    assert_eq!(delivered_by(&daemon).await, "1.2.0");
    // A smaller wish needs no approval.
    assert_eq!(daemon.offer(REPAIRED).await.success()["state"], "active");
    assert_eq!(delivered_by(&daemon).await, "1.0.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_covers_what_was_asked_for_puts_the_build_in_force() {
    let (daemon, _receiver, _) = with_tracker(Engine::Sled).await;
    daemon.offer(GREEDY).await.success();
    daemon.grant(PROVIDER, &["{config.url}"]).await;
    assert_eq!(in_force(&daemon).await, (json!("active"), json!("1.0.0")));
    daemon.grant(PROVIDER, &["{config.url}", "https://more.example"]).await;
    assert_eq!(in_force(&daemon).await, (json!("active"), json!("1.2.0")));
    assert_eq!(delivered_by(&daemon).await, "1.2.0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_does_not_undo_what_an_operator_paused() {
    let (daemon, _receiver, _) = with_tracker(Engine::Sled).await;
    daemon.offer(GREEDY).await.success();
    daemon.api.post(&format!("{PATH}/disable"), Value::Null).await;
    assert_eq!(daemon.api.post(&format!("{PATH}/approve"), Value::Null).await["state"], "disabled");
    daemon.api.post(&format!("{PATH}/enable"), Value::Null).await;
    assert_eq!(delivered_by(&daemon).await, "1.2.0");
    // The same build once more changes nothing.
    let builds = kept(&daemon).await;
    assert_eq!(daemon.offer(GREEDY).await.success()["version"], "1.2.0");
    assert_eq!(kept(&daemon).await, builds);
    daemon.offer(BUILD).await.success();
    assert_eq!(kept(&daemon).await, pairs(&[("1.0.0", "in-force"), ("1.2.0", "kept")]));
}
