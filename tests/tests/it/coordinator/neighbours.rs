//! No neighbour suffers: slow, failing, hanging, rate-limiting and flapping receivers beside a healthy one.

use super::assert_came_to;
use postern_tests::platform::WEBHOOK;
use postern_tests::wait::until;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use serde_json::{Value, json};

on_each_engine!(a_healthy_receiver_gets_everything_while_its_neighbours_misbehave,);

const EVENTS: usize = 60;
const FEW_PLACES: &str =
    "[delivery]\nconcurrency = 16\nretry = [\"100ms\", \"1h\"]\nbreaker.failures = 5\nbreaker.pause = \"200ms\"";

/// Subscribes a receiver that may take a minute.
async fn subscribe(daemon: &Daemon, receiver: &Receiver, name: &str) -> String {
    let config = json!({ "url": receiver.url(), "timeout": 60_000 });
    daemon.subscribe_with(WEBHOOK, receiver, json!({ "name": name, "providerConfig": config })).await
}

/// How many deliveries of a subscription have this status.
async fn count(daemon: &Daemon, subscription: &str, status: &str) -> usize {
    daemon.api.items(&format!("/api/v1/deliveries?subscription={subscription}&status={status}&limit=500")).await.len()
}

async fn all_delivered(daemon: &Daemon, subscription: &str) {
    until("the healthy receiver to have everything", || async {
        (count(daemon, subscription, "success").await == EVENTS).then_some(())
    })
    .await;
}

async fn destination(daemon: &Daemon, receiver: &Receiver) -> Value {
    let known = daemon.api.items("/api/v1/destinations").await;
    known.into_iter().find(|known| known["destination"] == receiver.url()).expect("a known destination")
}

async fn a_healthy_receiver_gets_everything_while_its_neighbours_misbehave(engine: Engine) {
    let daemon = Daemon::builder().engine(engine).config(FEW_PLACES).start().await;
    daemon.register_incidents().await;
    let refusal = Reply::Full(429, vec![("Retry-After", "3600".into())], String::new());
    let (slow, failing, hanging) =
        (Receiver::that(Reply::Hold).await, Receiver::that(Reply::Status(500)).await, Receiver::that(Reply::Hold).await);
    let (limiting, flapping, healthy) = (Receiver::that(refusal).await, Receiver::start().await, Receiver::start().await);
    flapping.script([Reply::Status(500), Reply::Status(200), Reply::Close].into_iter().cycle().take(EVENTS));
    // The slow one answers one after the other, while the hanging one does not at all.
    (0..EVENTS / 10).for_each(|_| slow.release_one());
    let mut subscriptions = Vec::new();
    for (receiver, name) in
        [(&hanging, "hanging"), (&slow, "slow"), (&failing, "failing"), (&limiting, "limiting"), (&flapping, "flapping")]
    {
        subscriptions.push(subscribe(&daemon, receiver, name).await);
    }
    let well = subscribe(&daemon, &healthy, "healthy").await;
    let mut events = Vec::new();
    for number in 0..EVENTS {
        events.push(daemon.emit(&format!("Number {number}")).await);
    }
    all_delivered(&daemon, &well).await;
    let hangs = destination(&daemon, &hanging).await;
    assert!(hangs["inFlight"].as_u64().is_some_and(|in_flight| in_flight >= 1) && hangs["slow"] == true, "{hangs:#}");
    assert_eq!(count(&daemon, &subscriptions[0], "pending").await, EVENTS, "none of the hanging one's is over");
    assert!(count(&daemon, &subscriptions[1], "pending").await >= EVENTS / 2);
    assert_eq!(count(&daemon, &subscriptions[2], "success").await, 0);
    assert_eq!(count(&daemon, &subscriptions[3], "success").await, 0);
    for event in &events {
        let deliveries = daemon.deliveries(event).await;
        let own = deliveries.iter().find(|delivery| delivery["subscription"] == well.as_str()).expect("its delivery");
        assert_came_to(own, "success", 1);
    }
    // What only took long comes to its end as well.
    slow.release();
    hanging.release();
    for subscription in &subscriptions[..2] {
        all_delivered(&daemon, subscription).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_nobody_knows_yet_does_not_wait_for_those_that_hang() {
    let daemon = Daemon::builder().config(FEW_PLACES).start().await;
    daemon.register_incidents().await;
    let mut hanging = Vec::new();
    for number in 0..5 {
        let receiver = Receiver::that(Reply::Hold).await;
        subscribe(&daemon, &receiver, &format!("hanging {number}")).await;
        hanging.push(receiver);
    }
    for number in 0..EVENTS {
        daemon.emit(&format!("Number {number}")).await;
    }
    // All places that those may have who have not shown that they are quick are taken.
    until("the hanging ones to take what they can", || async {
        let known = daemon.api.items("/api/v1/destinations").await;
        let in_flight: u64 = known.iter().map(|known| known["inFlight"].as_u64().unwrap()).sum();
        let slow = known.iter().all(|known| known["slow"] == true);
        (in_flight >= 12 && slow).then_some(())
    })
    .await;
    let healthy = Receiver::start().await;
    let late = subscribe(&daemon, &healthy, "late").await;
    for number in 0..EVENTS {
        daemon.emit(&format!("Late {number}")).await;
    }
    all_delivered(&daemon, &late).await;
    let others = daemon.api.items("/api/v1/deliveries?status=pending&limit=500").await;
    assert!(others.len() >= 5 * EVENTS && others.iter().all(|delivery| delivery["attempts"] == 0), "none of the others is over");
}
