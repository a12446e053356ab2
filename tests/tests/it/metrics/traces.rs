//! Traces of attempts, as a collector gets them over OTLP/HTTP.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK};
use postern_tests::receiver::Nobody;
use postern_tests::{Daemon, Received, Receiver, Reply};
use prost::Message;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn attributes(list: &[KeyValue]) -> BTreeMap<&str, String> {
    let text = |value: &Any| match value {
        Any::StringValue(text) => text.clone(),
        Any::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    list.iter().map(|one| (one.key.as_str(), text(one.value.as_ref().and_then(|value| value.value.as_ref()).unwrap()))).collect()
}

/// The spans of an export, which must be of this service.
fn spans(request: &Received) -> Vec<Span> {
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/traces"));
    assert_eq!(request.header("content-type"), "application/x-protobuf");
    let export = ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap();
    for resource in &export.resource_spans {
        assert_eq!(attributes(&resource.resource.as_ref().unwrap().attributes)["service.name"], "postern");
    }
    let scopes = export.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// A daemon that exports to this collector, and whose log is as long as can be.
async fn traced(collector: &str, sampling: f64) -> Daemon {
    let config = format!("[telemetry]\notlp = {collector:?}\nsampling = {sampling:?}\n[log]\nlevel = \"debug,sled=info\"");
    let daemon = Daemon::builder().config(&config).start().await;
    daemon.register_incidents().await;
    daemon
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_attempt_is_one_span_with_names_that_stay() {
    let mut collector = Receiver::start().await;
    let mut daemon = traced(&collector.url(), 1.0).await;
    let receiver = Receiver::start().await;
    receiver.script([Reply::Status(200), Reply::Status(503), Reply::Status(200), Reply::Status(410)]);
    let config = json!({ "url": format!("{}/of-nobodys-business", receiver.url()), "signingSecret": "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdCBvZiB0cmFjZXM=" });
    let subscription = daemon.subscribe_webhook(config).await;
    let mut deliveries = Vec::new();
    for title in ["Of nobody's business 1", "Of nobody's business 2", "Of nobody's business 3"] {
        deliveries.push(daemon.settled(&daemon.emit(title).await).await);
    }
    assert!(daemon.terminate().await.status.success());

    let exports = collector.drain();
    let mut found: Vec<_> = exports.iter().flat_map(spans).collect();
    found.sort_by_key(|span| span.start_time_unix_nano);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let expected = [
        (0, "1", "success", None),
        (1, "1", "retrying", Some("http")),
        (1, "2", "success", None),
        (2, "1", "failed", Some("http")),
    ];
    assert_eq!(found.len(), expected.len());
    for (span, (delivery, attempt, outcome, class)) in found.iter().zip(expected) {
        let delivery: &Value = &deliveries[delivery];
        let mut named = BTreeMap::from([
            ("delivery", text(&delivery["id"])),
            ("event", text(&delivery["event"])),
            ("event_type", INCIDENT_CREATED.to_owned()),
            ("subscription", subscription.clone()),
            ("provider", WEBHOOK.to_owned()),
            ("tenant", "default".to_owned()),
            ("attempt", attempt.to_owned()),
            ("outcome", outcome.to_owned()),
        ]);
        named.extend(class.map(|class| ("class", class.to_owned())));
        assert_eq!((span.name.as_str(), attributes(&span.attributes)), ("attempt", named));
        assert!(span.end_time_unix_nano > span.start_time_unix_nano && span.events.is_empty() && span.parent_span_id.is_empty());
        let is_error = span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error);
        assert_eq!(is_error, class.is_some());
    }
    let everything: String = exports.iter().map(Received::text).collect();
    for secret in ["business", "whsec", "inc-7", receiver.port().to_string().as_str()] {
        assert!(!everything.contains(secret), "{secret}");
    }
    assert!(daemon.stderr().contains("delivered") && !daemon.stderr().contains("attempt{"), "the log is as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_exported_of_what_is_not_sampled() {
    let collector = Receiver::start().await;
    let mut daemon = traced(&collector.url(), 0.0).await;
    let receiver = Receiver::start().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    daemon.settled(&daemon.emit("Arrives").await).await;
    assert!(daemon.terminate().await.status.success());
    assert!(collector.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_keeps_nobody_waiting() {
    let collector = Nobody::new();
    let mut daemon = traced(&collector.url(), 1.0).await;
    let receiver = Receiver::start().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    assert_eq!(daemon.settled(&daemon.emit("Arrives").await).await["status"], "success");
    let ended = daemon.terminate().await;
    assert!(ended.status.success());
    assert_eq!(ended.stderr.matches("traces do not reach the collector").count(), 1, "{}", ended.stderr);
}
