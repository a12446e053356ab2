//! What the host announces are ordinary event types that never feed themselves, and that nobody else makes.

use super::{assert_came_to, by_hand};
use crate::bad_input::assert_detail;
use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK, id, incident_type};
use postern_tests::{Daemon, Engine, Received, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

on_each_engine!(a_final_failure_is_announced_to_its_tenant, announcements_that_fail_announce_nothing,);

async fn own_events(daemon: &Daemon) -> Vec<String> {
    let all = daemon.api.items("/api/v1/events?limit=500").await;
    all.iter().map(|event| id(&event["eventType"])).filter(|event_type| event_type.starts_with("postern.")).collect()
}

fn event_type(received: &Received) -> &str {
    received.header("x-event-type")
}

async fn a_final_failure_is_announced_to_its_tenant(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let (receiver, mut operator, mut stranger) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    daemon.register_incidents().await;
    let failing = daemon.subscribe_with(WEBHOOK, &receiver, json!({ "name": "Fails" })).await;
    receiver.script([503, 410].map(Reply::Status));
    daemon.settled(&daemon.emit("Nobody is told").await).await;
    assert!(own_events(&daemon).await.is_empty(), "what nobody subscribed to is not stored");

    daemon.subscribe_with(WEBHOOK, &operator, json!({ "events": ["postern.delivery.failed"] })).await;
    daemon.subscribe_with(WEBHOOK, &stranger, json!({ "events": ["postern.*"], "tenant": "acme" })).await;
    receiver.script([503, 410].map(Reply::Status));
    let event = daemon.emit("Fails for good").await;
    let delivery = daemon.settled(&event).await;
    let heard = operator.next().await;
    assert_eq!(event_type(&heard), "postern.delivery.failed");
    let payload = &heard.json()["data"];
    let expected = json!({
        "provider": WEBHOOK, "subscription": { "id": failing, "name": "Fails" }, "delivery": delivery["id"],
        "eventType": INCIDENT_CREATED, "attempts": 2, "error": delivery["error"], "reason": "http", "status": 410,
        "failedAt": delivery["updatedAt"],
    });
    assert_eq!(*payload, expected);
    // Neither a success nor a cancellation is a failure to tell of.
    let receiver_holds = Reply::Full(503, vec![("Retry-After", "3600".into())], String::new());
    daemon.settled(&daemon.emit("Works").await).await;
    receiver.script([receiver_holds]);
    let cancelled = daemon.emit("Given up").await;
    daemon.with_status(&cancelled, "retrying").await;
    assert_eq!(by_hand(&daemon, &cancelled, "cancel").await["status"], "failed");
    assert_eq!(own_events(&daemon).await.len(), 1);
    assert!(operator.drain().is_empty() && stranger.drain().is_empty());
}

async fn announcements_that_fail_announce_nothing(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let (receiver, mut operator) = (Receiver::that(Reply::Status(410)).await, Receiver::that(Reply::Status(410)).await);
    daemon.register_incidents().await;
    daemon.subscribe_with(WEBHOOK, &receiver, json!({})).await;
    let all = daemon.subscribe_with(WEBHOOK, &operator, json!({ "events": ["postern.*"] })).await;
    for round in 1..=3 {
        daemon.settled(&daemon.emit("Fails").await).await;
        assert_eq!(event_type(&operator.next().await), "postern.delivery.failed");
        // Announcements are made in the order of outcomes: the next round would bring what this one's failure made.
        let path = format!("/api/v1/deliveries?subscription={all}&status=failed");
        postern_tests::wait::until("the announcement to fail", || async {
            (daemon.api.items(&path).await.len() == round).then_some(())
        })
        .await;
    }
    assert_eq!(own_events(&daemon).await, ["postern.delivery.failed"; 3]);
    assert!(operator.drain().is_empty());
    // They can be tried again like any other.
    operator.always(Reply::Status(200));
    let replay = daemon.api.post("/api/v1/deliveries/replay", json!({ "subscription": all })).await;
    assert_eq!(replay["total"], 3);
    for _ in 0..3 {
        assert_eq!(event_type(&operator.next().await), "postern.delivery.failed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_registers_emits_or_removes_them() {
    let daemon = Daemon::start().await;
    let mut operator = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_with(WEBHOOK, &operator, json!({ "events": ["postern.*"] })).await;
    let listed = daemon.api.items("/api/v1/event-types").await;
    let own: Vec<_> = listed.iter().filter(|known| known["plugin"] == "postern").map(|known| id(&known["id"])).collect();
    assert_eq!(own.len(), 5, "{own:?}");
    let payload = daemon.api.get("/api/v1/event-types/postern.delivery.failed").await;
    assert!(payload["payloadSchema"]["required"].as_array().is_some_and(|required| !required.is_empty()), "{payload:#}");
    let refused = [
        (Method::PUT, "/api/v1/plugins/postern/events/delivery.failed".to_owned(), incident_type()),
        (Method::PUT, "/api/v1/plugins/postern/events/new".to_owned(), incident_type()),
        (Method::POST, "/api/v1/plugins/postern/hooks/delivery.failed".to_owned(), json!({})),
        (Method::POST, "/api/v1/events".to_owned(), json!({ "type": "postern.delivery.failed", "payload": {} })),
        (Method::DELETE, "/api/v1/event-types/postern.delivery.failed".to_owned(), Value::Null),
        (Method::DELETE, "/api/v1/event-types/postern.delivery.failed?force=true".to_owned(), Value::Null),
    ];
    for (method, path, body) in refused {
        let answer = daemon.api.call(method, &path, body).await;
        assert_detail(&answer.problem(409, "conflict"), &["the host's own"]);
    }
    assert_eq!(daemon.api.items("/api/v1/event-types").await, listed);
    assert!(operator.drain().is_empty() && own_events(&daemon).await.is_empty());
    // One can be tried out like any other.
    let subscription = id(&daemon.api.items("/api/v1/subscriptions").await[0]["id"]);
    let path = format!("/api/v1/subscriptions/{subscription}/send-test");
    let tried = daemon.api.post(&path, json!({ "eventType": "postern.provider.quarantined" })).await;
    assert_came_to(&tried, "success", 1);
    assert_eq!(event_type(&operator.next().await), "postern.provider.quarantined");
}
