//! What the figures say after traffic that is known.

use super::{Figures, scrape};
use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK, incident};
use postern_tests::wait::until;
use postern_tests::{Daemon, Engine, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

const HOOK: &str = "/api/v1/plugins/incident/hooks/incident.created";

on_each_engine!(known_traffic_is_counted_exactly);

/// A scrape once so many deliveries became final.
async fn once_final(daemon: &Daemon, count: f64) -> Figures {
    until("the deliveries to be counted", || async {
        let figures = Figures::of(daemon).await;
        (figures.sum("postern_deliveries_total") >= count).then_some(figures)
    })
    .await
}

async fn known_traffic_is_counted_exactly(engine: Engine) {
    let daemon = Daemon::on(engine).await;
    daemon.register_incidents().await;
    daemon.add_hostile().await;
    let receiver = Receiver::start().await;
    let webhook = daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    for title in ["One", "Two", "Three"] {
        daemon.settled(&daemon.emit(title).await).await;
    }
    receiver.script([Reply::Status(410), Reply::Status(503)]);
    daemon.settled(&daemon.emit("Is gone").await).await;
    daemon.settled(&daemon.emit("Arrives at the second attempt").await).await;
    daemon.api.delete(&format!("/api/v1/subscriptions/{webhook}")).await;
    let hostile = daemon.subscribe_hostile(json!({ "behaviour": "panic" })).await;
    daemon.settled(&daemon.emit("Traps four times").await).await;
    daemon.api.delete(&format!("/api/v1/subscriptions/{hostile}")).await;

    let twice = || daemon.api.call_with(Method::POST, HOOK, &[("Idempotency-Key", "once")], incident("Once"));
    twice().await.success();
    twice().await.success();
    daemon.api.call(Method::POST, HOOK, json!({ "title": 1 })).await.problem(422, "invalid");
    let unknown =
        [json!({ "type": "a.b", "payload": {} }), json!({ "type": INCIDENT_CREATED, "payload": incident("Not even this") })];
    daemon.api.call(Method::POST, "/api/v1/events", json!(unknown)).await.problem(404, "not-found");

    let figures = once_final(&daemon, 6.0).await;
    let expected = [
        (r#"postern_attempts_total{provider="postern.webhook",class="success"}"#, 4.0),
        (r#"postern_attempts_total{provider="postern.webhook",class="http"}"#, 2.0),
        (r#"postern_attempts_total{provider="test.hostile",class="trap"}"#, 4.0),
        (r#"postern_deliveries_total{status="success"}"#, 4.0),
        (r#"postern_deliveries_total{status="failed"}"#, 2.0),
        ("postern_retries_total", 4.0),
        ("postern_queue_seconds_count", 10.0),
        (r#"postern_queue_seconds_bucket{le="+Inf"}"#, 10.0),
        ("postern_attempt_seconds_count", 10.0),
        ("postern_attempt_http_seconds_count", 6.0),
        ("postern_attempt_sandbox_seconds_count", 10.0),
        (r#"postern_emissions_total{result="accepted"}"#, 7.0),
        (r#"postern_emissions_total{result="repeated"}"#, 1.0),
        (r#"postern_emissions_total{result="invalid"}"#, 1.0),
        (r#"postern_emissions_total{result="unknown-type"}"#, 2.0),
        (r#"postern_emissions_total{result="busy"}"#, 0.0),
        ("postern_deliveries_unfinished", 0.0),
        ("postern_deliveries_claimed", 0.0),
        ("postern_deliveries_behind", 0.0),
        ("postern_oldest_due_seconds", 0.0),
        ("postern_attempts_in_flight", 0.0),
        (r#"postern_breakers{state="closed"}"#, 2.0),
        (r#"postern_breakers{state="open"}"#, 0.0),
        (r#"postern_breakers{state="probing"}"#, 0.0),
    ];
    for (name, value) in expected {
        assert_eq!(figures.get(name), value, "{name}");
    }
    assert_eq!(figures.sum("postern_attempts_total"), 10.0);
    let [whole, http, sandbox] = ["", "_http", "_sandbox"].map(|part| figures.get(&format!("postern_attempt{part}_seconds_sum")));
    assert!((whole - http - sandbox).abs() < 1e-6 && http > 0.0 && sandbox > 0.0, "{whole} {http} {sandbox}");

    let commits = figures.get("postern_store_commit_seconds_count");
    assert!(commits >= 20.0, "each emission and each outcome took one: {commits}");
    for what in ["requests", "keys"] {
        let figure = |part: &str| figures.get(&format!("postern_store_commit_{what}_{part}"));
        assert!(figure("sum") >= figure("count"), "{what}");
        assert_eq!(figure("count"), commits, "{what}");
    }
    assert!(figures.sum("postern_compile_cache_total") >= 2.0);
    assert!(figures.get("process_resident_memory_bytes") > 1e6 && figures.get("process_cpu_seconds_total") > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_told_as_it_is() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let receiver = Receiver::that(Reply::Hold).await;
    let body = json!({
        "name": "In order", "providerId": WEBHOOK, "events": [INCIDENT_CREATED],
        "providerConfig": { "url": receiver.url() }, "entityKey": ".payload.incidentId",
    });
    daemon.api.post("/api/v1/subscriptions", body).await;
    for title in ["Is held", "Waits behind it", "Waits behind both"] {
        daemon.emit(title).await;
    }
    let figures = until("the first to be on its way", || async {
        let figures = Figures::of(&daemon).await;
        (figures.get("postern_attempts_in_flight") == 1.0).then_some(figures)
    })
    .await;
    let told = ["unfinished", "claimed", "behind"].map(|what| figures.get(&format!("postern_deliveries_{what}")));
    assert_eq!(told, [3.0, 1.0, 2.0]);
    receiver.release();
    let figures = once_final(&daemon, 3.0).await;
    assert_eq!(figures.get("postern_deliveries_behind"), 0.0);
}

/// The kind of each figure by its name.
fn families(text: &str) -> BTreeSet<(String, String)> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_figure_is_explained_here_and_in_the_table() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let receiver = Receiver::start().await;
    daemon.subscribe_webhook(json!({ "url": receiver.url() })).await;
    daemon.settled(&daemon.emit("Arrives").await).await;
    let text = scrape(&daemon.api).await;
    let families = families(&text);
    for (name, kind) in &families {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
        assert_eq!(name.ends_with("_total"), kind == "counter" || name == "process_cpu_seconds_total", "{name}");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../host/api/src/routes/metrics.md");
    let table = fs::read_to_string(path).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let listed: BTreeSet<_> =
        rows.map(|(name, rest)| (name.to_owned(), rest.split(' ').next().unwrap_or_default().to_owned())).collect();
    assert_eq!(families, listed);
    assert_ne!(daemon.api.get("/api/v1/openapi.json").await["paths"]["/metrics"]["get"], Value::Null);
}
