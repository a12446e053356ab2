//! Deliveries about one entity arrive in the order of emission, one after the other; others overtake them.

use super::{MUCH_LATER, assert_came_to, by_hand, kill, title, waiting};
use postern_tests::platform::WEBHOOK;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use serde_json::json;

on_each_engine!(
    one_after_the_other_while_others_overtake,
    a_retrying_one_holds_the_next_back,
    after_a_final_failure_the_next_goes_on,
    the_order_survives_a_kill,
);

async fn one_after_the_other_while_others_overtake(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::that(Reply::Hold).await;
    daemon.register_incidents().await;
    daemon.subscribe_with(WEBHOOK, &receiver, json!({ "entityKey": ".payload.incidentId" })).await;
    let mut events = Vec::new();
    for number in 1..=4 {
        events.push(daemon.emit_about("a", &format!("a{number}")).await);
    }
    assert_eq!(title(&receiver.next().await), "a1");
    for event in &events[1..] {
        assert_came_to(&waiting(&daemon, event, "about the same entity comes before it").await, "pending", 0);
    }
    let other = daemon.emit_about("b", "b1").await;
    assert_eq!(title(&receiver.next().await), "b1", "another entity overtakes");
    receiver.release_one();
    assert_eq!(title(&receiver.next().await), "a2", "the first was answered");
    assert!(receiver.drain().is_empty(), "and one after the other");
    waiting(&daemon, &events[2], "about the same entity").await;
    receiver.release_one();
    assert_eq!(daemon.settled(&other).await["status"], "success");
    assert!(receiver.drain().is_empty(), "the other entity's success lets nobody go");
    receiver.release();
    assert_eq!([title(&receiver.next().await), title(&receiver.next().await)], ["a3", "a4"]);
    for event in &events {
        assert_came_to(&daemon.settled(event).await, "success", 1);
    }
}

async fn a_retrying_one_holds_the_next_back(engine: Engine) {
    let daemon = Daemon::builder().engine(engine).config("[delivery]\nretry = [\"10ms\", \"10ms\", \"1h\"]").start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_with(WEBHOOK, &receiver, json!({ "entityKey": ".payload.incidentId" })).await;
    receiver.script([503, 503].map(Reply::Status));
    let first = daemon.emit_about("a", "a1").await;
    let second = daemon.emit_about("a", "a2").await;
    assert_came_to(&daemon.settled(&second).await, "success", 1);
    assert_came_to(&daemon.settled(&first).await, "success", 3);
    let arrived: Vec<_> = receiver.drain().iter().map(title).collect();
    assert_eq!(arrived, ["a1", "a1", "a1", "a2"]);

    receiver.script([503, 503, 503].map(Reply::Status));
    let third = daemon.emit_about("a", "a3").await;
    let fourth = daemon.emit_about("a", "a4").await;
    for _ in 0..3 {
        assert_eq!(title(&receiver.next().await), "a3");
    }
    // The next attempt is an hour away.
    let waits = waiting(&daemon, &fourth, "about the same entity").await;
    let before = daemon.with_status(&third, "retrying").await;
    assert!(waits["waitsFor"].as_str().unwrap().contains(before["id"].as_str().unwrap()), "{waits:#}");
    let other = daemon.emit_about("b", "b1").await;
    assert_came_to(&daemon.settled(&other).await, "success", 1);
    by_hand(&daemon, &third, "cancel").await;
    assert_came_to(&daemon.settled(&fourth).await, "success", 1);
    assert_came_to(&daemon.settled(&third).await, "failed", 3);
}

async fn after_a_final_failure_the_next_goes_on(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_with(WEBHOOK, &receiver, json!({ "entityKey": ".payload.incidentId", "entityOrder": "skip" })).await;
    receiver.script([Reply::Status(410)]);
    let first = daemon.emit_about("a", "a1").await;
    let second = daemon.emit_about("a", "a2").await;
    assert_came_to(&daemon.settled(&second).await, "success", 1);
    assert_came_to(&daemon.settled(&first).await, "failed", 1);
    by_hand(&daemon, &first, "retry").await;
    assert_came_to(&daemon.settled(&first).await, "success", 2);
    assert_eq!(receiver.drain().iter().map(title).collect::<Vec<_>>(), ["a1", "a2", "a1"]);
}

async fn the_order_survives_a_kill(engine: Engine) {
    let mut daemon = Daemon::builder().engine(engine).config(MUCH_LATER).start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_with(WEBHOOK, &receiver, json!({ "entityKey": ".payload.incidentId" })).await;
    // One is in flight, one waits for its retry; behind each are others.
    receiver.script([Reply::Status(503), Reply::Hold]);
    let retrying = daemon.emit_about("b", "b1").await;
    let mut events = vec![daemon.with_status(&retrying, "retrying").await["event"].as_str().unwrap().to_owned()];
    for (entity, title) in [("a", "a1"), ("a", "a2"), ("b", "b2"), ("a", "a3")] {
        events.push(daemon.emit_about(entity, title).await);
    }
    assert_eq!([title(&receiver.next().await), title(&receiver.next().await)], ["b1", "a1"]);
    kill(&mut daemon).await;
    daemon.restart().await;
    for (event, status) in events.iter().zip(["retrying", "success", "success", "pending", "success"]) {
        daemon.with_status(event, status).await;
    }
    assert_eq!(receiver.drain().iter().map(title).collect::<Vec<_>>(), ["a1", "a2", "a3"]);
    waiting(&daemon, &events[3], "about the same entity").await;
    by_hand(&daemon, &retrying, "cancel").await;
    assert_came_to(&daemon.settled(&events[3]).await, "success", 1);
}
