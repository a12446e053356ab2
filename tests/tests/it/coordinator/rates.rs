//! How fast deliveries are made: what the subscription says, and what its provider hints at.

use super::{assert_came_to, waiting};
use postern_tests::platform::WEBHOOK;
use postern_tests::tracker::{PACED, PROVIDER};
use postern_tests::{Daemon, Receiver};
use serde_json::{Value, json};
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_gets_no_more_than_its_rate() {
    const BURST: usize = 3;
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_with(WEBHOOK, &receiver, json!({ "rateLimit": { "deliveries": BURST, "per": "1s" } })).await;
    let began = Instant::now();
    let mut events = Vec::new();
    for number in 0..10 {
        events.push(daemon.emit(&format!("Number {number}")).await);
    }
    for arrived in 1..=10 {
        let elapsed = receiver.next().await.at.duration_since(began).as_secs_f64();
        // A hundredth for two clocks.
        let allowed = BURST as f64 * (1.0 + elapsed + 0.01);
        assert!(f64::from(arrived) <= allowed, "{arrived} after {elapsed} s");
    }
    for event in &events {
        assert_came_to(&daemon.settled(event).await, "success", 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_holds_its_own_subscription_and_a_higher_one_lets_it_go() {
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let slow = daemon.subscribe_with(WEBHOOK, &receiver, json!({ "rateLimit": { "deliveries": 1, "per": "24h" } })).await;
    let first = daemon.emit("The one of the day").await;
    assert_came_to(&daemon.settled(&first).await, "success", 1);
    let second = daemon.emit("Tomorrow").await;
    assert_came_to(&waiting(&daemon, &second, "a rate limit allows the next delivery at").await, "pending", 0);
    let path = format!("/api/v1/subscriptions/{slow}");
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let both = daemon.emit("For both").await;
    let free = daemon.with_status(&both, "success").await;
    assert_ne!(free["subscription"], slow, "another subscription of the same receiver goes on: {free:#}");
    daemon.api.patch(&path, json!({ "rateLimit": Value::Null })).await;
    for event in [second, both] {
        daemon.all_settled(&event).await.iter().for_each(|delivery| assert_came_to(delivery, "success", 1));
    }
    assert_eq!(receiver.drain().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_rate_is_withdrawn_when_its_subscription_is_disabled() {
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let limit = json!({ "rateLimit": { "deliveries": 1, "per": "24h" } });
    let subscription = daemon.subscribe_with(WEBHOOK, &receiver, limit).await;
    assert_came_to(&daemon.settled(&daemon.emit("The one of the day").await).await, "success", 1);
    let event = daemon.emit("Tomorrow").await;
    waiting(&daemon, &event, "a rate limit allows the next delivery at").await;
    daemon.api.patch(&format!("/api/v1/subscriptions/{subscription}"), json!({ "enabled": false })).await;
    let withdrawn = daemon.settled(&event).await;
    assert_came_to(&withdrawn, "failed", 0);
    assert_eq!(withdrawn["error"], "the subscription is disabled", "{withdrawn:#}");
    assert_eq!(receiver.drain().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_providers_hint_counts_where_the_subscription_says_nothing() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.add_provider(PROVIDER, PACED).await;
    let hinted = daemon.subscribe_with(PROVIDER, &receiver, json!({})).await;
    assert_came_to(&daemon.settled(&daemon.emit("The one of the hour").await).await, "success", 1);
    let next = daemon.emit("In an hour").await;
    assert_came_to(&waiting(&daemon, &next, "a rate limit allows the next delivery at").await, "pending", 0);
    let own = json!({ "rateLimit": { "deliveries": 1000, "per": "1s" } });
    daemon.api.patch(&format!("/api/v1/subscriptions/{hinted}"), own).await;
    assert_came_to(&daemon.settled(&next).await, "success", 1);
    assert_came_to(&daemon.settled(&daemon.emit("At once").await).await, "success", 1);
}
