//! What an answer that is no success means, and what there is where there is no answer.

use super::Scene;
use jiff::Timestamp;
use postern_tests::Reply;
use postern_tests::platform::{attempts, exchange, log, outcome};
use postern_tests::receiver::Nobody;
use postern_tests::wait::until;
use serde_json::{Value, json};
use std::collections::HashSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permanent_and_temporary_failures_are_told_apart() {
    let scene = Scene::new().await;
    scene.subscribe_all(|example| scene.config(example)).await;
    for status in [400, 401, 404, 410, 302] {
        scene.receiver.always(Reply::Full(status, Vec::new(), "not like this \u{1F525}".into()));
        let deliveries = scene.daemon.all_settled(&scene.daemon.emit("Refused").await).await;
        for (example, delivery) in scene.each(&deliveries) {
            assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("failed"), &json!(1)), "{}", example.provider);
            let told = format!("the service answered HTTP {status}: not like this \u{1F525}");
            assert_eq!(delivery["error"], told, "{}", example.provider);
        }
    }
    for status in [408, 425, 500, 503] {
        let mut seen = HashSet::new();
        scene.receiver.decide(move |request| Reply::Status(if seen.insert(request.target.clone()) { status } else { 204 }));
        let deliveries = scene.daemon.all_settled(&scene.daemon.emit("Busy").await).await;
        for (example, delivery) in scene.each(&deliveries) {
            let ended = (&delivery["status"], &delivery["attempts"]);
            assert_eq!(ended, (&json!("success"), &json!(2)), "{}: {status}", example.provider);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wait_that_a_service_asks_for_is_kept() {
    let scene = Scene::new().await;
    scene.subscribe_all(|example| scene.config(example)).await;
    scene.receiver.always(Reply::Full(429, vec![("Retry-After", "120".to_owned())], "slowly".into()));
    let event = scene.daemon.emit("Too many").await;
    let deliveries = until("all to wait", || async {
        let deliveries = scene.daemon.deliveries(&event).await;
        deliveries.iter().all(|delivery| delivery["status"] == "retrying").then_some(deliveries)
    })
    .await;
    for (example, delivery) in scene.each(&deliveries) {
        let at = |field: &str| delivery[field].as_str().expect("a time").parse::<Timestamp>().expect("a time");
        let wait = at("nextAttemptAt").duration_since(at("updatedAt")).as_secs_f64();
        assert!((90.0..=121.0).contains(&wait), "{}: {wait} s", example.provider);
        assert_eq!(outcome(delivery)["message"], "the service answered HTTP 429: slowly", "{delivery:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_listens_every_retry_is_used() {
    let scene = Scene::new().await;
    let nobody = Nobody::new();
    scene.subscribe_all(|_| scene.config_to(&nobody.url())).await;
    let deliveries = scene.daemon.all_settled(&scene.daemon.emit("Nobody").await).await;
    for (example, delivery) in scene.each(&deliveries) {
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("failed"), &json!(4)), "{}", example.provider);
        assert_eq!(exchange(delivery)["kind"], "refused", "{delivery:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_grant_binds_them_all_and_what_would_allow_it_can_be_read() {
    let scene = Scene::new().await;
    for example in &scene.examples {
        scene.daemon.grant(&example.provider, &["https://api.example.com"]).await;
    }
    scene.subscribe_all(|example| scene.config(example)).await;
    let deliveries = scene.daemon.all_settled(&scene.daemon.emit("Denied").await).await;
    for (example, delivery) in scene.each(&deliveries) {
        let exchange = exchange(delivery);
        assert_eq!((&exchange["decision"], &exchange["code"]), (&json!("denied"), &json!("grant")), "{delivery:#}");
        let rule = format!("postern provider grant {}", example.provider);
        assert!(exchange["message"].as_str().is_some_and(|message| message.contains(&rule)), "{delivery:#}");
        if example.is_told {
            assert!(delivery["error"].as_str().is_some_and(|error| error.contains(&rule)), "{delivery:#}");
        } else {
            assert_eq!(delivery["error"], "no answer: TypeError: NetworkError when attempting to fetch resource");
            assert!(log(delivery).contains(&rule), "{delivery:#}");
        }
        assert_eq!(attempts(delivery).len(), 1, "no second try helps, and the host knows: {delivery:#}");
        assert_eq!(delivery["status"], Value::from("failed"));
    }
    assert!(scene.receiver.is_untouched());
}
