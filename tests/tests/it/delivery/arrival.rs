//! What a receiver gets, and what is kept of its answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_tests::platform::{attempts, exchange, incident, outcome};
use postern_tests::{Daemon, Engine, Received, Receiver, Reply, on_each_engine};
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

on_each_engine!(a_webhook_is_delivered_whole_and_signed, while_secrets_are_rotated_both_verify);

/// A signing secret of 32 bytes, all alike.
pub(crate) fn signing_secret(byte: u8) -> String {
    format!("whsec_{}", STANDARD.encode([byte; 32]))
}

/// Whether an independent implementation of Standard Webhooks accepts the request.
pub(crate) fn verifies(secret: &str, received: &Received) -> bool {
    let mut headers = HeaderMap::new();
    for (name, value) in &received.headers {
        headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    Webhook::new(secret).unwrap().verify(&received.body, &headers).is_ok()
}

async fn a_webhook_is_delivered_whole_and_signed(engine: Engine) {
    let mut receiver = Receiver::start().await;
    let daemon = Daemon::on(engine).await;
    daemon.register_incidents().await;
    let secret = signing_secret(1);
    let subscription = daemon.subscribe_webhook(json!({ "url": receiver.url() + "/hooks/a", "signingSecret": secret })).await;

    let event = daemon.emit("Checkout fails").await;
    let received = receiver.next().await;
    let delivery = daemon.settled(&event).await;

    assert_eq!((received.method.as_str(), received.target.as_str()), ("POST", "/hooks/a"));
    assert_eq!(received.header("host"), format!("127.0.0.1:{}", receiver.port()));
    assert_eq!(received.header("content-type"), "application/json");
    assert_eq!(received.header("x-delivery-id"), delivery["id"]);
    assert_eq!(received.header("x-event-type"), "incident.incident.created");
    assert_eq!(received.header("webhook-id"), delivery["id"]);
    assert!(received.header("user-agent").starts_with("Postern-Webhook/"), "{received:?}");
    let body = received.json();
    assert_eq!(body["id"], delivery["id"]);
    assert_eq!(body["eventType"], "incident.incident.created");
    assert_eq!(body["subscription"], json!({ "id": subscription, "name": "A test's" }));
    assert_eq!(body["data"], incident("Checkout fails"));
    assert_eq!(body["timestamp"], daemon.api.get(&format!("/api/v1/events/{event}")).await["timestamp"]);

    assert!(verifies(&secret, &received));
    assert!(!verifies(&signing_secret(2), &received), "a verification that cannot fail shows nothing");

    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("success"), &json!(1)), "{delivery:#}");
    assert_eq!(delivery["event"], event.as_str());
    assert_eq!(delivery["subscription"], subscription.as_str());
    assert_eq!(delivery["provider"], "postern.webhook");
    let exchange = exchange(&delivery);
    assert_eq!((&exchange["decision"], &exchange["status"]), (&json!("answered"), &json!(200)), "{exchange:#}");
    assert_eq!(exchange["address"], format!("127.0.0.1:{}", receiver.port()));
    let first = daemon.api.get(&format!("/api/v1/deliveries/{event}-0/attempts/1")).await;
    assert_eq!(&first, attempts(&delivery)[0], "an attempt can be asked for by itself");
    assert_eq!(first["provider"]["digest"], daemon.api.get("/api/v1/providers/postern.webhook").await["digest"]);
}

async fn while_secrets_are_rotated_both_verify(engine: Engine) {
    let mut receiver = Receiver::start().await;
    let daemon = Daemon::on(engine).await;
    daemon.register_incidents().await;
    let (new, old) = (signing_secret(1), signing_secret(2));
    let config = json!({ "url": receiver.url(), "signingSecret": new, "previousSigningSecrets": [old] });
    daemon.subscribe_webhook(config).await;
    daemon.emit("Rotation").await;
    let received = receiver.next().await;
    assert_eq!(received.header("webhook-signature").split(' ').count(), 2, "{received:?}");
    assert!(verifies(&new, &received) && verifies(&old, &received), "{received:?}");
    assert!(!verifies(&signing_secret(3), &received));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_external_id_is_taken_from_the_answer_only_if_it_is_a_short_string() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let table = [
        (json!({ "id": "OPS-1" }).to_string(), json!("OPS-1")),
        (json!({ "externalId": "OPS-2", "id": 7 }).to_string(), json!("OPS-2")),
        (json!({ "id": "x".repeat(256) }).to_string(), json!("x".repeat(256))),
        (json!({ "id": "x".repeat(257) }).to_string(), Value::Null),
        (json!({ "id": { "deep": "OPS-3" } }).to_string(), Value::Null),
        (json!({ "id": "two\nlines" }).to_string(), Value::Null),
        ("no JSON at all".to_owned(), Value::Null),
        (String::new(), Value::Null),
    ];
    for (body, expected) in table {
        receiver.script([Reply::Full(200, Vec::new(), body.clone())]);
        let delivery = daemon.settled(&daemon.emit("An answer").await).await;
        assert_eq!(delivery["status"], "success", "{body}");
        assert_eq!(delivery["externalId"], expected, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_carries_the_message_in_one_field_and_another_method_is_used_if_configured() {
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let config = json!({ "url": receiver.url(), "method": "PUT", "contentType": "application/x-www-form-urlencoded" });
    daemon.subscribe_webhook(config).await;
    daemon.emit("A form & more").await;
    let received = receiver.next().await;
    assert_eq!((received.method.as_str(), received.header("content-type")), ("PUT", "application/x-www-form-urlencoded"));
    let fields: Vec<_> = url::form_urlencoded::parse(&received.body).into_owned().collect();
    assert_eq!(fields.len(), 1);
    assert_eq!(fields[0].0, "payload");
    assert_eq!(serde_json::from_str::<Value>(&fields[0].1).unwrap()["data"]["title"], "A form & more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_of_settings_sends_one_marked_message_and_saves_nothing() {
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    let path = "/api/v1/providers/postern.webhook/test-connection";
    let tried = daemon.api.post(path, json!({ "config": { "url": receiver.url() } })).await;
    assert_eq!((&tried["success"], &tried["exchanges"][0]["status"]), (&json!(true), &json!(200)), "{tried:#}");
    assert_eq!(receiver.next().await.header("x-event-type"), "postern.test");
    receiver.always(Reply::Status(401));
    let tried = daemon.api.post(path, json!({ "config": { "url": receiver.url() } })).await;
    assert_eq!(tried["success"], false, "{tried:#}");
    assert!(tried["message"].as_str().unwrap().contains("401"), "{tried:#}");
    assert!(
        daemon.api.items("/api/v1/deliveries").await.is_empty() && daemon.api.items("/api/v1/subscriptions").await.is_empty()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_answer_was_is_kept_with_the_attempt() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let answer = "the reason, in words ".repeat(1000);
    receiver.script([Reply::Full(422, vec![("X-Request-Id", "r-1".to_owned())], answer.clone())]);
    let delivery = daemon.settled(&daemon.emit("Refused").await).await;
    assert_eq!(delivery["status"], "failed");
    let exchange = exchange(&delivery);
    assert_eq!(exchange["status"], 422);
    assert!(exchange["responseHeaders"].as_array().unwrap().contains(&json!(["x-request-id", "r-1"])), "{exchange:#}");
    assert_eq!(exchange["responseBody"]["size"], answer.len());
    assert_eq!(exchange["responseBody"]["text"].as_str().unwrap().len(), 4096, "cut at exchange-body-bytes");
    assert!(outcome(&delivery)["message"].as_str().unwrap().starts_with("the target answered HTTP 422: the reason"));
}
