//! Replays: all that a filter names is tried again, paced; each as another run.

use super::{assert_came_to, kill, runs};
use crate::bad_input::places;
use postern_tests::platform::{WEBHOOK, id, incident};
use postern_tests::wait::until;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_each_engine!(
    a_replay_goes_on_after_a_kill_and_replays_nothing_twice,
    a_filter_names_what_is_replayed,
    what_succeeded_is_delivered_again,
    a_replay_can_be_stopped,
);

const REPLAY: &str = "/api/v1/deliveries/replay";

/// So many events whose deliveries fail for good.
async fn failures(daemon: &Daemon, receiver: &mut Receiver, count: usize) -> Vec<String> {
    receiver.script(vec![Reply::Status(410); count]);
    let mut events = Vec::new();
    for number in 0..count {
        events.push(daemon.emit(&format!("Number {number}")).await);
    }
    for event in &events {
        daemon.all_settled(event).await;
    }
    receiver.drain();
    events
}

async fn ended(daemon: &Daemon, replay: &Value) -> Value {
    let path = format!("/api/v1/replays/{}", id(&replay["id"]));
    until("the replay to be done", || async {
        let replay = daemon.api.get(&path).await;
        (replay["state"] == "done").then_some(replay)
    })
    .await
}

async fn a_replay_goes_on_after_a_kill_and_replays_nothing_twice(engine: Engine) {
    const FAILED: usize = 40;
    let mut daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let events = failures(&daemon, &mut receiver, FAILED).await;
    // Some of them fail once more: that is no reason to replay them once more.
    receiver.script([200, 410, 410, 200, 410].map(Reply::Status));
    let replay = daemon.api.post(REPLAY, json!({ "perSecond": 25 })).await;
    assert_eq!((&replay["state"], &replay["total"]), (&json!("running"), &json!(FAILED)), "{replay:#}");
    for _ in 0..7 {
        receiver.next().await;
    }
    daemon.kill_9();
    daemon.restart().await;
    let replay = ended(&daemon, &replay).await;
    assert!(replay["replayed"] == FAILED && replay["endedAt"].is_string(), "{replay:#}");
    let mut failed = 0;
    for event in &events {
        let delivery = until("the replayed delivery to be final", || async {
            let delivery = daemon.settled(event).await;
            (runs(&delivery).last() == Some(&2)).then_some(delivery)
        })
        .await;
        failed += usize::from(delivery["status"] == "failed");
        assert_eq!(runs(&delivery), [1, 2], "{delivery:#}");
    }
    assert!(failed <= 3, "{failed} failed again");
    assert_eq!(daemon.api.items("/api/v1/replays").await, [replay]);
}

async fn a_filter_names_what_is_replayed(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let first = daemon.subscribe_with(WEBHOOK, &receiver, json!({ "entityKey": ".payload.incidentId" })).await;
    receiver.script([410, 422, 410].map(Reply::Status));
    let mut of_first = Vec::new();
    for entity in ["a", "b", "c"] {
        of_first.push(daemon.emit_about(entity, "Of the first").await);
        daemon.settled(&of_first[of_first.len() - 1]).await;
    }
    daemon
        .api
        .patch(&format!("/api/v1/subscriptions/{first}"), json!({ "events": ["incident.incident.*"], "filter": "false" }))
        .await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let of_second = failures(&daemon, &mut receiver, 1).await.remove(0);
    receiver.drain();

    let table = [
        (json!({ "subscription": first, "reason": "http", "httpStatus": 422 }), vec![&of_first[1]]),
        (json!({ "subscription": first, "entity": "c" }), vec![&of_first[2]]),
        (json!({ "reason": "timeout" }), vec![]),
        (json!({ "eventType": "incident.other" }), vec![]),
        (json!({ "tenant": "acme" }), vec![]),
        (json!({ "provider": WEBHOOK, "status": "failed" }), vec![&of_first[0], &of_second]),
    ];
    for (order, expected) in table {
        let replay = daemon.api.post(REPLAY, order.clone()).await;
        assert_eq!(replay["total"], expected.len(), "{order}");
        assert_eq!(ended(&daemon, &replay).await["replayed"], expected.len(), "{order}");
        for event in &expected {
            assert_came_to(&daemon.with_status(event, "success").await, "success", 2);
        }
        let arrived: BTreeSet<_> =
            receiver.drain().iter().map(|received| received.header("x-delivery-id").trim_end_matches("-0").to_owned()).collect();
        assert_eq!(arrived, expected.into_iter().cloned().collect(), "{order}");
    }
    for (order, place) in [
        (json!({ "status": "pending" }), "/status"),
        (json!({ "status": "success", "httpStatus": 500 }), "/status"),
        (json!({ "perSecond": 0 }), "/perSecond"),
        (json!({ "perSecond": 1_000_000 }), "/perSecond"),
    ] {
        assert_eq!(places(&daemon.api.call(Method::POST, REPLAY, order).await.problem(422, "invalid")), [place]);
    }
    daemon.api.call(Method::GET, "/api/v1/replays/none", Value::Null).await.problem(404, "not-found");
}

async fn what_succeeded_is_delivered_again(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let failed = failures(&daemon, &mut receiver, 2).await;
    let mut ids = BTreeSet::new();
    for _ in 0..10 {
        daemon.settled(&daemon.emit("Delivered, and lost there").await).await;
        ids.insert(receiver.next().await.header("x-delivery-id").to_owned());
    }
    let replay = daemon.api.post(REPLAY, json!({ "status": "success", "perSecond": 1000 })).await;
    assert!(replay["total"].is_null(), "successes are not counted first");
    assert_eq!(ended(&daemon, &replay).await["replayed"], 10);
    let mut again = BTreeSet::new();
    while again.len() < ids.len() {
        again.insert(receiver.next().await.header("x-delivery-id").to_owned());
    }
    assert_eq!(again, ids);
    for event in failed {
        assert_came_to(&daemon.settled(&event).await, "failed", 1);
    }
}

async fn a_replay_can_be_stopped(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    failures(&daemon, &mut receiver, 50).await;
    let replay = daemon.api.post(REPLAY, json!({ "perSecond": 1 })).await;
    receiver.next().await;
    let stopped = daemon.api.post(&format!("/api/v1/replays/{}/stop", id(&replay["id"])), Value::Null).await;
    assert_eq!(stopped["state"], "stopped", "{stopped:#}");
    let replayed = usize::try_from(stopped["replayed"].as_u64().unwrap()).unwrap();
    assert!((1..50).contains(&replayed), "{stopped:#}");
    let audit = daemon.api.items(&format!("/api/v1/audit?object={}", id(&replay["id"]))).await;
    let actions: Vec<_> = audit.iter().map(|record| record["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["replay.stop", "replay.start"], "{audit:#?}");
    kill(&mut daemon).await;
    daemon.restart().await;
    assert_eq!(daemon.api.get(&format!("/api/v1/replays/{}", id(&replay["id"]))).await, stopped);
    // Another one finds what this one left.
    let rest = daemon.api.post(REPLAY, json!({ "perSecond": 5000 })).await;
    let expected = 50 - replayed;
    until("what was begun to be final", || async {
        let done = daemon.api.items("/api/v1/deliveries?status=success&limit=500").await.len();
        (done >= replayed).then_some(())
    })
    .await;
    assert_eq!(rest["total"], expected);
    assert_eq!(ended(&daemon, &rest).await["replayed"], expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_token_replays_and_sees_only_what_is_its_own() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::that(Reply::Status(410)).await;
    daemon.register_incidents().await;
    let mut events = Vec::new();
    for tenant in ["acme", "globex"] {
        daemon.subscribe_with(WEBHOOK, &receiver, json!({ "tenant": tenant })).await;
        let path = "/api/v1/plugins/incident/hooks/incident.created";
        let emitted = daemon.api.call_with(Method::POST, path, &[("Postern-Tenant", tenant)], incident("No")).await.success();
        events.push(id(&emitted["event"]));
        daemon.settled(&events[events.len() - 1]).await;
    }
    receiver.always(Reply::Status(200));
    let api = daemon.as_tenant("acme", &["admin"]).await;
    api.call(Method::POST, REPLAY, json!({ "tenant": "globex" })).await.problem(403, "forbidden");
    let own = api.post(REPLAY, json!({})).await;
    assert_eq!(ended(&daemon, &own).await["replayed"], 1);
    assert_came_to(&daemon.with_status(&events[0], "success").await, "success", 2);
    assert_came_to(&daemon.settled(&events[1]).await, "failed", 1);
    let whole = daemon.api.post(REPLAY, json!({ "reason": "timeout" })).await;
    let listed = api.items("/api/v1/replays").await;
    assert_eq!(listed.iter().map(|replay| replay["id"].clone()).collect::<Vec<_>>(), [own["id"].clone()]);
    for path in [format!("/api/v1/replays/{}", id(&whole["id"])), format!("/api/v1/replays/{}/stop", id(&whole["id"]))] {
        let method = if path.ends_with("stop") { Method::POST } else { Method::GET };
        api.call(method, &path, Value::Null).await.problem(404, "not-found");
    }
    assert_eq!(daemon.api.items("/api/v1/replays").await.len(), 2);
}
