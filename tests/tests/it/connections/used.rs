//! What subscriptions may use, and what a change or a removal means for them.

use crate::bad_input::{assert_detail, everything, places};
use postern_tests::chat::{builder, connection, subscription};
use postern_tests::platform::{id, outcome};
use postern_tests::{Engine, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

const TOKEN: &str = "t0ken-of-the-chat";

on_each_engine!(
    a_connection_in_use_is_removed_only_by_force_and_its_deliveries_say_why_they_fail,
    a_changed_connection_is_used_at_the_next_attempt,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_needs_a_connection_of_its_own_provider_and_tenant() {
    let daemon = builder().start().await.with_chat().await;
    let receiver = Receiver::start().await;
    let own = daemon.connect(&receiver, TOKEN).await;
    let mut of_acme = connection(&receiver, TOKEN);
    of_acme["tenant"] = json!("acme");
    let of_acme = id(&daemon.api.post("/api/v1/connections", of_acme).await["id"]);
    let other = postern_tests::CONNECTED;
    let path = "/api/v1/providers?plugin=other";
    daemon.api.send(Method::POST, path, "application/wasm", other.to_vec()).await.unwrap().success();
    daemon.api.post("/api/v1/providers/other.connected/approve", Value::Null).await;
    let mut of_other = connection(&receiver, TOKEN);
    of_other["providerId"] = json!("other.connected");
    let of_other = id(&daemon.api.post("/api/v1/connections", of_other).await["id"]);
    let kept = daemon.subscribe_room(&own, "ops").await;
    let before = everything(&daemon).await;

    let nobody = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for (named, text) in [
        (Value::Null, "needs a connection"),
        (json!(nobody), nobody),
        (json!(of_acme), "there is no connection"),
        (json!(of_other), "other.connected"),
        (json!("nonsense"), "nonsense"),
    ] {
        let mut body = subscription(&own, "ops");
        body["connectionId"] = named.clone();
        let refused = daemon.api.call(Method::POST, "/api/v1/subscriptions", body).await.problem(422, "invalid");
        let change = json!({ "connectionId": named });
        let path = format!("/api/v1/subscriptions/{kept}");
        let unchanged = daemon.api.call(Method::PATCH, &path, change).await.problem(422, "invalid");
        for problem in [refused, unchanged] {
            assert_eq!(places(&problem), ["/connectionId"], "{problem}");
            assert!(problem["errors"][0]["message"].as_str().unwrap().contains(text), "{problem}");
        }
    }
    let mut body = subscription(&own, "ops");
    body["providerId"] = json!("postern.webhook");
    body["providerConfig"] = json!({ "url": receiver.url() });
    let problem = daemon.api.call(Method::POST, "/api/v1/subscriptions", body).await.problem(422, "invalid");
    assert_eq!(places(&problem), ["/connectionId"], "{problem}");
    assert_eq!(everything(&daemon).await, before);
}

async fn a_connection_in_use_is_removed_only_by_force_and_its_deliveries_say_why_they_fail(engine: Engine) {
    let daemon = builder().engine(engine).start().await.with_chat().await;
    let receiver = Receiver::start().await;
    let connection = daemon.connect(&receiver, TOKEN).await;
    let path = format!("/api/v1/connections/{connection}");
    let subscriptions = [daemon.subscribe_room(&connection, "ops").await, daemon.subscribe_room(&connection, "sales").await];
    let used_by = daemon.api.get(&path).await["usedBy"].take();
    let users: Vec<_> = used_by.as_array().unwrap().iter().map(|user| id(&user["name"])).collect();
    assert_eq!(users, ["ops", "sales"]);

    for query in ["", "?force=false"] {
        let problem = daemon.api.call(Method::DELETE, &format!("{path}{query}"), Value::Null).await.problem(409, "conflict");
        assert_detail(&problem, &["2 subscription", "`ops`", "`sales`", &subscriptions[0], &subscriptions[1], "force"]);
    }
    daemon.api.get(&path).await;
    daemon.api.delete(&format!("{path}?force=true")).await;
    daemon.api.call(Method::GET, &path, Value::Null).await.problem(404, "not-found");
    for delivery in daemon.all_settled(&daemon.emit("To nobody").await).await {
        assert_eq!((&delivery["status"], &outcome(&delivery)["cause"]), (&json!("failed"), &json!("config")), "{delivery:#}");
        let error = delivery["error"].as_str().unwrap();
        assert!(error.contains(&connection) && error.contains("deleted"), "{error}");
    }
    assert!(receiver.is_untouched());

    let another = daemon.connect(&receiver, TOKEN).await;
    for subscription in &subscriptions {
        daemon.api.patch(&format!("/api/v1/subscriptions/{subscription}"), json!({ "connectionId": another })).await;
    }
    for delivery in daemon.all_settled(&daemon.emit("To somebody").await).await {
        assert_eq!(delivery["status"], "success", "{delivery:#}");
    }
    for subscription in &subscriptions {
        daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
    }
    daemon.api.delete(&format!("/api/v1/connections/{another}")).await;
}

async fn a_changed_connection_is_used_at_the_next_attempt(engine: Engine) {
    let daemon = builder().engine(engine).config("[delivery]\nretry = [\"400ms\"]").start().await.with_chat().await;
    let (mut old, mut new) = (Receiver::that(Reply::Status(503)).await, Receiver::start().await);
    let connection = daemon.connect(&old, TOKEN).await;
    let path = format!("/api/v1/connections/{connection}");
    daemon.subscribe_room(&connection, "ops").await;
    let event = daemon.emit("Moves while it is queued").await;
    assert_eq!(old.next().await.header("authorization"), format!("Bearer {TOKEN}"));
    daemon.api.patch(&path, json!({ "settings": { "baseUrl": new.url(), "token": "another-t0ken" } })).await;
    assert_eq!(new.next().await.header("authorization"), "Bearer another-t0ken");
    let delivery = daemon.settled(&event).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("success"), &json!(2)), "{delivery:#}");
    assert!(old.drain().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connections_host_must_be_granted() {
    let daemon = builder().start().await.with_chat().await;
    let receiver = Receiver::start().await;
    let connection = daemon.connect(&receiver, TOKEN).await;
    daemon.subscribe_room(&connection, "ops").await;
    daemon.grant("test.connected", &["https://example.com"]).await;
    let delivery = daemon.settled(&daemon.emit("Not granted").await).await;
    assert_eq!(delivery["status"], "failed", "{delivery:#}");
    assert!(receiver.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_whose_provider_was_removed_says_so_before_a_restart_as_after_it() {
    let mut daemon = builder().start().await.with_chat().await;
    let receiver = Receiver::start().await;
    let path = format!("/api/v1/connections/{}", daemon.connect(&receiver, TOKEN).await);
    let provider = "/api/v1/providers/test.connected";
    // Nobody uses the connection, so that either is right: to refuse, or to remove the provider and say what that means.
    if daemon.api.call(Method::DELETE, provider, Value::Null).await.status == 409 {
        assert!(daemon.api.get(&path).await.get("problem").is_none());
        return;
    }
    let shown = daemon.api.get(&path).await;
    daemon.kill_9();
    daemon.restart().await;
    assert_eq!(daemon.api.get(&path).await["problem"], "there is no provider `test.connected`");
    assert_eq!(shown["problem"], "there is no provider `test.connected`", "before the restart");
}
