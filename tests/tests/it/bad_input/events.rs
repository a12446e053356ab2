//! Event types and emissions that do not fit.

use super::{assert_detail, everything, places};
use postern_tests::platform::{incident, incident_type};
use postern_tests::{Daemon, Receiver};
use reqwest::Method;
use serde_json::{Value, json};

const REGISTER: &str = "/api/v1/plugins/incident/events/incident.created";
const EMIT: &str = "/api/v1/plugins/incident/hooks/incident.created";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_is_no_json_schema_is_refused_with_its_place() {
    let daemon = Daemon::start().await;
    let before = everything(&daemon).await;
    let with = |schema: Value| {
        let mut body = incident_type();
        body["payloadSchema"] = schema;
        body
    };
    let table = [
        (with(json!({ "type": "objekt" })), "/payloadSchema/type"),
        (with(json!({ "type": "object", "properties": { "a": { "minLength": "3" } } })), "/payloadSchema/properties/a/minLength"),
        (with(json!({ "pattern": "(" })), "/payloadSchema/pattern"),
        (with(json!({ "properties": { "a": { "$ref": "https://example.com/s.json" } } })), "/payloadSchema/properties/a/$ref"),
        (with(json!("string")), "/payloadSchema"),
        (json!({ "displayName": " ", "payloadSchema": {} }), "/displayName"),
    ];
    for (body, place) in table {
        let problem = daemon.api.call(Method::PUT, REGISTER, body.clone()).await.problem(422, "invalid");
        assert!(places(&problem).contains(&place), "{body}: {problem}");
    }
    let problem = daemon.api.call(Method::PUT, REGISTER, json!({ "displayName": "X" })).await.problem(422, "invalid");
    assert!(problem.to_string().contains("payloadSchema"), "{problem}");
    let problem = daemon.api.call(Method::PUT, REGISTER, json!({ "displayName": 7, "payloadSchema": {} })).await;
    assert_eq!(places(&problem.problem(422, "invalid")), ["/displayName"]);
    for path in ["/api/v1/plugins/a.b/events/created", "/api/v1/plugins/a/events/.x"] {
        daemon.api.call(Method::PUT, path, incident_type()).await.problem(400, "bad-id");
    }
    assert_eq!(everything(&daemon).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_that_does_not_fit_is_refused_with_every_place_and_nothing_is_delivered() {
    let daemon = Daemon::start().await;
    let receiver = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    let before = everything(&daemon).await;

    let mut payload = incident("Unfit");
    payload["severity"] = json!("catastrophic");
    payload["systemIds"] = json!(["a", 7]);
    payload["createdAt"] = json!("yesterday");
    let problem = daemon.api.call(Method::POST, EMIT, payload).await.problem(422, "invalid");
    let mut found = places(&problem);
    found.sort_unstable();
    assert_eq!(found, ["/payload/createdAt", "/payload/severity", "/payload/systemIds/1"], "{problem}");
    assert_detail(&problem, &["incident.incident.created", "nothing was emitted"]);
    let problem = daemon.api.call(Method::POST, EMIT, json!({})).await.problem(422, "invalid");
    assert!(problem.to_string().contains("title"), "what is missing is named: {problem}");

    let many = json!([
        { "type": "incident.incident.created", "payload": incident("Fits") },
        { "type": "incident.incident.created", "payload": {} },
    ]);
    let problem = daemon.api.call(Method::POST, "/api/v1/events", many).await.problem(422, "invalid");
    assert!(places(&problem).iter().all(|place| place.starts_with("/1/payload")), "{problem}");

    assert_eq!(everything(&daemon).await, before);
    assert!(receiver.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_place_of_an_emission_in_its_list_is_named() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let many = json!([
        { "type": "incident.incident.created", "payload": incident("Fits") },
        { "type": 7, "payload": {} },
    ]);
    let problem = daemon.api.call(Method::POST, "/api/v1/events", many).await.problem(422, "invalid");
    assert_eq!(places(&problem), ["/1/type"], "{problem}");
    let many = json!([
        { "type": "incident.incident.created", "payload": incident("Fits") },
        { "type": "incident.never.registered", "payload": {} },
    ]);
    let problem = daemon.api.call(Method::POST, "/api/v1/events", many).await.problem(404, "not-found");
    assert_detail(&problem, &["incident.never.registered"]);
    assert!(daemon.api.items("/api/v1/events").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_event_type_is_refused_by_name() {
    let daemon = Daemon::start().await;
    let problem = daemon.api.call(Method::POST, EMIT, incident("Nobody registered it")).await.problem(404, "not-found");
    assert_detail(&problem, &["incident.incident.created"]);
    daemon.api.call(Method::GET, "/api/v1/event-types/incident.unknown", Value::Null).await.problem(404, "not-found");
    daemon.api.call(Method::DELETE, "/api/v1/event-types/incident.unknown", Value::Null).await.problem(404, "not-found");
    assert!(daemon.api.items("/api/v1/events").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_much_is_emitted_at_once_has_bounds() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let mut large = incident("Large");
    large["description"] = json!("x".repeat(1 << 20));
    let problem = daemon.api.call(Method::POST, EMIT, large).await.problem(413, "too-large");
    assert_detail(&problem, &["1048576"]);
    let mut larger = incident("Larger than a body may be");
    larger["description"] = json!("x".repeat(2 << 20));
    let problem = daemon.api.call(Method::POST, EMIT, larger).await.problem(413, "too-large");
    assert_detail(&problem, &["2097152"]);
    let emission = json!({ "type": "incident.incident.created", "payload": incident("One of many") });
    for count in [0, 101] {
        let many = Value::Array(vec![emission.clone(); count]);
        daemon.api.call(Method::POST, "/api/v1/events", many).await.problem(422, "invalid");
    }
    assert!(daemon.api.items("/api/v1/events").await.is_empty());
    let most = daemon.api.call(Method::POST, "/api/v1/events", Value::Array(vec![emission; 100])).await;
    assert_eq!((most.status, most.json().as_array().unwrap().len()), (202, 100));
}
