//! What event types and subscriptions say of events in jq: transforms, filters, entity keys; and trying them out.

use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK, exchange, incident, incident_type};
use postern_tests::{Daemon, Receiver};
use reqwest::Method;
use serde_json::{Value, json};

const REGISTRATION: &str = "/api/v1/plugins/incident/events/incident.created";

fn with(mut value: Value, key: &str, inner: Value) -> Value {
    value[key] = inner;
    value
}

fn subscription(receiver: &Receiver, rules: Value) -> Value {
    let mut body = json!({
        "name": "With rules", "providerId": WEBHOOK, "events": [INCIDENT_CREATED],
        "providerConfig": { "url": receiver.url() },
    });
    body.as_object_mut().unwrap().extend(rules.as_object().unwrap().clone());
    body
}

fn paths(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().unwrap().iter().map(|place| place["path"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_transform_leaves_is_stored_and_delivered() {
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    let transform = r#"{id: .incidentId, severity: (.severity | ascii_upcase), affected_systems: (.systemIds | length)}"#;
    daemon.api.put(REGISTRATION, with(incident_type(), "transform", json!(transform))).await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let event = daemon.emit("It burns").await;
    let expected = json!({ "id": "inc-7", "severity": "CRITICAL", "affected_systems": 1 });
    assert_eq!(receiver.next().await.json()["data"], expected);
    assert_eq!(daemon.api.get(&format!("/api/v1/events/{event}")).await["payload"], expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transform_is_judged_when_it_is_registered_and_nothing_changes_if_it_is_refused() {
    let daemon = Daemon::start().await;
    let bad = [
        (with(incident_type(), "transform", json!("{id: ")), "/transform"),
        (with(incident_type(), "transform", json!("{home: env.HOME}")), "/transform"),
        (with(with(incident_type(), "transform", json!(".title")), "example", incident("x")), "/transform"),
        (with(incident_type(), "example", json!({ "incidentId": 1 })), "/example"),
    ];
    for (body, place) in bad {
        let problem = daemon.api.call(Method::PUT, REGISTRATION, body).await.problem(422, "invalid");
        assert!(paths(&problem).iter().any(|path| path.starts_with(place)), "{problem}");
    }
    assert!(daemon.api.items("/api/v1/event-types?plugin=incident").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transform_that_fails_on_a_payload_refuses_the_emission() {
    let daemon = Daemon::start().await;
    let transform = r#"if .severity == "minor" then error("too small") else . end"#;
    daemon.api.put(REGISTRATION, with(incident_type(), "transform", json!(transform))).await;
    let minor = with(incident("x"), "severity", json!("minor"));
    let answer = daemon.api.call(Method::POST, "/api/v1/plugins/incident/hooks/incident.created", minor).await;
    let problem = answer.problem(422, "invalid");
    assert!(problem["errors"][0]["message"].as_str().unwrap().contains("too small"), "{problem}");
    assert!(daemon.api.items("/api/v1/events").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_lets_through_what_it_says_and_the_entity_key_is_on_record() {
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let rules = json!({ "filter": r#".payload.severity == "critical" and .type == "incident.incident.created""#, "entityKey": ".payload.incidentId" });
    daemon.api.post("/api/v1/subscriptions", subscription(&receiver, rules)).await;
    let minor = with(incident("quiet"), "severity", json!("minor"));
    let kept_back = daemon.api.post("/api/v1/plugins/incident/hooks/incident.created", minor).await;
    assert_eq!(kept_back["deliveries"], 0);
    let event = daemon.emit("loud").await;
    assert_eq!(receiver.next().await.json()["data"]["title"], "loud");
    assert_eq!(daemon.settled(&event).await["entity"], "inc-7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_and_templates_are_checked_against_the_event_types_when_they_are_saved() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let refused = [
        (json!({ "filter": ".payload.severity ==" }), "/filter"),
        (json!({ "filter": ".payload.severity" }), "/filter"),
        (json!({ "entityKey": ".payload.systemIds" }), "/entityKey"),
        (json!({ "providerConfig": { "url": receiver.url() + "/{{ payload.titel }}" } }), "/providerConfig/url"),
    ];
    for (rules, place) in refused {
        let answer = daemon.api.call(Method::POST, "/api/v1/subscriptions", subscription(&receiver, rules)).await;
        let problem = answer.problem(422, "invalid");
        assert_eq!(paths(&problem), [place], "{problem}");
    }
    let misspelt = json!({ "providerConfig": { "url": receiver.url() + "/{{ payload.titel }}" } });
    let problem = daemon.api.call(Method::POST, "/api/v1/subscriptions", subscription(&receiver, misspelt)).await.json();
    assert!(problem.to_string().contains("payload.title"), "the nearest name is told: {problem}");
    assert!(daemon.api.items("/api/v1/subscriptions").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_fails_on_an_event_makes_a_delivery_that_says_so() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let rules = json!({ "filter": r#"if .payload.title == "trap" then error("cannot judge") else true end"# });
    daemon.api.post("/api/v1/subscriptions", subscription(&receiver, rules)).await;
    let event = daemon.emit("trap").await;
    let delivery = daemon.settled(&event).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("failed"), &json!(0)));
    let error = delivery["error"].as_str().unwrap();
    assert!(error.contains("filter") && error.contains("cannot judge"), "{error}");
    assert!(receiver.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registering_what_would_break_a_subscription_names_it_and_needs_force() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let config = json!({ "providerConfig": { "url": receiver.url() + "/{{ payload.title }}" } });
    let made = daemon.api.post("/api/v1/subscriptions", subscription(&receiver, config)).await;
    let mut changed = incident_type();
    changed["payloadSchema"]["properties"].as_object_mut().unwrap().remove("title");
    changed["payloadSchema"]["required"] = json!(["incidentId"]);
    let problem = daemon.api.call(Method::PUT, REGISTRATION, changed.clone()).await.problem(409, "breaks-subscriptions");
    assert!(paths(&problem)[0].contains(made["id"].as_str().unwrap()), "{problem}");
    let kept = daemon.api.get(&format!("/api/v1/event-types/{INCIDENT_CREATED}")).await;
    assert!(kept["payloadSchema"]["properties"]["title"].is_object());
    daemon.api.put(&format!("{REGISTRATION}?force=true"), changed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_type_shows_its_properties_and_a_sample() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let shown = daemon.api.get(&format!("/api/v1/event-types/{INCIDENT_CREATED}")).await;
    let properties = shown["properties"].as_array().unwrap();
    assert!(
        properties.iter().any(|property| property["path"] == "payload.systemIds[n]" && property["type"] == "string"),
        "{shown}"
    );
    assert!(shown["sample"]["severity"].is_string(), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_is_sent_for_real_marked_and_attempted_once() {
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let made = daemon.api.post("/api/v1/subscriptions", subscription(&receiver, json!({ "enabled": false }))).await;
    let path = format!("/api/v1/subscriptions/{}/send-test", made["id"].as_str().unwrap());
    let sent = daemon.api.post(&path, json!({})).await;
    assert_eq!((&sent["status"], &sent["test"], &sent["attempts"]), (&json!("success"), &json!(true), &json!(1)));
    assert_eq!(exchange(&sent)["status"], 200);
    receiver.next().await;
    daemon.api.post(&path, json!({ "payload": incident("mine") })).await;
    assert_eq!(receiver.next().await.json()["data"]["title"], "mine");
    receiver.always(postern_tests::receiver::Reply::Status(503));
    let failed = daemon.api.post(&path, json!({})).await;
    assert_eq!((&failed["status"], &failed["attempts"]), (&json!("failed"), &json!(1)));
    let unfit = daemon.api.call(Method::POST, &path, json!({ "payload": { "title": 1 } })).await;
    assert!(paths(&unfit.problem(422, "invalid")).contains(&"/payload/title"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_renders_and_sends_nothing() {
    let daemon = Daemon::builder().config("[egress]\nplain-http = [\"127.0.0.1:*\"]\n").start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let config = json!({ "providerConfig": { "url": receiver.url() + "/{{ payload.title }}", "authType": "bearer", "bearerToken": "hunter2hunter2" } });
    let made = daemon.api.post("/api/v1/subscriptions", subscription(&receiver, config)).await;
    let path = format!("/api/v1/subscriptions/{}/preview", made["id"].as_str().unwrap());
    let preview = daemon.api.post(&path, json!({ "payload": incident("a b") })).await;
    assert_eq!(preview["providerConfig"]["url"], receiver.url() + "/a%20b");
    assert_eq!(preview["providerConfig"]["bearerToken"], "[secret]");
    assert!(receiver.is_untouched());
}
