//! What the mark of a secret keeps, and what it does not: a stored secret stays with its host and with its place.

use crate::bad_input::{assert_detail, places};
use postern_tests::chat::{MARK, PROVIDER, builder, says};
use postern_tests::migrating::FIRST;
use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK, id};
use postern_tests::{Receiver, Reply};
use reqwest::Method;
use serde_json::{Value, json};

const TEST: &str = "/api/v1/providers/test.connected/test-connection";
const TOKEN: &str = "t0ken-of-the-chat";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_changes_a_connections_host_must_give_its_secret_anew() {
    let daemon = builder().start().await.with_chat().await;
    let (receiver, mut other) = (Receiver::start().await, Receiver::start().await);
    let connection = daemon.connect(&receiver, TOKEN).await;
    daemon.subscribe_room(&connection, "ops").await;
    let path = format!("/api/v1/connections/{connection}");
    let before = daemon.api.get(&path).await;
    for settings in [json!({ "baseUrl": other.url() }), json!({ "baseUrl": other.url(), "token": MARK })] {
        let problem = daemon.api.call(Method::PATCH, &path, json!({ "settings": settings })).await.problem(422, "invalid");
        assert_eq!(places(&problem), ["/settings/token"]);
        let message = problem["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("`baseUrl` changed") && message.contains("give the secret anew"), "{message}");
    }
    assert_eq!(daemon.api.get(&path).await, before);
    let moved = receiver.url() + "/elsewhere/on/the/same/host";
    daemon.api.patch(&path, json!({ "settings": { "baseUrl": moved } })).await;
    daemon.api.patch(&path, json!({ "settings": { "baseUrl": other.url(), "token": "an0ther-token" } })).await;
    daemon.emit("To the other host").await;
    assert_eq!(other.next().await.header("authorization"), "Bearer an0ther-token");
    assert!(receiver.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_changes_a_subscriptions_host_must_give_its_secrets_anew() {
    let daemon = builder().start().await;
    daemon.register_incidents().await;
    let (mut receiver, other) = (Receiver::start().await, Receiver::start().await);
    let config = json!({ "url": receiver.url(), "authType": "bearer", "bearerToken": TOKEN });
    let path = format!("/api/v1/subscriptions/{}", daemon.subscribe_webhook(config).await);
    for url in [other.url(), receiver.url().replace("http:", "https:"), "https://evil.example/{{ payload.title }}".into()] {
        let change = json!({ "providerConfig": { "url": url } });
        let problem = daemon.api.call(Method::PATCH, &path, change).await.problem(422, "invalid");
        assert_eq!(places(&problem), ["/providerConfig/bearerToken"], "{url}");
    }
    let change = json!({ "providerConfig": { "url": receiver.url() + "/{{ payload.severity }}" } });
    daemon.api.patch(&path, change).await;
    daemon.emit("Still here").await;
    let received = receiver.next().await;
    assert_eq!((received.target.as_str(), received.header("authorization")), ("/critical", &*format!("Bearer {TOKEN}")));
    // Another provider's settings have no secret to keep.
    let elsewhere = json!({ "providerId": WEBHOOK, "providerConfig": { "url": other.url(), "bearerToken": "n3w-token" } });
    daemon.api.patch(&path, elsewhere).await;
    assert!(other.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_connection_is_tried_with_the_saved_secrets_on_the_saved_host_only() {
    let daemon = builder().start().await.with_chat().await;
    let mut receiver = Receiver::that(says(&json!({ "name": "Ada" }))).await;
    let other = Receiver::that(Reply::Status(200)).await;
    let connection = daemon.connect(&receiver, TOKEN).await;
    let trial =
        |url: String, token: &str| json!({ "connectionId": connection, "connection": { "baseUrl": url, "token": token } });
    let answer = daemon.api.call(Method::POST, TEST, trial(receiver.url() + "/v2", MARK)).await;
    assert!(!answer.text.contains(TOKEN), "{}", answer.text);
    assert_eq!(answer.success()["message"], "signed in as Ada");
    let received = receiver.next().await;
    assert_eq!((received.target.as_str(), received.header("authorization")), ("/v2/me", &*format!("Bearer {TOKEN}")));

    let problem = daemon.api.call(Method::POST, TEST, trial(other.url(), MARK)).await.problem(422, "invalid");
    assert_eq!(places(&problem), ["/connection/token"]);
    assert!(other.is_untouched());
    daemon.api.call(Method::POST, TEST, trial(receiver.url(), "an0ther-token")).await.success();
    assert_eq!(receiver.next().await.header("authorization"), "Bearer an0ther-token");

    let unsaved = json!({ "connection": { "baseUrl": receiver.url(), "token": MARK } });
    let problem = daemon.api.call(Method::POST, TEST, unsaved).await.problem(422, "invalid");
    assert_eq!(places(&problem), ["/connection/token"]);
    let nobody =
        json!({ "connectionId": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "connection": { "baseUrl": receiver.url(), "token": MARK } });
    daemon.api.call(Method::POST, TEST, nobody).await.problem(404, "not-found");
    daemon.add_provider("test.migrating", FIRST).await;
    let elsewhere = "/api/v1/providers/test.migrating/test-connection";
    let problem = daemon.api.call(Method::POST, elsewhere, trial(receiver.url(), MARK)).await.problem(409, "conflict");
    assert_detail(&problem, &[&connection, PROVIDER]);
    let saved = daemon.api.get(&format!("/api/v1/connections/{connection}")).await;
    assert_eq!(saved["settings"]["baseUrl"], receiver.url(), "nothing was kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_in_a_list_that_changed_stands_for_nothing() {
    let daemon = builder().start().await;
    daemon.register_incidents().await;
    daemon.add_provider("test.migrating", FIRST).await;
    let mut receiver = Receiver::start().await;
    let connection = json!({ "baseUrl": receiver.url(), "token": TOKEN });
    let connection = json!({ "name": "C", "providerId": "test.migrating", "settings": connection });
    let connection = id(&daemon.api.post("/api/v1/connections", connection).await["id"]);
    let element = |name: &str, value: &str| json!({ "name": name, "value": value });
    let body = json!({
        "name": "Lists", "providerId": "test.migrating", "connectionId": connection, "events": [INCIDENT_CREATED],
        "providerConfig": { "room": "ops", "keys": ["first-key", "second-key"], "named": [element("a", "1"), element("b", "2")] },
    });
    let path = format!("/api/v1/subscriptions/{}", id(&daemon.api.post("/api/v1/subscriptions", body).await["id"]));
    let refused: [(Value, &[&str]); 5] = [
        (json!({ "keys": [MARK] }), &["/keys/0"]),
        (json!({ "keys": [MARK, MARK, "third-key"] }), &["/keys/0", "/keys/1"]),
        (json!({ "named": [element("b", MARK)] }), &["/named/0/value"]),
        (json!({ "named": [element("b", MARK), element("a", MARK)] }), &["/named/0/value", "/named/1/value"]),
        (json!({ "named": [element("a", MARK), element("c", "3")] }), &["/named/0/value"]),
    ];
    for (config, expected) in refused {
        let change = json!({ "providerConfig": config });
        let problem = daemon.api.call(Method::PATCH, &path, change).await.problem(422, "invalid");
        let expected: Vec<_> = expected.iter().map(|place| format!("/providerConfig{place}")).collect();
        assert_eq!(places(&problem), expected, "{config}");
        assert!(problem["errors"][0]["message"].as_str().unwrap().contains("give the secret anew"), "{problem}");
    }
    daemon.api.patch(&path, json!({ "providerConfig": { "room": "others" } })).await;
    daemon.emit("Kept").await;
    assert_eq!(receiver.next().await.json()["keys"], json!(["first-key", "second-key"]));
    let change = json!({ "keys": ["n3w-key", MARK], "named": [element("a", MARK), element("b", "3")] });
    daemon.api.patch(&path, json!({ "providerConfig": change })).await;
    daemon.emit("Half kept").await;
    assert_eq!(receiver.next().await.json()["keys"], json!(["n3w-key", "second-key"]));
    daemon.api.patch(&path, json!({ "providerConfig": { "keys": ["only-key"], "named": [] } })).await;
    daemon.emit("Given anew").await;
    assert_eq!(receiver.next().await.json()["keys"], json!(["only-key"]));
}
