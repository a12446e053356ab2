//! Misdeeds of a provider that are requests.

use super::{QUICK, Scene, assert_failed};
use postern_tests::platform::{FIXTURE, attempts};
use postern_tests::{Daemon, Receiver};
use serde_json::{Value, json};

/// What a bearer token may be made of, and what changes in every encoding.
const SECRET: &str = "s3cr3t/tok+en=of~a receiver";

fn exchanges(delivery: &Value) -> Vec<Value> {
    attempts(delivery)[0]["exchanges"].as_array().expect("its exchanges").clone()
}

/// Gives the fixture a bound of its own.
async fn allow_requests(daemon: &Daemon, most: u32) {
    let path = format!("/api/v1/providers/{FIXTURE}/grant");
    let mut grant = daemon.api.get(&path).await;
    grant["limits"] = json!({ "requestsPerCall": most });
    daemon.api.put(&path, grant).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_without_end_stop_at_the_cap() {
    let scene = Scene::with_hostile(QUICK).await;
    let mut receiver = Receiver::start().await;
    let delivery = scene.misbehave(json!({ "behaviour": "many-requests", "url": receiver.url() })).await;
    assert_failed(
        &delivery,
        "provider",
        &["after 8 requests: TooManyRequests", "requests-per-call", "grant test.hostile --limit"],
    );
    assert_eq!(receiver.drain().len(), 8);

    let delivery = scene.misbehave(json!({ "behaviour": "thousands-of-requests", "url": receiver.url() })).await;
    assert_failed(&delivery, "provider", &["8 of 5000 were answered"]);
    assert_eq!(receiver.drain().len(), 8);
    assert_eq!(exchanges(&delivery).len(), 9, "of those beyond the bound only the first is on record");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giant_requests_are_refused_by_their_limits_names() {
    let scene = Scene::with_hostile(QUICK).await;
    let receiver = Receiver::start().await;
    let delivery = scene.misbehave(json!({ "behaviour": "giant-requests", "url": receiver.url() })).await;
    let limits = ["request-headers", "request-header-bytes", "url-bytes", "request-body-bytes"];
    assert_failed(&delivery, "provider", &limits);
    assert_eq!(exchanges(&delivery).iter().filter(|exchange| exchange["code"] == "size").count(), 4, "{delivery:#}");
    assert!(receiver.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_scan_finds_nothing_by_name_or_literal() {
    // This machine is allowed to nobody here, not to the neighbour either.
    let Scene { daemon, .. } = Scene::with_hostile(&format!("{QUICK}\n[egress]\nallow = []")).await;
    // Enough requests for all; what is no spelling of its own host is not granted, and its own host is this machine.
    allow_requests(&daemon, 100).await;
    let receiver = Receiver::start().await;
    daemon.subscribe_hostile(json!({ "behaviour": "port-scan", "url": receiver.url() })).await;
    let delivery = daemon.settled(&daemon.emit("Scan").await).await;
    assert_failed(&delivery, "provider", &["0 of 16 are open"]);
    let scanned = exchanges(&delivery);
    assert_eq!(scanned.len(), 16);
    assert!(scanned.iter().all(|exchange| exchange["decision"] == "denied"), "{delivery:#}");
    assert!(scanned.iter().filter(|exchange| exchange["code"] == "address").count() >= 5, "{delivery:#}");
    assert!(receiver.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_reaches_no_second_host_in_any_place_or_encoding() {
    let scene = Scene::with_hostile(&format!("{QUICK}\n[egress]\nplain-http = [\"127.0.0.1:*\"]")).await;
    allow_requests(&scene.daemon, 100).await;
    let (own, mut elsewhere) = (Receiver::start().await, Receiver::start().await);
    let config = json!({ "behaviour": "exfiltrate", "url": own.url(), "elsewhere": elsewhere.url(), "token": SECRET });
    let delivery = scene.misbehave(config).await;
    assert_failed(&delivery, "provider", &["of 16 passed"]);
    assert_eq!(exchanges(&delivery).len(), 16);
    // What the host did not recognise was sent as it was: a placeholder, in some disguise, which is worth nothing.
    let arrived = elsewhere.drain();
    assert!((4..=7).contains(&arrived.len()), "{} requests passed: {delivery:#}", arrived.len());
    let told: String =
        arrived.iter().map(|request| request.text()).chain([delivery.to_string(), scene.daemon.stderr()]).collect();
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let backwards: String = SECRET.chars().rev().collect();
    for form in [SECRET, "s3cr3t", "tok+en", "tok%2Ben", &hex, &percent, &backwards, "czNjcjN0"] {
        assert!(!told.contains(form), "`{form}` is told: {told}");
    }
    let refused = exchanges(&delivery).iter().filter(|exchange| exchange["decision"] == "denied").count();
    assert_eq!(refused + arrived.len(), 16, "{delivery:#}");
    assert!(own.is_untouched());
}
