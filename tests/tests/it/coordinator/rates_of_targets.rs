//! What a target says of its own rate is heard, and such a wait uses up no retry.

use super::{assert_came_to, waiting};
use postern_tests::chat;
use postern_tests::platform::WEBHOOK;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use serde_json::{Value, json};
use std::time::Duration;

on_each_engine!(a_refusal_holds_the_whole_subscription, refusals_use_up_no_retry,);

const RATE: &str = "a rate limit allows the next delivery at";

fn refusal(seconds: u32) -> Reply {
    Reply::Full(429, vec![("Retry-After", seconds.to_string())], String::new())
}

/// The retries that the present run used up.
fn retries(delivery: &Value) -> u64 {
    let steps = delivery["history"].as_array().unwrap();
    steps[steps.len() - 1]["run"]["retries"].as_u64().unwrap()
}

async fn a_refusal_holds_the_whole_subscription(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    receiver.script([refusal(1)]);
    let first = daemon.emit("Refused").await;
    let refused = receiver.next().await.at;
    daemon.with_status(&first, "retrying").await;
    let mut events = vec![first];
    for number in 0..5 {
        events.push(daemon.emit(&format!("Behind it {number}")).await);
    }
    for _ in &events {
        let waited = receiver.next().await.at.duration_since(refused);
        assert!(waited >= Duration::from_millis(990), "{waited:?}");
    }
    for (event, attempts) in events.iter().zip([2, 1, 1, 1, 1, 1]) {
        let delivery = daemon.settled(event).await;
        assert_came_to(&delivery, "success", attempts);
        assert_eq!(retries(&delivery), 0, "{delivery:#}");
    }
    receiver.script([refusal(3600)]);
    let long = daemon.emit("Refused for an hour").await;
    daemon.with_status(&long, "retrying").await;
    receiver.next().await;
    let behind = daemon.emit("Behind it").await;
    assert_came_to(&waiting(&daemon, &behind, RATE).await, "pending", 0);
    // Another subscription was not refused.
    daemon.subscribe_with(WEBHOOK, &receiver, json!({ "name": "Another" })).await;
    daemon.with_status(&daemon.emit("For both").await, "success").await;
    assert_eq!(receiver.drain().len(), 1);
}

async fn refusals_use_up_no_retry(engine: Engine) {
    let daemon = Daemon::builder().engine(engine).config("[delivery]\nretry = [\"10ms\"]").start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let busy = Reply::Full(503, vec![("Retry-After", "0".to_owned())], String::new());
    receiver.script([refusal(0), busy.clone(), refusal(0), Reply::Status(500), refusal(0), busy]);
    let delivery = daemon.settled(&daemon.emit("Patience").await).await;
    assert_came_to(&delivery, "success", 7);
    assert_eq!(retries(&delivery), 1, "the plain 500 alone counts: {delivery:#}");
    receiver.script([refusal(0), Reply::Status(500), refusal(0), Reply::Status(500)]);
    let delivery = daemon.settled(&daemon.emit("No more").await).await;
    assert_came_to(&delivery, "failed", 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_holds_all_that_use_the_connection() {
    let daemon = chat::builder().start().await.with_chat().await;
    let (mut receiver, mut other) = (Receiver::start().await, Receiver::start().await);
    let shared = daemon.connect(&receiver, "t0ken-of-the-chat").await;
    let room = daemon.subscribe_room(&shared, "first").await;
    receiver.script([refusal(3600)]);
    daemon.with_status(&daemon.emit("Refused").await, "retrying").await;
    receiver.next().await;
    daemon.api.patch(&format!("/api/v1/subscriptions/{room}"), json!({ "filter": "false" })).await;
    let second = daemon.subscribe_room(&shared, "second").await;
    let held = daemon.emit("Held for both").await;
    assert_came_to(&waiting(&daemon, &held, RATE).await, "pending", 0);
    daemon.api.patch(&format!("/api/v1/subscriptions/{second}"), json!({ "filter": "false" })).await;
    let elsewhere = daemon.connect(&other, "t0ken-of-the-other").await;
    daemon.subscribe_room(&elsewhere, "third").await;
    assert_came_to(&daemon.settled(&daemon.emit("By another connection").await).await, "success", 1);
    assert_eq!((other.next().await.target.as_str(), receiver.drain().len()), ("/rooms/third", 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_success_that_was_the_last_allowed_one_holds_what_follows() {
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let last = |reset: &str| {
        Reply::Full(200, vec![("X-RateLimit-Remaining", "0".into()), ("X-RateLimit-Reset", reset.into())], String::new())
    };
    receiver.script([last("1"), last("3600")]);
    assert_came_to(&daemon.settled(&daemon.emit("The last of this second").await).await, "success", 1);
    let before = receiver.next().await.at;
    let next = daemon.emit("A second later").await;
    let waited = receiver.next().await.at.duration_since(before);
    assert!(waited >= Duration::from_millis(990), "{waited:?}");
    assert_came_to(&daemon.settled(&next).await, "success", 1);
    let held = daemon.emit("An hour later").await;
    assert_came_to(&waiting(&daemon, &held, RATE).await, "pending", 0);
    assert!(receiver.drain().is_empty());
}
