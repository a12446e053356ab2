//! A subscription's own schedule of retries, and its limit of deliveries.

use crate::bad_input::{everything, places};
use postern_tests::platform::{FIXTURE, INCIDENT_CREATED, WEBHOOK, id};
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/subscriptions";

on_each_engine!(a_schedule_and_a_limit_are_stored_shown_changed_and_cleared);

fn body(receiver: &Receiver, retry: Value) -> Value {
    json!({
        "name": "S", "providerId": WEBHOOK, "events": [INCIDENT_CREATED], "providerConfig": { "url": receiver.url() },
        "retry": retry,
    })
}

/// A daemon whose default is one retry after an hour.
async fn slow() -> Daemon {
    let daemon = Daemon::builder().config("[delivery]\nretry = [\"1h\"]\njitter = 0.0").start().await;
    daemon.register_incidents().await;
    daemon
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriptions_schedule_goes_before_the_operators() {
    let daemon = slow().await;
    let receiver = Receiver::that(Reply::Status(500)).await;
    // By the time of the first answer the horizon is so near that the retry would begin behind it.
    let horizon = json!({ "initial": "1m", "factor": 1.0, "max": "1m", "horizon": "1m", "jitter": 0.0 });
    for (retry, attempts) in [(json!([]), 1), (json!(["20ms", "20ms"]), 3), (horizon, 1)] {
        let path = format!("{PATH}/{}", id(&daemon.api.post(PATH, body(&receiver, retry.clone())).await["id"]));
        let delivery = daemon.settled(&daemon.emit("No").await).await;
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("failed"), &json!(attempts)), "{retry}: {delivery:#}");
        daemon.api.delete(&path).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_attempt_is_when_the_schedule_says() {
    let daemon = slow().await;
    let receiver = Receiver::that(Reply::Status(500)).await;
    for (retry, seconds) in [
        (Value::Null, 3_600),
        (json!(["10m", "20m"]), 600),
        (json!({ "initial": "2m", "factor": 3, "max": "1h", "horizon": "1d" }), 120),
    ] {
        let path = format!("{PATH}/{}", id(&daemon.api.post(PATH, body(&receiver, retry.clone())).await["id"]));
        let delivery = daemon.with_status(&daemon.emit("Later").await, "retrying").await;
        let moment = |field: &str| id(&delivery[field]).parse::<jiff::Timestamp>().unwrap();
        let wait = moment("nextAttemptAt").duration_since(moment("updatedAt"));
        assert_eq!(wait.as_secs(), seconds, "{retry}: {delivery:#}");
        daemon.api.delete(&path).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_schedule_counts_for_the_attempts_that_follow() {
    let daemon = slow().await;
    let mut receiver = Receiver::that(Reply::Status(500)).await;
    let quick = json!({ "initial": "50ms", "factor": 1.0, "max": "50ms", "horizon": "1h" });
    let path = format!("{PATH}/{}", id(&daemon.api.post(PATH, body(&receiver, quick)).await["id"]));
    let event = daemon.emit("Again").await;
    for _ in 0..4 {
        receiver.next().await;
    }
    daemon.api.patch(&path, json!({ "retry": [] })).await;
    let delivery = daemon.settled(&event).await;
    assert_eq!(delivery["status"], "failed", "{delivery:#}");
    assert!(delivery["attempts"].as_u64() >= Some(4), "{delivery:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_goes_through_the_provider_that_its_subscription_has_now() {
    let daemon = slow().await;
    daemon.add_hostile().await;
    let mut receiver = Receiver::that(Reply::Status(500)).await;
    let quick = json!({ "initial": "500ms", "factor": 1.0, "max": "500ms", "horizon": "1h" });
    let path = format!("{PATH}/{}", id(&daemon.api.post(PATH, body(&receiver, quick)).await["id"]));
    let event = daemon.emit("Moved").await;
    receiver.next().await;
    daemon.api.patch(&path, json!({ "providerId": FIXTURE, "providerConfig": { "behaviour": "ok" } })).await;
    let delivery = daemon.settled(&event).await;
    assert_eq!(delivery["status"], "success", "{delivery:#}");
}

async fn a_schedule_and_a_limit_are_stored_shown_changed_and_cleared(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    daemon.register_incidents().await;
    let receiver = Receiver::start().await;
    let mut create = body(&receiver, json!(["1m", "5m"]));
    create["rateLimit"] = json!({ "deliveries": 10, "per": "1s" });
    let made = daemon.api.post(PATH, create).await;
    let path = format!("{PATH}/{}", id(&made["id"]));
    assert_eq!((&made["retry"], &made["rateLimit"]), (&json!(["1m", "5m"]), &json!({ "deliveries": 10, "per": "1s" })));
    let growing = json!({ "initial": "30s", "factor": 2.0, "max": "1h", "horizon": "3days" });
    let changed = daemon.api.patch(&path, json!({ "retry": growing, "rateLimit": { "deliveries": 20 } })).await;
    assert_eq!((&changed["retry"], &changed["rateLimit"]), (&growing, &json!({ "deliveries": 20, "per": "1s" })));
    let kept = daemon.api.patch(&path, json!({ "name": "Another", "retry": { "jitter": 0.5 } })).await;
    assert_eq!((&kept["retry"]["initial"], &kept["retry"]["jitter"]), (&json!("30s"), &json!(0.5)));
    daemon.kill_9();
    daemon.restart().await;
    assert_eq!(daemon.api.get(&path).await, kept);
    let cleared = daemon.api.patch(&path, json!({ "retry": null, "rateLimit": null })).await;
    assert_eq!((cleared.get("retry"), cleared.get("rateLimit")), (None, None));
    assert_eq!(daemon.api.patch(&path, json!({ "retry": [] })).await["retry"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_or_a_limit_out_of_bounds_is_refused_with_its_place() {
    let daemon = slow().await;
    let receiver = Receiver::start().await;
    let before = everything(&daemon).await;
    let rule = |change: Value| {
        let mut rule = json!({ "initial": "30s", "factor": 2.0, "max": "1h", "horizon": "3d" });
        rule.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({ "retry": rule })
    };
    let limit = |change: Value| {
        let mut limit = json!({ "deliveries": 10, "per": "1s" });
        limit.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({ "rateLimit": limit })
    };
    let table = [
        (json!({ "retry": "1m" }), "/retry", "list of delays"),
        (json!({ "retry": ["1m", "25h"] }), "/retry/1", "1day"),
        (json!({ "retry": ["1m", "soon"] }), "/retry/1", "soon"),
        (json!({ "retry": [60] }), "/retry/0", "string"),
        (json!({ "retry": vec!["1s"; 21] }), "/retry", "20"),
        (json!({ "retry": {} }), "/retry", "initial"),
        (rule(json!({ "initial": "0s" })), "/retry/initial", "1ms"),
        (rule(json!({ "initial": "2h" })), "/retry", "`max`"),
        (rule(json!({ "factor": 0.5 })), "/retry/factor", "1 to 10"),
        (rule(json!({ "factor": 11 })), "/retry/factor", "1 to 10"),
        (rule(json!({ "max": "25h" })), "/retry/max", "1day"),
        (rule(json!({ "horizon": "31d" })), "/retry/horizon", "30days"),
        (rule(json!({ "horizon": "1s" })), "/retry", "`horizon`"),
        (rule(json!({ "jitter": 2 })), "/retry/jitter", "0 to 1"),
        (rule(json!({ "colour": 1 })), "/retry", "colour"),
        (limit(json!({ "deliveries": 0 })), "/rateLimit/deliveries", "1 to 100000"),
        (limit(json!({ "deliveries": 100_001 })), "/rateLimit/deliveries", "1 to 100000"),
        (limit(json!({ "deliveries": 1.5 })), "/rateLimit/deliveries", ""),
        (limit(json!({ "per": "10ms" })), "/rateLimit/per", "1s"),
        (limit(json!({ "per": "2d" })), "/rateLimit/per", "24h"),
        (limit(json!({ "burst": 5 })), "/rateLimit", "burst"),
        (json!({ "rateLimit": 10 }), "/rateLimit", ""),
    ];
    for (changes, place, text) in table {
        let mut body = body(&receiver, Value::Null);
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let problem = daemon.api.call(Method::POST, PATH, body).await.problem(422, "invalid");
        assert!(places(&problem)[0].starts_with(place), "{changes}: {problem}");
        assert!(problem["errors"][0]["message"].as_str().unwrap().contains(text), "{changes}: {problem}");
    }
    assert_eq!(everything(&daemon).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_takes_both() {
    let daemon = slow().await;
    let create = ["subscription", "create", "--name", "S", "--provider", WEBHOOK, "--event", INCIDENT_CREATED, "--json"];
    let with = async |more: &[&str]| {
        let config = ["--config", r#"{"url":"https://example.com"}"#];
        daemon.command(&[&create[..], &config, more].concat()).await
    };
    for (retry, shown) in [
        ("1m,5m", json!(["1m", "5m"])),
        ("none", json!([])),
        (
            r#"{"initial":"30s","factor":2,"max":"1h","horizon":"3d"}"#,
            json!({ "initial": "30s", "factor": 2.0, "max": "1h", "horizon": "3days" }),
        ),
    ] {
        let printed = with(&["--retry", retry, "--rate-limit", "10/1s"]).await;
        assert!(printed.success, "{printed:?}");
        let made: Value = serde_json::from_str(&printed.stdout).unwrap();
        assert_eq!((&made["retry"], &made["rateLimit"]), (&shown, &json!({ "deliveries": 10, "per": "1s" })));
    }
    for (flag, value, text) in [("--retry", "soon", "soon"), ("--retry", "{", "JSON"), ("--rate-limit", "10", "10/1s")] {
        let printed = with(&[flag, value]).await;
        assert!(!printed.success && printed.stderr.contains(text), "{printed:?}");
    }
}
