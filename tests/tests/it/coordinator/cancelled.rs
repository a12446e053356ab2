//! A delivery that waits can be given up.

use super::{MUCH_LATER, assert_came_to, by_hand, kill, refused_by_hand, title, waiting};
use crate::bad_input::assert_detail;
use postern_tests::platform::WEBHOOK;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

on_each_engine!(what_waits_is_given_up_and_stays_so, what_is_in_flight_or_final_is_not,);

async fn what_waits_is_given_up_and_stays_so(engine: Engine) {
    let mut daemon = Daemon::builder().engine(engine).config(MUCH_LATER).start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_with(WEBHOOK, &receiver, json!({ "entityKey": ".payload.incidentId" })).await;
    receiver.script([Reply::Status(503)]);
    let retrying = daemon.emit_about("a", "a1").await;
    daemon.with_status(&retrying, "retrying").await;
    let (behind, last) = (daemon.emit_about("a", "a2").await, daemon.emit_about("a", "a3").await);
    waiting(&daemon, &behind, "about the same entity").await;

    let cancelled = by_hand(&daemon, &behind, "cancel").await;
    assert_came_to(&cancelled, "failed", 0);
    assert_eq!(cancelled["reason"]["class"], "cancelled", "{cancelled:#}");
    assert!(cancelled["error"].as_str().unwrap().starts_with("cancelled by "), "{cancelled:#}");
    waiting(&daemon, &last, "about the same entity").await;
    assert_came_to(&by_hand(&daemon, &retrying, "cancel").await, "failed", 1);
    assert_came_to(&daemon.settled(&last).await, "success", 1);
    assert_eq!(receiver.drain().iter().map(title).collect::<Vec<_>>(), ["a1", "a3"]);

    daemon.api.post(&format!("/api/v1/providers/{WEBHOOK}/disable"), Value::Null).await;
    let pending = daemon.emit_about("b", "b1").await;
    waiting(&daemon, &pending, "is paused").await;
    assert_came_to(&by_hand(&daemon, &pending, "cancel").await, "failed", 0);
    kill(&mut daemon).await;
    daemon.restart().await;
    daemon.api.post(&format!("/api/v1/providers/{WEBHOOK}/enable"), Value::Null).await;
    assert_came_to(&daemon.settled(&daemon.emit_about("b", "b2").await).await, "success", 1);
    assert_eq!(receiver.drain().iter().map(title).collect::<Vec<_>>(), ["b2"]);
    let inbox = daemon.api.items("/api/v1/failures?reason=cancelled").await;
    assert_eq!((inbox.len(), &inbox[0]["count"]), (1, &json!(3)), "{inbox:#?}");
    by_hand(&daemon, &pending, "retry").await;
    assert_came_to(&daemon.with_status(&pending, "success").await, "success", 1);
}

async fn what_is_in_flight_or_final_is_not(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::that(Reply::Hold).await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let event = daemon.emit("In flight").await;
    receiver.next().await;
    assert_detail(&refused_by_hand(&daemon, &event, "cancel").await, &["at this moment"]);
    receiver.release();
    assert_came_to(&daemon.settled(&event).await, "success", 1);
    assert_detail(&refused_by_hand(&daemon, &event, "cancel").await, &["is final"]);
    let unknown = format!("/api/v1/deliveries/{event}-7/cancel");
    daemon.api.call(Method::POST, &unknown, Value::Null).await.problem(404, "not-found");
}
