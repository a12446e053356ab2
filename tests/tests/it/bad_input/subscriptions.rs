//! Subscriptions that do not fit.

use super::{assert_detail, everything, places};
use postern_tests::{Daemon, Receiver};
use reqwest::Method;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/subscriptions";

/// A subscription that fits, with changes.
fn with(changes: Value) -> Value {
    let mut body = json!({
        "name": "S", "providerId": "postern.webhook", "events": ["incident.*"],
        "providerConfig": { "url": "https://example.com" },
    });
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_that_does_not_fit_its_schema_is_refused_with_its_places() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let before = everything(&daemon).await;
    let url = "https://example.com";
    let table = [
        (json!({}), "", "url"),
        (json!({ "url": 7 }), "/url", "string"),
        (json!({ "url": url, "colour": "red" }), "", "colour"),
        (json!({ "url": url, "method": "DELETE" }), "/method", ""),
        (json!({ "url": url, "timeout": 999 }), "/timeout", "1000"),
        (json!({ "url": url, "timeout": 60_001 }), "/timeout", "60000"),
        (json!({ "url": url, "authType": "bearer" }), "", "bearerToken"),
        (json!({ "url": url, "authType": "basic", "basicUsername": "a:b", "basicPassword": "" }), "/basicUsername", ""),
        (json!({ "url": url, "signingSecret": "short" }), "/signingSecret", ""),
        (json!({ "url": url, "signingSecret": "[secret]" }), "/signingSecret", "none is stored"),
        (json!({ "url": url, "customHeaders": [{ "name": "bad name", "value": "" }] }), "/customHeaders/0/name", ""),
        (json!({ "url": url, "customHeaders": [{ "name": "Webhook-Id", "value": "" }] }), "/customHeaders/0/name", ""),
        (json!("https://example.com"), "", "object"),
    ];
    for (config, place, text) in table {
        let body = with(json!({ "providerConfig": config }));
        let problem = daemon.api.call(Method::POST, PATH, body).await.problem(422, "invalid");
        let place = format!("/providerConfig{place}");
        let fits = |error: &Value| error["path"] == place.as_str() && error["message"].as_str().unwrap().contains(text);
        assert!(problem["errors"].as_array().is_some_and(|errors| errors.iter().any(fits)), "{config}: {problem}");
    }
    assert_eq!(everything(&daemon).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_problem_with_a_secret_does_not_tell_it() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let config = json!({ "url": "https://example.com", "signingSecret": "hunter2-hunter2", "timeout": 1 });
    let answer = daemon.api.call(Method::POST, PATH, with(json!({ "providerConfig": config }))).await;
    assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    assert_eq!(places(&answer.problem(422, "invalid")).len(), 2);
    assert!(!daemon.stderr().contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_around_the_config_is_checked_too() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let before = everything(&daemon).await;
    let table = [
        (json!({ "name": "" }), "/name"),
        (json!({ "name": "x".repeat(101) }), "/name"),
        (json!({ "description": "x".repeat(1001) }), "/description"),
        (json!({ "events": [] }), "/events"),
        (json!({ "events": ["incident.*", "incident.unknown"] }), "/events/1"),
        (json!({ "events": ["*"] }), "/events[0]"),
        (json!({ "events": "incident.*" }), "/events"),
        (json!({ "providerId": "postern.carrier-pigeon" }), "/providerId"),
        (json!({ "providerId": "webhook" }), "/providerId"),
        (json!({ "enabled": "yes" }), "/enabled"),
    ];
    for (changes, place) in table {
        let problem = daemon.api.call(Method::POST, PATH, with(changes.clone())).await.problem(422, "invalid");
        let found: Vec<_> = places(&problem).into_iter().map(|found| found.replace("/[", "[")).collect();
        assert!(
            found.iter().any(|found| found == place || found.replace("[0]", "/0") == place.replace("[0]", "/0")),
            "{changes}: {problem}"
        );
    }
    let problem = daemon.api.call(Method::POST, PATH, with(json!({ "colour": "red" }))).await.problem(422, "invalid");
    assert!(problem.to_string().contains("colour"), "{problem}");
    assert_eq!(everything(&daemon).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_places_in_a_problem_are_json_pointers() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let body = with(json!({ "events": ["incident.*", "*"] }));
    let problem = daemon.api.call(Method::POST, PATH, body).await.problem(422, "invalid");
    assert_eq!(places(&problem), ["/events/1"], "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_does_not_fit_leaves_the_subscription_as_it_was() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let id = daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let path = format!("{PATH}/{id}");
    let before = daemon.api.get(&path).await;
    let table = [
        (json!({ "name": "" }), "/name"),
        (json!({ "events": ["incident.unknown"] }), "/events/0"),
        (json!({ "providerConfig": { "url": null } }), "/providerConfig"),
        (json!({ "providerConfig": { "timeout": "long" } }), "/providerConfig/timeout"),
        (json!({ "providerId": "no.such" }), "/providerId"),
        (json!({ "tenant": "another" }), "/tenant"),
    ];
    for (change, place) in table {
        let problem = daemon.api.call(Method::PATCH, &path, change.clone()).await.problem(422, "invalid");
        assert!(places(&problem).contains(&place), "{change}: {problem}");
    }
    for change in [json!([]), json!("x"), json!({ "name": null })] {
        daemon.api.call(Method::PATCH, &path, change).await.problem(422, "invalid");
    }
    assert_eq!(daemon.api.get(&path).await, before);
    daemon.settled(&daemon.emit("Still there").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_wrong_form_names_its_place() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let id = daemon.subscribe_webhook(json!({ "url": "https://example.com" })).await;
    let answer = daemon.api.call(Method::PATCH, &format!("{PATH}/{id}"), json!({ "enabled": "yes" })).await;
    assert_eq!(places(&answer.problem(422, "invalid")), ["/enabled"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_are_tried_out_are_checked_like_those_that_are_saved() {
    let daemon = Daemon::start().await;
    let path = "/api/v1/providers/postern.webhook/test-connection";
    let problem = daemon.api.call(Method::POST, path, json!({ "config": { "url": 7 } })).await.problem(422, "invalid");
    assert!(places(&problem).contains(&"/config/url"), "{problem}");
    let path = "/api/v1/providers/postern.webhook/grant";
    let problem = daemon.api.call(Method::PUT, path, json!({ "hosts": ["*"] })).await.problem(422, "invalid");
    assert!(problem.to_string().contains("any-host"), "{problem}");
    assert_detail(&problem, &["form"]);
    assert_eq!(daemon.api.get(path).await["hosts"], json!(["{config.url}"]));
}
