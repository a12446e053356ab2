//! Failures, retries, replays, destinations and paused providers on the command line.

use crate::commands::{assert_refused, json_of, ok};
use postern_tests::daemon::Printed;
use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK, id, incident};
use postern_tests::wait::until;
use postern_tests::{Daemon, Receiver, Reply};
use serde_json::{Value, json};

/// Checks that a command line is not understood, for these reasons.
#[track_caller]
fn assert_misused(printed: &Printed, texts: &[&str]) {
    assert_eq!(printed.code, Some(2), "{printed:?}");
    assert!(texts.iter().all(|text| printed.stderr.contains(text)), "{texts:?}: {printed:?}");
}

/// A daemon whose webhook fails at once, and the subscription to it.
async fn failing(reply: Reply) -> (Daemon, Receiver, String) {
    let daemon = Daemon::builder().config("[delivery]\nretry = []\n[delivery.breaker]\nfailures = 1000").start().await;
    let receiver = Receiver::that(reply).await;
    daemon.register_incidents().await;
    let subscription = daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    (daemon, receiver, subscription)
}

/// Emits an event that fails; answers with its delivery's id.
async fn failed(daemon: &Daemon, title: &str) -> String {
    let event = daemon.emit(title).await;
    id(&daemon.with_status(&event, "failed").await["id"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_counted_by_cause_and_replayed() {
    let (daemon, receiver, subscription) = failing(Reply::Status(500)).await;
    assert_eq!(ok(&daemon, &["delivery", "failures"]).await, "(none)");
    failed(&daemon, "First").await;
    let second = failed(&daemon, "Second").await;
    receiver.always(Reply::Status(400));
    let refused = failed(&daemon, "Third").await;

    let table = ok(&daemon, &["delivery", "failures"]).await;
    let rows: Vec<_> = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(rows.len(), 2, "{table}");
    assert_eq!(rows[0][..5], ["2", "http", "500", subscription.as_str(), "A"], "{table}");
    assert_eq!(*rows[0].last().unwrap(), second);
    assert_eq!(rows[1][..3], ["1", "http", "400"]);
    let chosen = json_of(&daemon, &["delivery", "failures", "--http-status", "400", "--reason", "http"]).await;
    assert_eq!(chosen[0]["latest"], json!(refused));
    assert_eq!(chosen.as_array().unwrap().len(), 1);
    assert_eq!(ok(&daemon, &["delivery", "failures", "--until", "1h"]).await, "(none)");
    let since = ["delivery", "failures", "--since", "1h", "--provider", WEBHOOK, "--subscription", &subscription];
    assert_eq!(json_of(&daemon, &since).await.as_array().unwrap().len(), 2);

    receiver.always(Reply::Status(200));
    let replay = ["delivery", "replay", "--http-status", "500", "--per-second", "5000", "--wait"];
    let done = ok(&daemon, &replay).await;
    assert!(done.ends_with("is done: 2 failed deliveries were begun again"), "{done}");
    until("what was replayed to be delivered", || async {
        let left = json_of(&daemon, &["delivery", "list", "--status", "failed"]).await;
        let replayed = json_of(&daemon, &["delivery", "list", "--status", "success"]).await;
        (left.as_array()?.len() == 1 && replayed.as_array()?.len() == 2).then_some(())
    })
    .await;
    let shown = json_of(&daemon, &["delivery", "show", &second]).await;
    let runs: Vec<_> = shown["history"].as_array().unwrap().iter().map(|step| step["run"]["number"].as_u64()).collect();
    assert_eq!((runs.first(), runs.last()), (Some(&Some(1)), Some(&Some(2))), "{shown:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_listed_shown_and_stopped() {
    let (daemon, _receiver, subscription) = failing(Reply::Status(500)).await;
    // So many that the replay is not done before it is stopped, however slow the machine is.
    let event = json!({ "type": INCIDENT_CREATED, "payload": incident("Many") });
    daemon.api.post("/api/v1/events", Value::Array(vec![event; 100])).await;
    until("all deliveries to fail", || async {
        (json_of(&daemon, &["delivery", "failures"]).await[0]["count"] == 100).then_some(())
    })
    .await;
    assert_eq!(ok(&daemon, &["delivery", "replay", "list"]).await, "(none)");
    let ordered = json_of(&daemon, &["delivery", "replay", "--subscription", &subscription, "--per-second", "1"]).await;
    let (replay, order) = (id(&ordered["id"]), &ordered["order"]);
    assert_eq!((&ordered["total"], &order["perSecond"], &order["status"]), (&json!(100), &json!(1), &json!("failed")));
    let table = ok(&daemon, &["delivery", "replay", "list"]).await;
    assert!(table.contains(&replay) && table.contains(&format!("subscription={subscription}")), "{table}");
    let stopped = ok(&daemon, &["delivery", "replay", "stop", &replay]).await;
    assert!(stopped.starts_with(&format!("the replay {replay} is stopped: ")), "{stopped}");
    assert_eq!(json_of(&daemon, &["delivery", "replay", "show", &replay]).await["state"], "stopped");
    let waited = ok(&daemon, &["delivery", "replay", "show", &replay, "--wait"]).await;
    assert_eq!(waited, stopped, "there is nothing to wait for");

    let none = ok(&daemon, &["delivery", "replay", "--all", "--status", "success", "--wait"]).await;
    assert!(none.ends_with("is done: no successful delivery was found"), "{none}");
    let ordered = ok(&daemon, &["delivery", "replay", "--all"]).await;
    assert!(
        ordered.contains(" failed deliveries were begun again so far") && ordered.contains("postern delivery replay show"),
        "{ordered}"
    );
    let listed = json_of(&daemon, &["delivery", "replay", "list"]).await;
    let last = ordered.split_whitespace().nth(2).unwrap();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (3, &json!(last)), "the newest comes first");
    assert_eq!(json_of(&daemon, &["delivery", "replay", "list", "--limit", "1"]).await.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_delivery_is_retried_or_cancelled() {
    let (daemon, mut receiver, subscription) = failing(Reply::Status(500)).await;
    let config = json!({ "url": receiver.url() }).to_string();
    ok(&daemon, &["subscription", "delete", &subscription]).await;
    let create =
        ["subscription", "create", "--name", "Held", "--provider", WEBHOOK, "--event", INCIDENT_CREATED, "--config", &config];
    let held = [&create[..], &["--entity-key", ".payload.incidentId", "--entity-order", "hold"]].concat();
    assert_eq!(json_of(&daemon, &held).await["entityOrder"], "hold");
    assert_misused(&daemon.command(&[&create[..], &["--entity-order", "hold"]].concat()).await, &["--entity-key"]);

    let first = failed(&daemon, "First").await;
    let emitted =
        json_of(&daemon, &["event", "emit", "incident", "incident.created", "--payload", &incident("Second").to_string()]).await;
    let second = format!("{}-0", id(&emitted["event"]));
    let waiting = json_of(&daemon, &["delivery", "show", &second]).await;
    assert_eq!(waiting["waitsFor"], format!("the delivery {first} about the same entity comes before it"));

    assert_eq!(ok(&daemon, &["delivery", "cancel", &second]).await, format!("cancelled {second}"));
    let cancelled = json_of(&daemon, &["delivery", "show", &second]).await;
    assert_eq!((&cancelled["status"], &cancelled["reason"]["class"]), (&json!("failed"), &json!("cancelled")));
    assert_refused(&daemon.command(&["delivery", "cancel", &second]).await, &["is final; there is nothing to cancel"]);
    let released = ok(&daemon, &["delivery", "cancel", &first]).await;
    assert_eq!(released, format!("{first} stays failed; what it held of its entity goes on"));

    receiver.drain();
    receiver.always(Reply::Hold);
    let retried = ok(&daemon, &["delivery", "retry", &first]).await;
    assert!(retried.starts_with(&format!("{first} is tried again")), "{retried}");
    receiver.next().await;
    assert_refused(&daemon.command(&["delivery", "retry", &first]).await, &["is still being tried"]);
    assert_refused(&daemon.command(&["delivery", "cancel", &first]).await, &["is being attempted at this moment"]);
    receiver.release();
    until("the second run to succeed", || async {
        (json_of(&daemon, &["delivery", "show", &first]).await["status"] == "success").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn destinations_and_paused_providers_are_told() {
    let (daemon, mut receiver, _) = failing(Reply::Status(500)).await;
    failed(&daemon, "First").await;
    let destinations = json_of(&daemon, &["delivery", "destinations"]).await;
    assert_eq!(destinations[0]["destination"], receiver.url());
    let table = ok(&daemon, &["delivery", "destinations"]).await;
    assert!(table.contains("closed") && table.contains(&receiver.url()), "{table}");

    receiver.drain();
    receiver.always(Reply::Status(200));
    let disabled = ok(&daemon, &["provider", "disable", WEBHOOK]).await;
    assert!(disabled.ends_with("postern provider enable postern.webhook"), "{disabled}");
    assert!(ok(&daemon, &["provider", "list"]).await.contains("disabled"));
    let event = daemon.emit("Waits").await;
    until("the delivery to wait for its provider", || async {
        let shown = json_of(&daemon, &["delivery", "show", &format!("{event}-0")]).await;
        (shown["waitsFor"].as_str()?.starts_with("postern.webhook is paused: it is disabled")).then_some(())
    })
    .await;
    assert_eq!(ok(&daemon, &["provider", "enable", WEBHOOK]).await, "postern.webhook is active");
    daemon.with_status(&event, "success").await;
    assert_refused(&daemon.command(&["provider", "enable", "no.such"]).await, &["there is no provider `no.such`"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_disabled_a_subscription_says_why() {
    let daemon = Daemon::builder().config("[delivery]\nretry = []\ndisable-after = \"1ms\"").start().await;
    let receiver = Receiver::that(Reply::Status(500)).await;
    daemon.register_incidents().await;
    let subscription = daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    failed(&daemon, "First").await;
    failed(&daemon, "Second").await;
    let reason = until("the subscription to be disabled", || async {
        let shown = json_of(&daemon, &["subscription", "show", &subscription]).await;
        shown["disabledReason"].as_str().map(str::to_owned)
    })
    .await;
    let table = ok(&daemon, &["subscription", "list", "--enabled", "false"]).await;
    let beginning: String = reason.chars().take(40).collect();
    assert!(table.contains("REASON") && table.contains(&beginning), "{reason}: {table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_told_before_anything_is_replayed() {
    let daemon = Daemon::start().await;
    assert_refused(&daemon.command(&["delivery", "replay"]).await, &["which deliveries to replay", "--reason", "--all"]);
    assert_refused(&daemon.command(&["delivery", "replay", "--status", "success"]).await, &["--all"]);
    assert_refused(&daemon.command(&["delivery", "replay", "--all", "--reason", "http"]).await, &["--all"]);
    assert_refused(
        &daemon.command(&["delivery", "replay", "--reason", "http", "--status", "success"]).await,
        &["/status", "no reason"],
    );
    assert_refused(&daemon.command(&["delivery", "replay", "--all", "--per-second", "0"]).await, &["/perSecond", "1 to 5000"]);
    assert_eq!(ok(&daemon, &["delivery", "replay", "list"]).await, "(none)", "nothing was ordered");
    assert_misused(&daemon.command(&["delivery", "failures", "--reason", "slow"]).await, &["slow", "timeout", "withdrawn"]);
    assert_misused(&daemon.command(&["delivery", "failures", "--since", "yesterday"]).await, &["yesterday", "how long ago"]);
    assert_misused(&daemon.command(&["delivery", "list", "--status", "done"]).await, &["done", "retrying"]);
    assert_refused(&daemon.command(&["delivery", "replay", "show", "x/../y"]).await, &["there is no replay `x/../y`"]);
    assert_refused(&daemon.command(&["delivery", "retry", "x"]).await, &["not a valid delivery id"]);
    assert_refused(&daemon.command(&["delivery", "failures", "--token", ""]).await, &["a token is needed", "admin-token"]);
    assert_refused(
        &daemon.command(&["delivery", "failures", "--server", "127.0.0.1:1"]).await,
        &["no URL", "http://127.0.0.1:7676"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_by_entity_can_be_declared_in_files() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    // JSON is YAML.
    let file = daemon.data().join("held.yaml");
    let mut declared = json!({
        "name": "Held", "providerId": WEBHOOK, "events": [INCIDENT_CREATED], "entityKey": ".payload.incidentId",
        "entityOrder": "hold", "providerConfig": { "url": "https://example.com/held" },
    });
    let apply = ["apply", "--file", file.to_str().unwrap()];
    for (order, said) in [("hold", "1 created"), ("hold", "1 unchanged"), ("skip", "entityOrder: \"hold\" → \"skip\"")] {
        declared["entityOrder"] = json!(order);
        std::fs::write(&file, json!({ "subscriptions": [&declared] }).to_string()).unwrap();
        let done = ok(&daemon, &apply).await;
        assert!(done.contains(said), "{said}: {done}");
        assert_eq!(json_of(&daemon, &["subscription", "list"]).await[0]["entityOrder"], order);
    }
}
