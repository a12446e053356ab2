//! A provider whose calls trap again and again is paused; its deliveries wait, others go on.

use super::{assert_came_to, kill, title, waiting};
use crate::bad_input::assert_detail;
use postern_tests::platform::{WEBHOOK, attempts, outcome};
use postern_tests::tracker::{BUILD, PACED, PROVIDER, REPAIRED};
use postern_tests::wait::until;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

on_each_engine!(
    traps_in_a_row_quarantine_a_provider_until_it_is_enabled,
    a_new_build_lifts_the_quarantine,
    an_operator_pauses_a_provider,
);

/// As many retries as no test sees used up, and those of `own` settings come at once.
const PATIENT: &str =
    "[delivery]\nretry = { initial = \"10ms\", factor = 1.0, max = \"10ms\", horizon = \"1h\" }\nquarantine-after = 3";

const PATH: &str = "/api/v1/providers/test.tracker";

async fn quarantined(daemon: &Daemon) -> Value {
    until("the provider to be quarantined", || async {
        let provider = daemon.api.get(PATH).await;
        (provider["state"] == "quarantined").then_some(provider)
    })
    .await
}

/// Somebody who hears of quarantines.
async fn hears(daemon: &Daemon) -> Receiver {
    let receiver = Receiver::start().await;
    let body = json!({ "events": ["postern.provider.*"] });
    daemon.subscribe_with(WEBHOOK, &receiver, body).await;
    receiver
}

async fn traps_in_a_row_quarantine_a_provider_until_it_is_enabled(engine: Engine) {
    let mut daemon = Daemon::builder().engine(engine).config(PATIENT).start().await;
    let (mut receiver, mut operator) = (Receiver::start().await, hears(&daemon).await);
    daemon.register_incidents().await;
    daemon.add_tracker().await;
    let url = receiver.url();
    let config = |panics: bool| json!({ "providerConfig": { "url": url, "panics": panics } });
    let panics = daemon.subscribe_with(PROVIDER, &receiver, config(true)).await;
    let first = daemon.emit("Traps").await;
    let provider = quarantined(&daemon).await;
    assert_detail(
        &json!({ "detail": provider["reason"] }),
        &["3 calls in a row trapped", "panicked on purpose", "std::panicking::panic_handler"],
    );
    let heard = operator.next().await;
    assert_eq!(heard.header("x-event-type"), "postern.provider.quarantined");
    let payload = &heard.json()["data"];
    assert_eq!((&payload["provider"], &payload["digest"]), (&json!(PROVIDER), &provider["digest"]), "{payload:#}");
    assert_eq!((&payload["version"], &payload["error"]), (&json!("1.0.0"), &provider["reason"]), "{payload:#}");

    // A retry that was on its way may still have ended; from now on nothing is called.
    let second = daemon.emit("Waits").await;
    assert_came_to(&waiting(&daemon, &second, "test.tracker is paused").await, "pending", 0);
    let waits = waiting(&daemon, &first, "test.tracker is paused").await;
    assert_eq!(waits["status"], "retrying", "{waits:#}");
    let trapped = attempts(&waits)[2];
    assert_eq!((&trapped["outcome"]["cause"], trapped["log"].to_string().contains("backtrace")), (&json!("trap"), true));
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let both = daemon.emit("For another provider as well").await;
    daemon.with_status(&both, "success").await;
    assert_eq!(receiver.next().await.header("x-event-type"), "incident.incident.created");

    kill(&mut daemon).await;
    daemon.restart().await;
    assert_eq!(daemon.api.get(PATH).await["reason"], provider["reason"]);
    assert_came_to(&waiting(&daemon, &second, "test.tracker is paused").await, "pending", 0);
    let early = receiver.drain();
    assert!(early.is_empty(), "{early:?}");
    let path = format!("/api/v1/subscriptions/{panics}");
    daemon.api.patch(&path, config(false)).await;
    waiting(&daemon, &second, "test.tracker is paused").await;
    assert_eq!(daemon.api.post(&format!("{PATH}/enable"), Value::Null).await["state"], "active");
    for event in [&first, &second, &both] {
        for delivery in daemon.all_settled(event).await {
            assert_eq!(delivery["status"], "success", "{delivery:#}");
        }
    }
    assert_came_to(&daemon.settled(&second).await, "success", 1);
    assert_eq!(receiver.drain().len(), 3);
    assert!(operator.drain().is_empty(), "it was announced once");
}

async fn a_new_build_lifts_the_quarantine(engine: Engine) {
    let daemon = Daemon::builder().engine(engine).config(PATIENT).start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.add_tracker().await;
    // The second build hints at a rate; this one goes before it.
    let rate = json!({ "deliveries": 1000, "per": "1s" });
    let changes = json!({ "providerConfig": { "url": receiver.url(), "panics": true }, "rateLimit": rate });
    daemon.subscribe_with(PROVIDER, &receiver, changes).await;
    let event = daemon.emit("Traps").await;
    let before = quarantined(&daemon).await;
    let add = async |build: &[u8]| {
        let path = "/api/v1/providers?plugin=test";
        daemon.api.send(Method::POST, path, "application/wasm", build.to_vec()).await.expect("an answer").success()
    };
    // Another build that traps as well is quarantined on its own account.
    assert_eq!(add(PACED).await["state"], "active");
    let after = quarantined(&daemon).await;
    assert_ne!(after["digest"], before["digest"]);
    let repaired = add(REPAIRED).await;
    assert_eq!((&repaired["state"], &repaired["version"]), (&json!("active"), &json!("1.0.1")));
    let delivery = daemon.settled(&event).await;
    assert_eq!((&delivery["status"], &outcome(&delivery)["result"]), (&json!("success"), &json!("success")), "{delivery:#}");
    assert_eq!(attempts(&delivery).last().unwrap()["provider"]["version"], "1.0.1");
}

async fn an_operator_pauses_a_provider(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    let (mut receiver, mut operator) = (Receiver::start().await, hears(&daemon).await);
    daemon.register_incidents().await;
    daemon.add_tracker().await;
    daemon.subscribe_with(PROVIDER, &receiver, json!({})).await;
    assert_eq!(daemon.api.post(&format!("{PATH}/disable"), Value::Null).await["state"], "disabled");
    let event = daemon.emit("Waits").await;
    assert_came_to(&waiting(&daemon, &event, "test.tracker is paused").await, "pending", 0);
    kill(&mut daemon).await;
    daemon.restart().await;
    assert_came_to(&waiting(&daemon, &event, "test.tracker is paused").await, "pending", 0);
    // A new build does not undo what an operator wants.
    let added = daemon.api.send(Method::POST, "/api/v1/providers?plugin=test", "application/wasm", REPAIRED.to_vec()).await;
    assert_eq!(added.expect("an answer").success()["state"], "disabled");
    waiting(&daemon, &event, "test.tracker is paused").await;
    assert!(receiver.drain().is_empty());
    // Since the process ended meanwhile, it is asked first what an attempt may have made.
    receiver.script([Reply::Status(404)]);
    for _ in 0..2 {
        assert_eq!(daemon.api.post(&format!("{PATH}/enable"), Value::Null).await["state"], "active");
    }
    assert_came_to(&daemon.settled(&event).await, "success", 1);
    assert_eq!(receiver.next().await.method, "GET");
    assert_eq!(title(&receiver.next().await), "Waits");
    assert!(operator.drain().is_empty());
    let unknown = "/api/v1/providers/test.unknown/enable";
    daemon.api.call(Method::POST, unknown, Value::Null).await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_approval_is_not_enabled() {
    let daemon = Daemon::start().await;
    let added = daemon.api.send(Method::POST, "/api/v1/providers?plugin=test", "application/wasm", BUILD.to_vec()).await;
    assert_eq!(added.expect("an answer").success()["state"], "awaiting-approval");
    for (verb, words) in [("enable", "waits for approval"), ("disable", "nothing to disable")] {
        let refused = daemon.api.call(Method::POST, &format!("{PATH}/{verb}"), Value::Null).await;
        assert_detail(&refused.problem(409, "conflict"), &[words]);
    }
}
