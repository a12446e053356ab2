//! A repeated emission gets the first one's answer and makes nothing.

use super::{EVENTS, subscribed};
use crate::bad_input::places;
use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use postern_tests::platform::{INCIDENT_CREATED, id, incident};
use postern_tests::{Answer, Api, Daemon, Engine, Receiver, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const HOOK: &str = "/api/v1/plugins/incident/hooks/incident.created";

on_each_engine!(
    the_same_key_gives_the_same_event_before_and_after_a_restart,
    fifty_emissions_at_once_with_one_key_make_one_event,
    a_key_is_remembered_when_the_process_is_killed_amid_its_emissions,
    keys_of_different_tenants_do_not_meet,
    each_of_a_batch_has_its_own_key,
);

async fn emit(api: &Api, key: &str, headers: &[(&str, &str)], payload: Value) -> Answer {
    let headers: Vec<_> = std::iter::once(("Idempotency-Key", key)).chain(headers.iter().copied()).collect();
    api.call_with(Method::POST, HOOK, &headers, payload).await
}

/// Checks that the receiver got what these events are, once each, and nothing else.
async fn assert_arrived(daemon: &Daemon, receiver: &mut Receiver, events: &[&Value]) {
    for event in events {
        daemon.settled(event.as_str().unwrap()).await;
    }
    let arrived = receiver.drain();
    let ids: BTreeSet<_> =
        arrived.iter().map(|received| received.header("x-delivery-id").trim_end_matches("-0").to_owned()).collect();
    assert_eq!(arrived.len(), events.len(), "{arrived:?}");
    assert_eq!(ids, events.iter().map(|event| id(event)).collect());
}

async fn the_same_key_gives_the_same_event_before_and_after_a_restart(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    subscribed(&daemon, &receiver, &["default"]).await;
    let first = emit(&daemon.api, "k-1", &[], incident("Once")).await;
    assert_eq!(first.status, 202);
    let first = first.json();
    assert_eq!(first["deliveries"], 1);
    assert_eq!(emit(&daemon.api, "k-1", &[], incident("Once")).await.success(), first);
    assert_eq!(emit(&daemon.api, "k-1", &[], incident("Another payload")).await.success(), first);
    assert_arrived(&daemon, &mut receiver, &[&first["event"]]).await;

    for killed in [true, false] {
        if killed {
            daemon.kill_9();
        } else {
            assert!(daemon.terminate().await.status.success());
        }
        daemon.restart().await;
        assert_eq!(emit(&daemon.api, "k-1", &[], incident("Once")).await.success(), first);
    }
    let body = json!({ "type": INCIDENT_CREATED, "payload": incident("Once"), "idempotencyKey": "k-1" });
    assert_eq!(daemon.api.post(EVENTS, body).await, first, "by the other call as well");
    let second = emit(&daemon.api, "k-2", &[], incident("Once")).await.success();
    assert_ne!(second["event"], first["event"]);
    assert_arrived(&daemon, &mut receiver, &[&second["event"]]).await;
    assert_eq!(daemon.api.items(EVENTS).await.len(), 2);
}

async fn fifty_emissions_at_once_with_one_key_make_one_event(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    subscribed(&daemon, &receiver, &["default"]).await;
    let answers = join_all((0..50).map(|_| emit(&daemon.api, "at-once", &[], incident("At once")))).await;
    let answers: Vec<_> = answers.into_iter().map(Answer::success).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(daemon.api.items(EVENTS).await.len(), 1);
    assert_eq!(daemon.api.items("/api/v1/deliveries").await.len(), 1);
    assert_arrived(&daemon, &mut receiver, &[&answers[0]["event"]]).await;
}

async fn a_key_is_remembered_when_the_process_is_killed_amid_its_emissions(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    let receiver = Receiver::start().await;
    subscribed(&daemon, &receiver, &["default"]).await;
    let body = json!({ "type": INCIDENT_CREATED, "payload": incident("Amid a kill"), "idempotencyKey": "amid-a-kill" });
    let emit = |api: Api| {
        let body = body.to_string().into_bytes();
        async move { api.send(Method::POST, EVENTS, "application/json", body).await }
    };
    let mut emissions: FuturesUnordered<_> = (0..50).map(|_| emit(daemon.api.clone())).collect();
    let first = emissions.next().await.unwrap().expect("an answer before the kill").success();
    daemon.kill_9();
    while let Some(answer) = emissions.next().await {
        // Those that the kill cut off have none.
        if let Ok(answer) = answer {
            assert_eq!(answer.success(), first);
        }
    }
    daemon.restart().await;
    assert_eq!(emit(daemon.api.clone()).await.unwrap().success(), first);
    assert_eq!(daemon.api.items(EVENTS).await.len(), 1);
    assert_eq!(daemon.settled(first["event"].as_str().unwrap()).await["status"], "success");
}

async fn keys_of_different_tenants_do_not_meet(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    subscribed(&daemon, &receiver, &["acme", "globex"]).await;
    let acme = emit(&daemon.api, "k", &[("Postern-Tenant", "acme")], incident("Of acme")).await.success();
    let globex = emit(&daemon.api, "k", &[("Postern-Tenant", "globex")], incident("Of globex")).await.success();
    assert_ne!(acme["event"], globex["event"]);
    assert_eq!(emit(&daemon.api, "k", &[("Postern-Tenant", "acme")], incident("Of acme")).await.success(), acme);
    let own = daemon.as_tenant("globex", &["emit"]).await;
    assert_eq!(emit(&own, "k", &[], incident("Of globex")).await.success(), globex);
    assert_arrived(&daemon, &mut receiver, &[&acme["event"], &globex["event"]]).await;
}

async fn each_of_a_batch_has_its_own_key(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    subscribed(&daemon, &receiver, &["default"]).await;
    let one = |key: &str| json!({ "type": INCIDENT_CREATED, "payload": incident(key), "idempotencyKey": key });
    let first = daemon.api.post(EVENTS, json!([one("a"), one("b"), one("a")])).await;
    assert_eq!(first[0], first[2], "the same key in one batch");
    assert_ne!(first[0]["event"], first[1]["event"]);
    let second = daemon.api.post(EVENTS, json!([one("b"), one("c")])).await;
    assert_eq!(second[0], first[1]);
    assert_arrived(&daemon, &mut receiver, &[&first[0]["event"], &first[1]["event"], &second[1]["event"]]).await;

    let headers = [("Idempotency-Key", "d")];
    daemon.api.call_with(Method::POST, EVENTS, &headers, json!([one("x"), one("y")])).await.problem(422, "invalid");
    assert_eq!(daemon.api.items(EVENTS).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_emission_does_not_use_its_key_up() {
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    subscribed(&daemon, &receiver, &["default"]).await;
    emit(&daemon.api, "k", &[], json!({ "title": "Unfit" })).await.problem(422, "invalid");
    let one = |key: &str, payload: Value| json!({ "type": INCIDENT_CREATED, "payload": payload, "idempotencyKey": key });
    let batch = json!([one("k", incident("Fits")), one("l", json!({}))]);
    daemon.api.call(Method::POST, EVENTS, batch).await.problem(422, "invalid");
    assert!(daemon.api.items(EVENTS).await.is_empty());
    let emitted = emit(&daemon.api, "k", &[], incident("Fits now")).await.success();
    assert_arrived(&daemon, &mut receiver, &[&emitted["event"]]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_has_1_to_256_bytes() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    for key in ["", &"k".repeat(257)] {
        let problem = emit(&daemon.api, key, &[], incident("Not emitted")).await.problem(422, "invalid");
        assert_eq!(places(&problem), ["/idempotencyKey"]);
        let one = json!({ "type": INCIDENT_CREATED, "payload": incident("Not emitted"), "idempotencyKey": key });
        let fine = json!({ "type": INCIDENT_CREATED, "payload": incident("Not emitted") });
        let problem = daemon.api.call(Method::POST, EVENTS, json!([fine, one])).await.problem(422, "invalid");
        assert_eq!(places(&problem), ["/1/idempotencyKey"]);
    }
    assert!(daemon.api.items(EVENTS).await.is_empty());
    emit(&daemon.api, &"k".repeat(256), &[], incident("Emitted")).await.success();
}
