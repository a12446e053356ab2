//! Upgrades while deliveries go on.

use super::{PATH, kept};
use postern_tests::platform::id;
use postern_tests::tracker::{BUILD, PROVIDER, REPAIRED};
use postern_tests::wait::until;
use postern_tests::{Engine, Receiver, on_each_engine};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

on_each_engine!(fifty_upgrades_lose_no_delivery_and_repeat_none);

const UPGRADES: usize = 50;
const SUBSCRIPTIONS: usize = 4;

/// Without a crash each delivery arrives once: an upgrade ends no call.
async fn fifty_upgrades_lose_no_delivery_and_repeat_none(engine: Engine) {
    let daemon = postern_tests::Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.add_tracker().await;
    for _ in 0..SUBSCRIPTIONS {
        daemon.subscribe_with(PROVIDER, &receiver, json!({})).await;
    }
    let over = AtomicBool::new(false);
    let emit = async || {
        let mut events = Vec::new();
        while !over.load(Ordering::Relaxed) {
            events.push(daemon.emit("Meanwhile").await);
        }
        events
    };
    let upgrade = async {
        for number in 0..UPGRADES {
            let build = if number % 2 == 0 { REPAIRED } else { BUILD };
            let answer = daemon.offer(build).await.success();
            assert_eq!(answer["state"], "active", "{number}");
        }
        over.store(true, Ordering::Relaxed);
    };
    let ((), one, two) = tokio::join!(upgrade, emit(), emit());
    let events: Vec<_> = one.into_iter().chain(two).collect();
    let expected = events.len() * SUBSCRIPTIONS;
    assert!(events.len() > UPGRADES, "only {} events were emitted meanwhile", events.len());

    let mut arrived = BTreeMap::<String, usize>::new();
    until("every delivery to arrive", || {
        for request in receiver.drain() {
            *arrived.entry(id(&request.json()["delivery"])).or_default() += 1;
        }
        std::future::ready((arrived.len() >= expected).then_some(()))
    })
    .await;
    let mut builds = BTreeSet::new();
    for event in &events {
        for delivery in daemon.all_settled(event).await {
            assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("success"), &json!(1)), "{delivery:#}");
            builds.insert(id(&postern_tests::platform::attempts(&delivery)[0]["provider"]["version"]));
        }
    }
    for request in receiver.drain() {
        *arrived.entry(id(&request.json()["delivery"])).or_default() += 1;
    }
    assert_eq!(arrived.len(), expected);
    assert!(arrived.values().all(|times| *times == 1), "some arrived more than once: {arrived:?}");
    assert_eq!(builds, BTreeSet::from(["1.0.0".to_owned(), "1.0.1".to_owned()]), "both builds delivered");
    assert_eq!(kept(&daemon).await.len(), 2);
    assert_eq!(daemon.api.get(PATH).await["state"], "active");
    let added = daemon.api.items("/api/v1/audit?limit=500").await;
    assert_eq!(added.iter().filter(|record| record["action"] == "provider.add").count(), UPGRADES + 1);
}
