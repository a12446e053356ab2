//! The queue is bounded: what goes beyond is refused, and taken again once there is room.

use super::{by_hand, kill};
use crate::bad_input::assert_detail;
use postern_tests::platform::{INCIDENT_CREATED, id, incident};
use postern_tests::wait::until;
use postern_tests::{Answer, Daemon, Engine, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

on_each_engine!(what_does_not_fit_is_refused_until_there_is_room,);

async fn emit(daemon: &Daemon, title: &str) -> Answer {
    daemon.api.call(Method::POST, "/api/v1/plugins/incident/hooks/incident.created", incident(title)).await
}

/// Emits as soon as there is room.
async fn emit_in_time(daemon: &Daemon, title: &str) {
    until("an emission to be taken", || async {
        let answer = emit(daemon, title).await;
        if answer.status == 202 {
            return Some(());
        }
        answer.problem(503, "queue-full");
        None
    })
    .await;
}

async fn assert_full(daemon: &Daemon) {
    let events = daemon.api.items("/api/v1/events").await.len();
    let many = json!([{ "type": INCIDENT_CREATED, "payload": incident("One of many") }]);
    for (path, body) in [
        ("/api/v1/plugins/incident/hooks/incident.created", incident("The sixth")),
        ("/api/v1/events", json!({ "type": INCIDENT_CREATED, "payload": incident("The sixth") })),
        ("/api/v1/events", many),
    ] {
        let answer = daemon.api.call(Method::POST, path, body).await;
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
        assert_detail(&answer.problem(503, "queue-full"), &["5 deliveries are unfinished", "[delivery] backlog"]);
    }
    assert_eq!(daemon.api.items("/api/v1/events").await.len(), events, "nothing was stored");
}

async fn what_does_not_fit_is_refused_until_there_is_room(engine: Engine) {
    let mut daemon = Daemon::builder().engine(engine).config("[delivery]\nbacklog = 5").start().await;
    let mut receiver = Receiver::that(Reply::Hold).await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url(), "timeout": 60_000 })).await;
    for number in 1..=5 {
        assert_eq!(emit(&daemon, &format!("Number {number}")).await.status, 202);
    }
    assert_full(&daemon).await;
    // All else goes on.
    daemon.register_incidents().await;
    assert_eq!(daemon.api.items("/api/v1/deliveries?status=pending").await.len(), 5);
    receiver.next().await;
    receiver.release_one();
    emit_in_time(&daemon, "In the place of a delivered one").await;
    assert_full(&daemon).await;
    let answer = daemon.api.call(Method::GET, "/readyz", Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");

    // A restart makes no room, and what was accepted is not lost.
    kill(&mut daemon).await;
    receiver.always(Reply::Full(429, vec![("Retry-After", "3600".into())], String::new()));
    daemon.restart().await;
    assert_full(&daemon).await;
    let waiting = until("the deliveries to wait", || async {
        daemon.api.items("/api/v1/deliveries?status=retrying").await.into_iter().next()
    })
    .await;
    by_hand(&daemon, &id(&waiting["event"]), "cancel").await;
    emit_in_time(&daemon, "In the place of a cancelled one").await;
    assert_full(&daemon).await;
}
