//! Who gets which events, and what a change of a subscription does.

use super::arrival::{signing_secret, verifies};
use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK, attempts, id, incident_type};
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use serde_json::json;

on_each_engine!(
    an_event_fans_out_to_every_subscription,
    a_disabled_subscription_gets_nothing_new_and_what_is_queued_ends,
    a_deleted_subscription_gets_nothing_new_and_what_is_queued_ends,
    a_change_that_sends_the_mark_back_keeps_the_secret,
);

async fn an_event_fans_out_to_every_subscription(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    daemon.register_incidents().await;
    let mut receivers = [Receiver::start().await, Receiver::start().await, Receiver::start().await];
    receivers[1].always(Reply::Status(410));
    let mut subscriptions = Vec::new();
    for receiver in &receivers {
        subscriptions.push(daemon.subscribe_webhook(json!({ "url": receiver.url() })).await);
    }
    let emitted =
        daemon.api.post("/api/v1/plugins/incident/hooks/incident.created", postern_tests::platform::incident("Three")).await;
    assert_eq!(emitted["deliveries"], 3);
    let event = id(&emitted["event"]);
    let deliveries = daemon.all_settled(&event).await;
    assert_eq!(deliveries.len(), 3);
    for (place, receiver) in receivers.iter_mut().enumerate() {
        let received = receiver.next().await;
        let delivery = deliveries.iter().find(|delivery| delivery["subscription"] == subscriptions[place].as_str()).unwrap();
        assert_eq!(received.header("x-delivery-id"), delivery["id"], "each delivery has an id of its own");
        let expected = if place == 1 { "failed" } else { "success" };
        assert_eq!(delivery["status"], expected, "one that fails fails alone");
    }
    let shown = daemon.api.get(&format!("/api/v1/events/{event}")).await;
    assert_eq!(shown["deliveries"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wildcard_gets_what_is_below_it_and_nothing_beside_it() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    for (plugin, hook) in [("incident", "incident.closed"), ("incidents", "created"), ("audit", "incident.created")] {
        daemon.api.put(&format!("/api/v1/plugins/{plugin}/events/{hook}"), incident_type()).await;
    }
    daemon.subscribe(WEBHOOK, &["incident.*"], json!({ "url": receiver.url() })).await;
    let table = [
        ("incident/hooks/incident.created", 1),
        ("incident/hooks/incident.closed", 1),
        ("incidents/hooks/created", 0),
        ("audit/hooks/incident.created", 0),
    ];
    for (hook, deliveries) in table {
        let payload = postern_tests::platform::incident("Matched?");
        let emitted = daemon.api.post(&format!("/api/v1/plugins/{hook}"), payload).await;
        assert_eq!(emitted["deliveries"], deliveries, "{hook}");
    }
}

/// Two seconds: long enough to change something meanwhile, short enough to wait for.
const SLOW_RETRY: &str = "[delivery]\nretry = [\"2s\"]";

async fn a_disabled_subscription_gets_nothing_new_and_what_is_queued_ends(engine: Engine) {
    let daemon = Daemon::builder().engine(engine).config(SLOW_RETRY).start().await;
    let mut receiver = Receiver::that(Reply::Status(503)).await;
    daemon.register_incidents().await;
    let subscription = daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let queued = daemon.emit("Queued").await;
    daemon.with_status(&queued, "retrying").await;
    let path = format!("/api/v1/subscriptions/{subscription}");
    assert_eq!(daemon.api.patch(&path, json!({ "enabled": false })).await["enabled"], false);

    let new = daemon.emit("New").await;
    assert!(daemon.deliveries(&new).await.is_empty());
    let ended = daemon.settled(&queued).await;
    assert_eq!((&ended["status"], &ended["error"]), (&json!("failed"), &json!("the subscription is disabled")), "{ended:#}");
    assert_eq!(attempts(&ended).len(), 1);
    assert_eq!(receiver.drain().len(), 1);

    receiver.always(Reply::Status(200));
    daemon.api.patch(&path, json!({ "enabled": true })).await;
    assert_eq!(daemon.settled(&daemon.emit("Enabled again").await).await["status"], "success");
}

async fn a_deleted_subscription_gets_nothing_new_and_what_is_queued_ends(engine: Engine) {
    let daemon = Daemon::builder().engine(engine).config(SLOW_RETRY).start().await;
    let mut receiver = Receiver::that(Reply::Status(503)).await;
    daemon.register_incidents().await;
    let subscription = daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let queued = daemon.emit("Queued").await;
    daemon.with_status(&queued, "retrying").await;
    let path = format!("/api/v1/subscriptions/{subscription}");
    daemon.api.delete(&path).await;

    let new = daemon.emit("New").await;
    assert!(daemon.deliveries(&new).await.is_empty());
    let ended = daemon.settled(&queued).await;
    assert_eq!((&ended["status"], &ended["error"]), (&json!("failed"), &json!("the subscription was deleted")), "{ended:#}");
    assert_eq!(receiver.drain().len(), 1);
    daemon.api.call(reqwest::Method::GET, &path, json!(null)).await.problem(404, "not-found");
}

async fn a_change_that_sends_the_mark_back_keeps_the_secret(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let secret = signing_secret(1);
    let subscription = daemon.subscribe_webhook(json!({ "url": receiver.url() + "/old", "signingSecret": secret })).await;
    let path = format!("/api/v1/subscriptions/{subscription}");

    let mut config = daemon.api.get(&path).await["providerConfig"].take();
    assert_eq!(config["signingSecret"], "[secret]");
    config["url"] = json!(receiver.url() + "/new");
    daemon.api.patch(&path, json!({ "providerConfig": config })).await;
    daemon.emit("Changed").await;
    let received = receiver.next().await;
    assert_eq!(received.target, "/new");
    assert!(verifies(&secret, &received), "the secret is the one from before");

    let other = signing_secret(2);
    daemon.api.patch(&path, json!({ "providerConfig": { "signingSecret": other } })).await;
    daemon.emit("Replaced").await;
    let received = receiver.next().await;
    assert!(verifies(&other, &received) && !verifies(&secret, &received), "a new one replaces it");

    daemon.api.patch(&path, json!({ "providerConfig": { "signingSecret": null } })).await;
    daemon.emit("Cleared").await;
    assert_eq!(receiver.next().await.header("webhook-signature"), "", "null clears it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listings_go_on_where_they_ended_and_filters_hold() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let subscription = daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let mut events = Vec::new();
    for number in 0..7 {
        events.push(daemon.emit(&format!("Number {number}")).await);
    }
    daemon.settled(events.last().unwrap()).await;
    events.reverse();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/deliveries?limit=3&subscription={subscription}&eventType={INCIDENT_CREATED}{cursor}");
        let page = daemon.api.get(&path).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|delivery| id(&delivery["event"])));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, events, "newest first, none twice, none left out");
    let nobody = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    assert!(daemon.api.items(&format!("/api/v1/deliveries?subscription={nobody}")).await.is_empty());
}
