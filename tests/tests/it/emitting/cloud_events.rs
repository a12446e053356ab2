//! CloudEvents 1.0 in the three modes of the HTTP binding.

use super::{EVENTS, subscribed};
use crate::bad_input::{assert_detail, everything, places};
use postern_tests::platform::{INCIDENT_CREATED, id, incident};
use postern_tests::{Answer, Api, Daemon, Engine, Receiver, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

const STRUCTURED: &str = "application/cloudevents+json";
const BATCHED: &str = "application/cloudevents-batch+json; charset=UTF-8";
const TIME: &str = "2026-01-02T03:04:05.678Z";

on_each_engine!(every_mode_is_delivered_and_a_repetition_gets_the_first_answer);

fn event(number: &str, data: Value) -> Value {
    json!({
        "specversion": "1.0", "id": number, "source": "/checkout", "type": INCIDENT_CREATED, "time": TIME,
        "datacontenttype": "application/json", "traceparent": "ignored", "data": data,
    })
}

async fn send(api: &Api, kind: &str, body: Value) -> Answer {
    api.call_with(Method::POST, EVENTS, &[("Content-Type", kind)], body).await
}

/// Sends an event whose attributes are headers.
async fn send_binary(api: &Api, number: &str, more: &[(&str, &str)], data: Value) -> Answer {
    let own = [("ce-specversion", "1.0"), ("ce-source", "/checkout"), ("ce-type", INCIDENT_CREATED), ("ce-time", TIME)];
    let headers: Vec<_> = own.into_iter().chain([("ce-id", number)]).chain(more.iter().copied()).collect();
    api.call_with(Method::POST, EVENTS, &headers, data).await
}

async fn every_mode_is_delivered_and_a_repetition_gets_the_first_answer(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    subscribed(&daemon, &receiver, &["default"]).await;
    let structured = send(&daemon.api, STRUCTURED, event("1", incident("Structured"))).await;
    assert_eq!(structured.status, 202);
    let structured = structured.json();
    let batch = json!([event("1", incident("A repetition")), event("2", incident("Batched"))]);
    let batched = send(&daemon.api, BATCHED, batch).await.success();
    assert_eq!(batched[0], structured, "source and id are the key");
    let binary = send_binary(&daemon.api, "3", &[], incident("Binary")).await.success();
    assert_eq!(send_binary(&daemon.api, "2", &[], incident("A repetition")).await.success(), batched[1]);

    for (answer, title) in [(&structured, "Structured"), (&batched[1], "Batched"), (&binary, "Binary")] {
        assert_eq!(answer["deliveries"], 1);
        let emitted = daemon.api.get(&format!("{EVENTS}/{}", id(&answer["event"]))).await;
        assert_eq!((&emitted["eventType"], &emitted["timestamp"]), (&json!(INCIDENT_CREATED), &json!(TIME)), "{emitted}");
        assert_eq!(emitted["payload"], incident(title));
        assert_eq!(daemon.settled(emitted["id"].as_str().unwrap()).await["status"], "success");
    }
    assert_eq!(receiver.drain().len(), 3);
    daemon.kill_9();
    daemon.restart().await;
    assert_eq!(send_binary(&daemon.api, "1", &[], incident("A repetition")).await.success(), structured);
    let other = [("ce-source", "/billing")];
    let own = [("ce-specversion", "1.0"), ("ce-type", INCIDENT_CREATED), ("ce-id", "1")];
    let headers: Vec<_> = own.into_iter().chain(other).collect();
    let elsewhere = daemon.api.call_with(Method::POST, EVENTS, &headers, incident("Another source")).await.success();
    assert_ne!(elsewhere["event"], structured["event"], "another source's event of the same id is another event");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_extension_tenant_names_whose_the_event_is() {
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    subscribed(&daemon, &receiver, &["default", "acme"]).await;
    let mut of_acme = event("1", incident("Of acme"));
    of_acme["tenant"] = json!("acme");
    send(&daemon.api, STRUCTURED, of_acme).await.success();
    assert_eq!(receiver.next().await.target, "/acme");
    send_binary(&daemon.api, "2", &[("ce-tenant", "acme")], incident("Of acme")).await.success();
    assert_eq!(receiver.next().await.target, "/acme");
    send_binary(&daemon.api, "2", &[], incident("Of the default tenant")).await.success();
    assert_eq!(receiver.next().await.target, "/default");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attributes_that_are_missing_or_malformed_are_named_by_place() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let before = everything(&daemon).await;
    let api = &daemon.api;
    let problem = send(api, STRUCTURED, json!({ "data": incident("No attributes") })).await.problem(422, "invalid");
    assert_eq!(places(&problem), ["/specversion", "/id", "/source", "/type"], "{problem}");
    let headers = [("ce-specversion", "1.0"), ("ce-id", "1")];
    let problem = api.call_with(Method::POST, EVENTS, &headers, incident("Two missing")).await.problem(422, "invalid");
    assert_eq!(places(&problem), ["/source", "/type"], "{problem}");
    for (name, value) in [
        ("specversion", json!("0.3")),
        ("id", json!("")),
        ("source", json!("")),
        ("type", json!("no type at all")),
        ("time", json!("yesterday")),
        ("tenant", json!("No Tenant!")),
        ("datacontenttype", json!("text/plain")),
        ("data", json!({ "title": "Unfit" })),
    ] {
        let mut wrong = event("1", incident("Wrong"));
        wrong[name] = value;
        let answer = send(api, BATCHED, json!([event("0", incident("Right")), wrong])).await;
        let problem = answer.problem(422, "invalid");
        let place = if name == "data" { "/1/payload".to_owned() } else { format!("/1/{name}") };
        assert!(
            places(&problem).iter().all(|found| found.starts_with(&place)) && !places(&problem).is_empty(),
            "{name}: {problem}"
        );
        assert_detail(&problem, &["nothing was emitted"]);
    }
    let mut unknown = event("1", incident("Unknown"));
    unknown["type"] = json!("incident.unknown");
    assert_detail(&send(api, STRUCTURED, unknown).await.problem(404, "not-found"), &["incident.unknown"]);
    send(api, BATCHED, json!([])).await.problem(422, "invalid");
    send(api, BATCHED, event("1", incident("No list"))).await.problem(422, "invalid");
    assert_eq!(everything(&daemon).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_that_is_no_json_is_refused() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let kinds = [("Content-Type", "text/plain"), ("Content-Type", "application/octet-stream")];
    for kind in kinds {
        let answer = send_binary(&daemon.api, "1", &[kind], json!("text")).await;
        assert_detail(&answer.problem(415, "unsupported-media-type"), &[kind.1]);
    }
    let encoded = |data: &str| {
        let mut event = event("1", Value::Null);
        event.as_object_mut().unwrap().remove("data");
        event["data_base64"] = json!(data);
        event
    };
    use base64::Engine as _;
    let base64 = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    for data in ["%%%".to_owned(), base64("no JSON".to_owned())] {
        let problem = send(&daemon.api, STRUCTURED, encoded(&data)).await.problem(422, "invalid");
        assert_eq!(places(&problem).len(), 1, "{problem}");
    }
    let mut both = encoded(&base64(incident("Both").to_string()));
    both["data"] = incident("Both");
    send(&daemon.api, STRUCTURED, both).await.problem(422, "invalid");
    assert!(daemon.api.items(EVENTS).await.is_empty());
    let emitted = send(&daemon.api, STRUCTURED, encoded(&base64(incident("Encoded").to_string()))).await.success();
    let event = daemon.api.get(&format!("{EVENTS}/{}", id(&emitted["event"]))).await;
    assert_eq!(event["payload"], incident("Encoded"));
}
