//! The client library, against the real daemon.

use crate::proxy::{Fate, Proxy};
use postern_client::schemars::{self, JsonSchema};
use postern_client::{Client, Emission, Error, Hook, Retry};
use postern_tests::platform::{WEBHOOK, id};
use postern_tests::{Api, Daemon, Receiver, Reply};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Incident {
    /// Never changes.
    incident_id: String,
    severity: Severity,
    systems: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Minor,
    Critical,
}

const CREATED: Hook<Incident> = Hook::new("incident", "incident.created", "Incident created")
    .description("Fires when an incident is opened")
    .category("Incidents")
    .example(example);

fn example() -> Incident {
    incident("inc-1", Severity::Minor)
}

fn incident(id: &str, severity: Severity) -> Incident {
    Incident { incident_id: id.into(), severity, systems: vec!["checkout".into()], assignee: None }
}

fn client(api: &Api, server: &str) -> Client {
    Client::new(server, api.token().map(str::to_owned)).unwrap()
}

/// Bounds for tries that wait for nothing, and the delays that they would have waited.
fn recorded() -> (Retry, Arc<Mutex<Vec<Duration>>>) {
    let delays = Arc::new(Mutex::new(Vec::new()));
    let record = delays.clone();
    let retry = Retry::default().sleeper(move |delay| {
        record.lock().unwrap().push(delay);
        std::future::ready(())
    });
    (retry, delays)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_typed_hook_is_registered_emitted_and_delivered() {
    let daemon = Daemon::start().await;
    let mut receiver = Receiver::start().await;
    let client = client(&daemon.api, daemon.api.server());
    client.register(&CREATED).await.unwrap();
    client.register(&CREATED).await.unwrap();
    let registered = daemon.api.get("/api/v1/event-types/incident.incident.created").await;
    assert_eq!(registered["payloadSchema"], CREATED.schema());
    assert_eq!(registered["sample"], json!(example()), "the example is one of its own type");
    assert_eq!((&registered["category"], &registered["displayName"]), (&json!("Incidents"), &json!("Incident created")));
    let paths: Vec<_> = registered["properties"].as_array().unwrap().iter().map(|property| id(&property["path"])).collect();
    assert!(paths.contains(&"payload.incidentId".to_owned()) && paths.contains(&"payload.systems[n]".to_owned()), "{paths:?}");

    daemon.subscribe(WEBHOOK, &["incident.*"], json!({ "url": receiver.url() })).await;
    let emitted = client.emit(&CREATED, &incident("inc-7", Severity::Critical)).await.unwrap();
    assert_eq!(emitted.deliveries, 1);
    assert_eq!(receiver.next().await.json()["data"]["incidentId"], "inc-7");
    assert_eq!(daemon.settled(&emitted.event).await["status"], "success");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_has_times_keys_and_one_answer_each() {
    let daemon = Daemon::start().await;
    let client = client(&daemon.api, daemon.api.server());
    client.register(&CREATED).await.unwrap();
    let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
    let batch = [
        CREATED.emission(&incident("inc-1", Severity::Minor)).unwrap().at(moment),
        CREATED.emission(&incident("inc-2", Severity::Minor)).unwrap().key("row-2"),
        CREATED.emission(&incident("inc-2", Severity::Minor)).unwrap().key("row-2"),
    ];
    let emitted = client.emit_all(&batch).await.unwrap();
    assert_eq!(emitted[1], emitted[2], "the same key makes one event");
    assert_ne!(emitted[0], emitted[1]);
    assert_eq!(client.emit_all(&batch).await.unwrap(), emitted, "an emission that is kept may be sent again");
    let event = daemon.api.get(&format!("/api/v1/events/{}", emitted[0].event)).await;
    assert_eq!(event["timestamp"], "2026-01-02T03:04:05.678Z");
    assert_eq!(daemon.api.items("/api/v1/events").await.len(), 2);

    assert!(client.emit_all(&[]).await.unwrap().is_empty());
    let many: Vec<_> = (0..101).map(|number| Emission::new("incident.incident.created", json!(number))).collect();
    let error = client.emit_all(&many).await.unwrap_err();
    assert!(matches!(error, Error::TooMany { given: 101, most: 100 }), "{error}");
    let unfit = [batch[0].clone(), Emission::new("incident.incident.created", json!({ "incidentId": 7 }))];
    let Error::Problem(problem) = client.emit_all(&unfit).await.unwrap_err() else { panic!("another error") };
    assert!(problem.code == "invalid" && problem.errors.iter().any(|place| place.path == "/1/payload/incidentId"), "{problem:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_events_are_emitted_for_it() {
    let daemon = Daemon::start().await;
    let client = client(&daemon.api, daemon.api.server());
    client.register(&CREATED).await.unwrap();
    let acme = client.clone().with_tenant("acme");
    let payload = incident("inc-1", Severity::Minor);
    let tenant = async |event: &str| id(&daemon.api.get(&format!("/api/v1/events/{event}")).await["tenant"]);
    assert_eq!(tenant(&acme.emit(&CREATED, &payload).await.unwrap().event).await, "acme");
    let named = CREATED.emission(&payload).unwrap().tenant("globex");
    assert_eq!(tenant(&acme.emit_event(&named).await.unwrap().event).await, "globex");
    assert_eq!(tenant(&client.emit(&CREATED, &payload).await.unwrap().event).await, "default");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_makes_no_second_event() {
    let daemon = Daemon::start().await;
    let lost = Arc::new(AtomicBool::new(false));
    let seen = lost.clone();
    let proxy = Proxy::before(daemon.api.server(), move |request| {
        let first = request.starts_with("POST") && !seen.swap(true, Ordering::SeqCst);
        std::future::ready(if first { Fate::Lose } else { Fate::Pass })
    })
    .await;
    let (retry, delays) = recorded();
    let direct = client(&daemon.api, daemon.api.server());
    direct.register(&CREATED).await.unwrap();
    let emitted =
        client(&daemon.api, &proxy.url()).retry(retry).emit(&CREATED, &incident("inc-1", Severity::Minor)).await.unwrap();
    assert!(lost.load(Ordering::SeqCst));
    assert_eq!((proxy.requests(), delays.lock().unwrap().len()), (2, 1));
    let events = daemon.api.items("/api/v1/events").await;
    assert_eq!(events.iter().map(|event| id(&event["id"])).collect::<Vec<_>>(), [emitted.event]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_is_asked_again_when_it_says_with_the_same_key() {
    let mut server = Receiver::start().await;
    let busy = |status, after: &str| Reply::Full(status, vec![("Retry-After", after.to_owned())], String::new());
    let taken = Reply::Full(202, Vec::new(), json!({ "event": "01J", "deliveries": 3 }).to_string());
    server.script([busy(503, "7"), Reply::Status(502), busy(429, "0"), Reply::Close, taken]);
    let (retry, delays) = recorded();
    let client = Client::new(&server.url(), Some("t0ken".into())).unwrap().retry(retry);
    let emitted = client.emit(&CREATED, &incident("inc-1", Severity::Minor)).await.unwrap();
    assert_eq!((emitted.event.as_str(), emitted.deliveries), ("01J", 3));
    let delays = delays.lock().unwrap().clone();
    assert!(delays.len() == 4 && delays[0] >= Duration::from_secs(7) && delays[1] < Duration::from_secs(1), "{delays:?}");
    let requests = server.drain();
    let keys: Vec<_> = requests.iter().map(|request| request.json()["idempotencyKey"].clone()).collect();
    assert!(keys.len() == 5 && keys.iter().all(|key| *key == keys[0] && key.is_string()), "{keys:?}");
    assert!(requests.iter().all(|request| request.header("authorization") == "Bearer t0ken"));
    assert!(!format!("{client:?}").contains("t0ken"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_will_not_pass_is_returned_at_once_as_what_it_is() {
    let daemon = Daemon::start().await;
    let (retry, delays) = recorded();
    let client = client(&daemon.api, daemon.api.server()).retry(retry);
    let payload = incident("inc-1", Severity::Minor);
    assert_eq!(client.emit(&CREATED, &payload).await.unwrap_err().code(), Some("not-found"));
    client.register(&CREATED).await.unwrap();
    // The same event type with another payload, as a program of an older version would have it.
    const OLD: Hook<Value> = Hook::new("incident", "incident.created", "Incident created");
    let Error::Problem(problem) = client.emit(&OLD, &json!({ "severity": "huge" })).await.unwrap_err() else {
        panic!("another error")
    };
    assert_eq!((problem.status, problem.code.as_str()), (422, "invalid"));
    assert!(problem.errors.iter().any(|place| place.path == "/payload/severity"), "{problem:?}");
    let stranger = Client::new(daemon.api.server(), None).unwrap();
    assert_eq!(stranger.register(&CREATED).await.unwrap_err().code(), Some("unauthorized"));
    let nobody = postern_tests::receiver::Nobody::new();
    assert!(delays.lock().unwrap().is_empty());
    let (retry, delays) = recorded();
    let lonely = Client::new(&nobody.url(), None).unwrap().retry(retry.tries(3));
    let error = lonely.emit(&CREATED, &payload).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_temporary(), "{error}");
    assert_eq!(delays.lock().unwrap().len(), 2, "what may pass was tried thrice");
}
