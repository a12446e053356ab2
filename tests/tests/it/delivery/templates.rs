//! Templates are rendered by the host, and what a payload holds stays inside its place.

use postern_tests::platform::outcome;
use postern_tests::{Daemon, Receiver};
use serde_json::{Value, json};
use url::Url;

const HOSTILE_TITLE: &str = "a/../../b?x=1&admin=1#\"}, \"admin\": true, \"\r\nX-Injected: 1 {{ payload.severity }} \\ é";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_are_filled_in_and_stay_inside_their_place() {
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let config = json!({
        "url": receiver.url() + "/hooks/{{ payload.title }}/end?title={{ payload.title }}&level={{ payload.severity }}",
        "customHeaders": [{ "name": "X-Title", "value": "<{{ payload.title }}>" }],
        "bodyTemplate": r#"{"text": "{{ payload.title }}", "systems": {{ payload.systemIds | tojson }}, "type": "{{ eventType }}"}"#,
    });
    daemon.subscribe_webhook(config).await;

    daemon.emit("Plain").await;
    let plain = receiver.next().await;
    assert_eq!(plain.target, "/hooks/Plain/end?title=Plain&level=critical");
    assert_eq!(plain.header("x-title"), "<Plain>");
    assert_eq!(plain.json(), json!({ "text": "Plain", "systems": ["checkout"], "type": "incident.incident.created" }));

    let event = daemon.emit(HOSTILE_TITLE).await;
    let received = receiver.next().await;
    let url = Url::parse(&format!("http://receiver{}", received.target)).unwrap();
    let segments: Vec<_> = url.path_segments().unwrap().collect();
    assert_eq!(segments.len(), 3, "one segment holds the whole title: {}", received.target);
    assert_eq!((segments[0], segments[2]), ("hooks", "end"));
    let query: Vec<_> = url.query_pairs().into_owned().collect();
    assert_eq!(query, [("title".to_owned(), HOSTILE_TITLE.to_owned()), ("level".to_owned(), "critical".to_owned())]);
    assert_eq!(received.header("x-injected"), "", "{received:?}");
    assert!(received.header("x-title").contains("X-Injected: 1"), "on one line: {received:?}");
    let body = received.json();
    assert_eq!((&body["text"], &body["admin"]), (&json!(HOSTILE_TITLE), &Value::Null));
    assert_eq!(daemon.settled(&event).await["status"], "success");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_in_the_scheme_host_or_port_or_one_that_does_not_compile_is_refused_when_it_is_saved() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    for url in [
        "{{ payload.title }}",
        "https://{{ payload.title }}/x",
        "https://example.com:{{ payload.title }}/x",
        "https://example.com/{{ payload.",
    ] {
        let body = json!({
            "name": "T", "providerId": "postern.webhook", "events": ["incident.*"], "providerConfig": { "url": url },
        });
        let problem = daemon.api.call(reqwest::Method::POST, "/api/v1/subscriptions", body).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["path"], "/providerConfig/url", "{url}: {problem}");
    }
    assert!(daemon.api.items("/api/v1/subscriptions").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_that_never_ends_is_stopped_and_says_so() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let template = r#"{"text": "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}"}"#;
    daemon.subscribe_webhook(json!({ "url": receiver.url(), "bodyTemplate": template })).await;
    let delivery = daemon.settled(&daemon.emit("Endless").await).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("failed"), &json!(1)), "{delivery:#}");
    assert_eq!(outcome(&delivery)["cause"], "config");
    assert!(delivery["error"].as_str().unwrap().contains("/bodyTemplate"), "{delivery:#}");
    assert!(receiver.is_untouched());
}
