//! A subscription may want an entity held after a final failure: what follows waits until somebody decides.

use super::{assert_came_to, by_hand, kill, title, waiting};
use postern_tests::platform::WEBHOOK;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use serde_json::{Value, json};

on_each_engine!(
    a_success_of_the_failed_one_lets_the_next_go,
    a_retry_that_fails_holds_on,
    cancelling_the_failed_one_lets_the_next_go,
    choosing_to_skip_lets_the_next_go,
    disabling_the_subscription_withdraws_what_waits,
    deleting_the_subscription_withdraws_what_waits,
);

/// A subscription whose first delivery about an entity failed for good, and two behind it.
struct Held {
    daemon: Daemon,
    receiver: Receiver,
    subscription: String,
    failed: String,
    behind: Vec<String>,
}

impl Held {
    async fn start(engine: Engine, restarts: bool) -> Self {
        let mut daemon = Daemon::on(engine).await;
        let receiver = Receiver::start().await;
        daemon.register_incidents().await;
        let changes = json!({ "entityKey": ".payload.incidentId", "entityOrder": "hold" });
        let subscription = daemon.subscribe_with(WEBHOOK, &receiver, changes).await;
        receiver.script([Reply::Status(410)]);
        let failed = daemon.emit_about("a", "a1").await;
        let behind = vec![daemon.emit_about("a", "a2").await, daemon.emit_about("a", "a3").await];
        assert_came_to(&daemon.settled(&failed).await, "failed", 1);
        if restarts {
            kill(&mut daemon).await;
            daemon.restart().await;
        }
        let mut held = Self { daemon, receiver, subscription, failed, behind };
        held.assert_holds().await;
        let other = held.daemon.emit_about("b", "b1").await;
        assert_came_to(&held.daemon.settled(&other).await, "success", 1);
        assert_eq!(held.arrived(), ["a1", "b1"], "other entities go on");
        held
    }

    async fn assert_holds(&self) {
        let failed = self.daemon.settled(&self.failed).await;
        for event in &self.behind {
            let waits = waiting(&self.daemon, event, failed["id"].as_str().unwrap()).await;
            assert_came_to(&waits, "pending", 0);
        }
    }

    fn arrived(&mut self) -> Vec<String> {
        self.receiver.drain().iter().map(title).collect()
    }

    fn path(&self) -> String {
        format!("/api/v1/subscriptions/{}", self.subscription)
    }

    async fn assert_behind(&self, status: &str, attempts: u32) -> Value {
        let mut last = Value::Null;
        for event in &self.behind {
            last = self.daemon.settled(event).await;
            assert_came_to(&last, status, attempts);
        }
        last
    }
}

async fn a_success_of_the_failed_one_lets_the_next_go(engine: Engine) {
    for restarts in [false, true] {
        let mut held = Held::start(engine, restarts).await;
        by_hand(&held.daemon, &held.failed, "retry").await;
        held.assert_behind("success", 1).await;
        assert_came_to(&held.daemon.settled(&held.failed).await, "success", 2);
        assert_eq!(held.arrived(), ["a1", "a2", "a3"]);
    }
}

async fn a_retry_that_fails_holds_on(engine: Engine) {
    let mut held = Held::start(engine, false).await;
    held.receiver.script([Reply::HoldThen(Box::new(Reply::Status(410)))]);
    by_hand(&held.daemon, &held.failed, "retry").await;
    assert_eq!(title(&held.receiver.next().await), "a1");
    // While it is tried again, and when the process ends in the midst of it.
    kill(&mut held.daemon).await;
    held.receiver.script([Reply::Status(410)]);
    held.daemon.restart().await;
    assert_came_to(&held.daemon.settled(&held.failed).await, "failed", 2);
    held.assert_holds().await;
    assert_eq!(held.arrived(), ["a1"]);
    by_hand(&held.daemon, &held.failed, "retry").await;
    held.assert_behind("success", 1).await;
    assert_eq!(held.arrived(), ["a1", "a2", "a3"]);
}

async fn cancelling_the_failed_one_lets_the_next_go(engine: Engine) {
    for restarts in [false, true] {
        let mut held = Held::start(engine, restarts).await;
        by_hand(&held.daemon, &held.failed, "cancel").await;
        held.assert_behind("success", 1).await;
        assert_came_to(&held.daemon.settled(&held.failed).await, "failed", 1);
        assert_eq!(held.arrived(), ["a2", "a3"]);
        super::refused_by_hand(&held.daemon, &held.failed, "cancel").await;
    }
}

async fn choosing_to_skip_lets_the_next_go(engine: Engine) {
    for restarts in [false, true] {
        let mut held = Held::start(engine, restarts).await;
        held.daemon.api.patch(&held.path(), json!({ "description": "Something else is changed" })).await;
        held.assert_holds().await;
        held.daemon.api.patch(&held.path(), json!({ "entityOrder": "skip" })).await;
        held.assert_behind("success", 1).await;
        assert_eq!(held.arrived(), ["a2", "a3"]);
    }
}

async fn disabling_the_subscription_withdraws_what_waits(engine: Engine) {
    for restarts in [false, true] {
        let mut held = Held::start(engine, restarts).await;
        held.daemon.api.patch(&held.path(), json!({ "enabled": false })).await;
        let last = held.assert_behind("failed", 0).await;
        assert_eq!((&last["error"], &last["reason"]["class"]), (&json!("the subscription is disabled"), &json!("withdrawn")));
        assert!(held.arrived().is_empty());
    }
}

async fn deleting_the_subscription_withdraws_what_waits(engine: Engine) {
    for restarts in [false, true] {
        let mut held = Held::start(engine, restarts).await;
        held.daemon.api.delete(&held.path()).await;
        let last = held.assert_behind("failed", 0).await;
        assert_eq!((&last["error"], &last["reason"]["class"]), (&json!("the subscription was deleted"), &json!("withdrawn")));
        assert!(held.arrived().is_empty());
    }
}
