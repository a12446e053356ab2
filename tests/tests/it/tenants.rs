//! What belongs to one tenant does not exist for another.

use crate::bad_input::{assert_detail, everything, places};
use postern_tests::chat::{builder, connection, subscription};
use postern_tests::platform::{INCIDENT_CREATED, id, incident, incident_type};
use postern_tests::{Api, Daemon, Engine, Receiver, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

const HOOK: &str = "/api/v1/plugins/incident/hooks/incident.created";
const TOKEN: &str = "t0ken-of-the-chat";

on_each_engine!(an_event_reaches_only_its_own_tenants_subscriptions, a_tenants_token_sees_and_changes_only_what_is_the_tenants,);

/// What one tenant has.
struct Tenant {
    name: &'static str,
    connection: String,
    subscription: String,
}

/// A connection and a subscription of a tenant, made with the given access.
async fn tenant(api: &Api, receiver: &Receiver, name: &'static str) -> Tenant {
    let mut body = connection(receiver, TOKEN);
    body["tenant"] = json!(name);
    let connection = id(&api.post("/api/v1/connections", body).await["id"]);
    let mut body = subscription(&connection, name);
    body["tenant"] = json!(name);
    let subscription = id(&api.post("/api/v1/subscriptions", body).await["id"]);
    Tenant { name, connection, subscription }
}

async fn emit_for(api: &Api, tenant: &str, title: &str) -> Value {
    api.call_with(Method::POST, HOOK, &[("Postern-Tenant", tenant)], incident(title)).await.success()
}

async fn an_event_reaches_only_its_own_tenants_subscriptions(engine: Engine) {
    let mut daemon = builder().engine(engine).start().await.with_chat().await;
    let mut receiver = Receiver::start().await;
    for name in ["default", "acme", "globex"] {
        tenant(&daemon.api, &receiver, name).await;
    }
    for _ in 0..2 {
        for name in ["acme", "globex", "default"] {
            let emitted = emit_for(&daemon.api, name, name).await;
            assert_eq!(emitted["deliveries"], 1);
            assert_eq!(daemon.settled(emitted["event"].as_str().unwrap()).await["tenant"], name);
            assert_eq!(receiver.next().await.target, format!("/rooms/{name}"));
        }
        daemon.settled(&daemon.emit("Of no tenant that is named").await).await;
        assert_eq!(receiver.next().await.target, "/rooms/default");
        assert_eq!(emit_for(&daemon.api, "nobody", "For nobody").await["deliveries"], 0);
        daemon.kill_9();
        daemon.restart().await;
    }
    let body = json!({ "type": INCIDENT_CREATED, "payload": incident("In the body"), "tenant": "acme" });
    daemon.api.post("/api/v1/events", body).await;
    assert_eq!(receiver.next().await.target, "/rooms/acme");
    assert!(receiver.drain().is_empty());
    for (what, at_least) in [("connections", 1), ("subscriptions", 1), ("events", 3), ("deliveries", 3)] {
        let listed = daemon.api.items(&format!("/api/v1/{what}?tenant=acme")).await;
        assert_eq!(listed.len(), at_least, "{what}");
        assert!(listed.iter().all(|item| item["tenant"] == "acme"), "{what}: {listed:?}");
        assert!(daemon.api.items(&format!("/api/v1/{what}?tenant=initech")).await.is_empty(), "{what}");
    }
}

async fn a_tenants_token_sees_and_changes_only_what_is_the_tenants(engine: Engine) {
    let daemon = builder().engine(engine).start().await.with_chat().await;
    let receiver = Receiver::start().await;
    let api = daemon.as_tenant("acme", &["admin"]).await;
    // The token need not name its tenant.
    let own = tenant(&api, &receiver, "acme").await;
    let other = tenant(&daemon.api, &receiver, "globex").await;
    let made = api.post("/api/v1/connections", connection(&receiver, TOKEN)).await;
    assert_eq!(made["tenant"], "acme");
    let event = emit_for(&daemon.api, other.name, "Not theirs").await;
    let delivery = daemon.settled(event["event"].as_str().unwrap()).await;
    let before = everything(&daemon).await;

    for what in ["connections", "subscriptions", "events", "deliveries"] {
        let listed = api.items(&format!("/api/v1/{what}")).await;
        assert!(listed.iter().all(|item| item["tenant"] == "acme"), "{what}: {listed:?}");
        let path = format!("/api/v1/{what}?tenant=globex");
        assert_detail(&api.call(Method::GET, &path, Value::Null).await.problem(403, "forbidden"), &["acme", "globex"]);
    }
    assert_eq!(api.items("/api/v1/subscriptions").await.len(), 1);
    let (delivery, event) = (id(&delivery["id"]), id(&event["event"]));
    let hidden = [
        format!("/api/v1/connections/{}", other.connection),
        format!("/api/v1/subscriptions/{}", other.subscription),
        format!("/api/v1/events/{event}"),
        format!("/api/v1/deliveries/{delivery}"),
        format!("/api/v1/deliveries/{delivery}/attempts/1"),
    ];
    for path in &hidden {
        api.call(Method::GET, path, Value::Null).await.problem(404, "not-found");
    }
    for path in &hidden[..2] {
        api.call(Method::PATCH, path, json!({ "name": "Mine" })).await.problem(404, "not-found");
        api.call(Method::DELETE, path, Value::Null).await.problem(404, "not-found");
        api.call(Method::DELETE, &format!("{path}?force=true"), Value::Null).await;
    }
    let filters = [format!("event={event}"), format!("subscription={}", other.subscription)];
    for filter in filters {
        assert!(api.items(&format!("/api/v1/deliveries?{filter}")).await.is_empty(), "{filter}");
    }
    assert_eq!(everything(&daemon).await, before);
    assert_uses_nothing_of(&api, &own, &other, &receiver).await;
    assert_eq!(everything(&daemon).await, before);

    let emitted = api.post(HOOK, incident("Theirs")).await;
    assert_eq!(api.get(&format!("/api/v1/events/{}", id(&emitted["event"]))).await["tenant"], "acme");
    api.patch(&format!("/api/v1/subscriptions/{}", own.subscription), json!({ "description": "Mine" })).await;
    api.delete(&format!("/api/v1/subscriptions/{}", own.subscription)).await;
    api.delete(&format!("/api/v1/connections/{}", own.connection)).await;
}

/// Neither by making or changing an object, nor by a trial, nor by an emission.
async fn assert_uses_nothing_of(api: &Api, own: &Tenant, other: &Tenant, receiver: &Receiver) {
    api.call(Method::POST, &format!("/api/v1/connections/{}/test", other.connection), json!({})).await.problem(404, "not-found");
    for call in ["send-test", "preview"] {
        let path = format!("/api/v1/subscriptions/{}/{call}", other.subscription);
        api.call(Method::POST, &path, json!({})).await.problem(404, "not-found");
    }
    for (call, name) in [("test-connection", None), ("options", Some("rooms"))] {
        let mut body = json!({ "connectionId": other.connection });
        if let Some(name) = name {
            body["name"] = json!(name);
        }
        let path = format!("/api/v1/providers/test.connected/{call}");
        api.call(Method::POST, &path, body).await.problem(404, "not-found");
    }
    let refused = api.call(Method::POST, "/api/v1/subscriptions", subscription(&other.connection, "theirs")).await;
    assert_eq!(places(&refused.problem(422, "invalid")), ["/connectionId"]);
    let path = format!("/api/v1/subscriptions/{}", own.subscription);
    let refused = api.call(Method::PATCH, &path, json!({ "connectionId": other.connection })).await;
    assert_eq!(places(&refused.problem(422, "invalid")), ["/connectionId"]);
    for path in [path, format!("/api/v1/connections/{}", own.connection)] {
        let refused = api.call(Method::PATCH, &path, json!({ "tenant": "globex" })).await;
        assert_eq!(places(&refused.problem(422, "invalid")), ["/tenant"]);
    }
    let with = |mut body: Value| {
        body["tenant"] = json!("globex");
        body
    };
    for (path, body) in [
        ("/api/v1/connections", connection(receiver, TOKEN)),
        ("/api/v1/subscriptions", subscription(&other.connection, "theirs")),
        ("/api/v1/events", json!({ "type": INCIDENT_CREATED, "payload": incident("Theirs") })),
    ] {
        assert_detail(&api.call(Method::POST, path, with(body)).await.problem(403, "forbidden"), &["acme", "globex"]);
    }
    let headers = [("Postern-Tenant", "globex")];
    api.call_with(Method::POST, HOOK, &headers, incident("Theirs")).await.problem(403, "forbidden");
    let cloud = json!({
        "specversion": "1.0", "id": "1", "source": "/a", "type": INCIDENT_CREATED, "tenant": "globex", "data": incident("Theirs"),
    });
    let headers = [("Content-Type", "application/cloudevents+json")];
    api.call_with(Method::POST, "/api/v1/events", &headers, cloud).await.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_token_cannot_touch_what_is_everybodys() {
    let daemon = builder().start().await.with_chat().await;
    let api = daemon.as_tenant("acme", &["admin"]).await;
    let before = everything(&daemon).await;
    let tokens = daemon.api.items("/api/v1/tokens").await;
    let token = format!("/api/v1/tokens/{}", id(&tokens[0]["id"]));
    let grant = json!({ "hosts": ["https://example.com"] });
    for (method, path, body) in [
        (Method::PUT, "/api/v1/plugins/incident/events/incident.created", incident_type()),
        (Method::PUT, "/api/v1/plugins/incident/events/new", incident_type()),
        (Method::DELETE, "/api/v1/event-types/incident.incident.created", Value::Null),
        (Method::DELETE, "/api/v1/event-types/incident.incident.created?force=true", Value::Null),
        (Method::POST, "/api/v1/providers?plugin=acme", Value::Null),
        (Method::POST, "/api/v1/providers/test.connected/approve", Value::Null),
        (Method::PUT, "/api/v1/providers/test.connected/grant", grant),
        (Method::DELETE, "/api/v1/providers/test.connected", Value::Null),
        (Method::GET, "/api/v1/tokens", Value::Null),
        (Method::POST, "/api/v1/tokens", json!({ "name": "More", "scopes": ["admin"] })),
        (Method::POST, "/api/v1/tokens", json!({ "name": "More", "scopes": ["admin"], "tenant": "acme" })),
        (Method::DELETE, token.as_str(), Value::Null),
    ] {
        let answer = api.call(method.clone(), path, body).await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
        assert_detail(&answer.problem(403, "forbidden"), &["acme"]);
    }
    assert_eq!(everything(&daemon).await, before);
    for path in ["/api/v1/event-types", "/api/v1/providers"] {
        assert!(!api.items(path).await.is_empty(), "what is everybody's can be looked at");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_token_stays_limited_after_a_restart() {
    let mut daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let token = daemon.as_tenant("acme", &["read", "emit"]).await.token().unwrap().to_owned();
    daemon.emit("Of the default tenant").await;
    daemon.kill_9();
    daemon.restart().await;
    let api = daemon.api.with_token(Some(&token));
    assert!(api.items("/api/v1/events").await.is_empty());
    api.post(HOOK, incident("Theirs")).await;
    assert_eq!(api.items("/api/v1/events").await.len(), 1);
    assert_eq!(api.get("/api/v1/stats").await["events"], 1);
}
