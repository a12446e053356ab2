//! What is tried again, when, and what is not.

use jiff::Timestamp;
use postern_tests::platform::{attempts, exchange, outcome};
use postern_tests::receiver::Nobody;
use postern_tests::wait::until;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

on_each_engine!(
    a_503_is_tried_again_under_the_same_id,
    retry_after_is_honoured,
    where_nobody_listens_every_retry_is_used_and_then_it_fails,
);

async fn a_503_is_tried_again_under_the_same_id(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let secret = super::arrival::signing_secret(1);
    daemon.subscribe_webhook(json!({ "url": receiver.url(), "signingSecret": secret })).await;
    receiver.script([Reply::Full(503, Vec::new(), "busy".to_owned())]);

    let event = daemon.emit("Twice").await;
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert!(super::arrival::verifies(&secret, &first) && super::arrival::verifies(&secret, &second));

    let delivery = daemon.settled(&event).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("success"), &json!(2)), "{delivery:#}");
    let statuses: Vec<_> = attempts(&delivery).iter().map(|attempt| attempt["exchanges"][0]["status"].clone()).collect();
    assert_eq!(statuses, [503, 200], "both attempts are kept with their exchanges");
    assert_eq!(attempts(&delivery)[0]["exchanges"][0]["responseBody"]["text"], "busy");
    let first = daemon.api.get(&format!("/api/v1/deliveries/{event}-0/attempts/1")).await;
    assert_eq!(first["outcome"]["retry"]["kind"], "backoff", "{first:#}");
}

/// In how many seconds the delivery is tried again, by the API's word.
fn seconds_until_next(delivery: &Value) -> f64 {
    let at = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    let next = at(&delivery["nextAttemptAt"]);
    next.duration_since(at(&delivery["updatedAt"])).as_secs_f64()
}

async fn retry_after_is_honoured(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(300));
    for (value, seconds) in [("120".to_owned(), 120.0), (date, 300.0)] {
        // Who asks to be left alone is: the next deliveries of the subscription wait as well.
        let subscription = daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
        receiver.script([Reply::Full(429, vec![("Retry-After", value.clone())], String::new())]);
        let delivery = daemon.with_status(&daemon.emit("Later").await, "retrying").await;
        let wait = seconds_until_next(&delivery);
        assert!((seconds - 30.0..=seconds + 1.0).contains(&wait), "Retry-After: {value}: {wait} s");
        assert_eq!(outcome(&delivery)["retry"]["kind"], "after", "{delivery:#}");
        daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
    }
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    // What asks for an instant is tried again at once, and so comes to its end within the test.
    receiver.script([Reply::Full(503, vec![("Retry-After", "1".to_owned())], String::new())]);
    let delivery = daemon.settled(&daemon.emit("In a second").await).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("success"), &json!(2)), "{delivery:#}");
}

async fn where_nobody_listens_every_retry_is_used_and_then_it_fails(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    let nobody = Nobody::new();
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": nobody.url() })).await;
    let delivery = daemon.settled(&daemon.emit("Nobody").await).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("failed"), &json!(4)), "{delivery:#}");
    assert_eq!(attempts(&delivery).len(), 4);
    let exchange = exchange(&delivery);
    assert_eq!(
        (&exchange["decision"], &exchange["kind"], &exchange["sent"]),
        (&json!("failed"), &json!("refused"), &json!(false))
    );
    assert_eq!(delivery["nextAttemptAt"], Value::Null);
    assert_eq!(delivery["error"], outcome(&delivery)["message"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_succeed_fails_at_once() {
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    for status in [400, 401, 404, 410, 422] {
        receiver.script([Reply::Status(status)]);
        let delivery = daemon.settled(&daemon.emit("No").await).await;
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("failed"), &json!(1)), "{status}: {delivery:#}");
        assert!(delivery["error"].as_str().unwrap().contains(&status.to_string()), "{delivery:#}");
        assert_eq!(outcome(&delivery)["retry"]["kind"], "never", "{status}");
    }
    assert_eq!(receiver.drain().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_that_may_pass_are_tried_again() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url(), "retryOnStatus": [409] })).await;
    for reply in [408, 409, 425, 429, 500, 502, 504].map(Reply::Status).into_iter().chain([Reply::Close]) {
        receiver.script([reply.clone()]);
        let delivery = daemon.settled(&daemon.emit("Again").await).await;
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("success"), &json!(2)), "{reply:?}: {delivery:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let daemon = Daemon::start().await;
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    daemon.register_incidents().await;
    // The other receiver could be reached: only that redirects are not followed keeps it untouched.
    daemon.grant("postern.webhook", &["http://127.0.0.1:*"]).await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    for status in [301, 302, 303, 307, 308] {
        receiver.script([Reply::Full(status, vec![("Location", other.url())], String::new())]);
        let delivery = daemon.settled(&daemon.emit("Elsewhere").await).await;
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("failed"), &json!(1)), "{status}: {delivery:#}");
        assert_eq!(exchange(&delivery)["status"], status);
    }
    assert!(other.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_does_not_come_in_time_is_a_failure_that_may_have_arrived() {
    let daemon = Daemon::builder().config("[delivery]\nretry = []").start().await;
    let receiver = Receiver::that(Reply::Hold).await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url(), "timeout": 1000 })).await;
    let delivery = daemon.settled(&daemon.emit("Slow").await).await;
    let exchange = exchange(&delivery);
    assert_eq!((&exchange["kind"], &exchange["sent"]), (&json!("timeout"), &json!(true)), "{delivery:#}");
    assert_eq!(delivery["status"], "failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_hangs_delays_no_other() {
    let daemon = Daemon::start().await;
    let (hanging, mut receiver) = (Receiver::that(Reply::Hold).await, Receiver::start().await);
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": hanging.url() })).await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    for _ in 0..10 {
        daemon.emit("Past the one that hangs").await;
    }
    for _ in 0..10 {
        receiver.next().await;
    }
    until("ten deliveries to succeed", || async {
        let done = daemon.api.items("/api/v1/deliveries?status=success").await;
        (done.len() == 10).then_some(())
    })
    .await;
    assert_eq!(daemon.api.items("/api/v1/deliveries?status=pending").await.len(), 10, "the others still wait");
    hanging.release();
}
