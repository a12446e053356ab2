//! A subscription of which nothing but failures comes is announced, then disabled.

use super::{assert_came_to, kill};
use postern_tests::platform::{WEBHOOK, id};
use postern_tests::{Daemon, Engine, Received, Receiver, Reply, on_each_engine};
use serde_json::{Value, json};

on_each_engine!(
    a_warning_at_half_of_the_time_and_the_end_after_it,
    a_success_after_a_warning_is_told_and_begins_anew,
    subscribers_of_announcements_are_disabled_without_more_of_them,
);

/// Long enough that a slow machine does not miss the half of it.
const SOON: &str = "[delivery]\nretry = []\ndisable-after = \"4s\"\nbreaker.failures = 1000000";

struct Watched {
    daemon: Daemon,
    receiver: Receiver,
    operator: Receiver,
    subscription: String,
}

impl Watched {
    async fn start(engine: Engine) -> Self {
        let daemon = Daemon::builder().engine(engine).config(SOON).start().await;
        let (receiver, operator) = (Receiver::that(Reply::Status(500)).await, Receiver::start().await);
        daemon.register_incidents().await;
        let subscription = daemon.subscribe_with(WEBHOOK, &receiver, json!({ "name": "Fails" })).await;
        daemon.subscribe_with(WEBHOOK, &operator, json!({ "events": ["postern.subscription.*"] })).await;
        Self { daemon, receiver, operator, subscription }
    }

    /// Lets deliveries fail until something is announced, and that is recorded as delivered.
    async fn until_announced(&mut self) -> Received {
        loop {
            let event = self.daemon.emit("Fails").await;
            tokio::select! {
                biased;
                announced = self.operator.next() => {
                    self.daemon.all_settled(announced.header("x-delivery-id").trim_end_matches("-0")).await;
                    self.daemon.all_settled(&event).await;
                    return announced;
                }
                _ = self.daemon.all_settled(&event) => {}
            }
        }
    }

    fn path(&self) -> String {
        format!("/api/v1/subscriptions/{}", self.subscription)
    }
}

fn told(received: &Received) -> (String, Value) {
    (received.header("x-event-type").to_owned(), received.json()["data"].clone())
}

async fn a_warning_at_half_of_the_time_and_the_end_after_it(engine: Engine) {
    let mut watched = Watched::start(engine).await;
    let (event_type, warning) = told(&watched.until_announced().await);
    assert_eq!(event_type, "postern.subscription.failing");
    assert_eq!(warning["subscription"], json!({ "id": watched.subscription, "name": "Fails" }));
    assert_eq!(warning["provider"], WEBHOOK);
    assert!(warning["error"].as_str().unwrap().contains("500"), "{warning:#}");
    let now = watched.daemon.api.get(&watched.path()).await;
    assert!(now["enabled"] == true && now.get("disabledReason").is_none(), "{now:#}");
    // What is waiting then is withdrawn.
    let (event_type, end) = told(&watched.until_announced().await);
    assert_eq!(event_type, "postern.subscription.disabled");
    assert_eq!(end["failingSince"], warning["failingSince"], "one series");
    let now = watched.daemon.api.get(&watched.path()).await;
    assert_eq!(now["enabled"], false);
    let reason = id(&now["disabledReason"]);
    assert!(reason.contains(&id(&end["failingSince"])) && reason.contains("500"), "{reason}");

    kill(&mut watched.daemon).await;
    watched.daemon.restart().await;
    assert_eq!(watched.daemon.api.get(&watched.path()).await["disabledReason"], json!(reason));
    let unheard = watched.daemon.emit("For nobody").await;
    assert!(watched.daemon.deliveries(&unheard).await.is_empty());
    watched.receiver.always(Reply::Status(200));
    let enabled = watched.daemon.api.patch(&watched.path(), json!({ "enabled": true })).await;
    assert!(enabled["enabled"] == true && enabled.get("disabledReason").is_none(), "{enabled:#}");
    assert_came_to(&watched.daemon.settled(&watched.daemon.emit("Works again").await).await, "success", 1);
    let audit = watched.daemon.api.items(&format!("/api/v1/audit?object={}", watched.subscription)).await;
    assert!(audit.iter().any(|entry| entry["action"] == "subscription.disable"), "{audit:#?}");
    assert!(watched.operator.drain().is_empty(), "a change by hand is no recovery to tell of");
}

async fn a_success_after_a_warning_is_told_and_begins_anew(engine: Engine) {
    let mut watched = Watched::start(engine).await;
    let (_, warning) = told(&watched.until_announced().await);
    // A restart in between forgets nothing that was told.
    kill(&mut watched.daemon).await;
    watched.daemon.restart().await;
    watched.receiver.always(Reply::Status(200));
    assert_came_to(&watched.daemon.settled(&watched.daemon.emit("Works again").await).await, "success", 1);
    let (event_type, recovered) = told(&watched.operator.next().await);
    assert_eq!(event_type, "postern.subscription.recovered");
    assert_eq!(recovered["failingSince"], warning["failingSince"]);
    assert_eq!(recovered["subscription"], warning["subscription"]);
    watched.receiver.always(Reply::Status(500));
    let (event_type, again) = told(&watched.until_announced().await);
    assert_eq!(event_type, "postern.subscription.failing", "a new series begins with a new warning");
    assert!(id(&again["failingSince"]) > id(&warning["failingSince"]), "{again:#}");
}

async fn subscribers_of_announcements_are_disabled_without_more_of_them(engine: Engine) {
    let daemon = Daemon::builder().engine(engine).config(SOON).start().await;
    let (receiver, operator) = (Receiver::that(Reply::Status(410)).await, Receiver::that(Reply::Status(410)).await);
    daemon.register_incidents().await;
    daemon.subscribe_with(WEBHOOK, &receiver, json!({ "retry": [] })).await;
    let all = daemon.subscribe_with(WEBHOOK, &operator, json!({ "events": ["postern.*"] })).await;
    let path = format!("/api/v1/subscriptions/{all}");
    // Both fail in the same measure, and only one of them is to be told of.
    while daemon.api.get(&path).await["enabled"] == true {
        let event = daemon.emit("Fails").await;
        daemon.all_settled(&event).await;
        let subscription = &daemon.api.items("/api/v1/subscriptions").await[0];
        if subscription["enabled"] == false {
            daemon.api.patch(&format!("/api/v1/subscriptions/{}", id(&subscription["id"])), json!({ "enabled": true })).await;
        }
    }
    let told = daemon.api.items("/api/v1/events?eventType=postern.subscription.failing&limit=500").await;
    let about: Vec<_> = told.iter().map(|event| event["payload"]["subscription"]["id"].clone()).collect();
    assert!(!about.contains(&json!(all)), "{about:?}");
    let disabled = daemon.api.items("/api/v1/events?eventType=postern.subscription.disabled&limit=500").await;
    assert!(disabled.iter().all(|event| event["payload"]["subscription"]["id"] != json!(all)), "{disabled:#?}");
}
