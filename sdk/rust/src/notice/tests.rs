//! What a person reads of the seed documents' events, and of odd ones.

use super::*;
use crate::testing::{self, TestDelivery, seed_events};
use crate::{Failure, Manifest, NoConnection, Provider, Receipt};
use serde_json::json;

fn seed(name: &str) -> Notice {
    let event = seed_events().into_iter().find(|event| event.name == name).unwrap();
    Notice::read(event.event_type, &event.payload)
}

fn facts(notice: &Notice) -> Vec<String> {
    notice.facts.iter().map(|fact| format!("{}: {}", fact.label, fact.value)).collect()
}

#[test]
fn every_seed_event_reads_well_in_one_line() {
    use Phase::{Changed, Opened, Resolved};
    use Severity::{Critical, Error, Info, Warning};
    let expected = [
        ("healthcheck-degraded", "Healthcheck system degraded: Checkout (healthy → degraded)", Opened, Warning),
        ("healthcheck-unhealthy-unnamed", "Healthcheck system degraded: checkout (degraded → unhealthy)", Opened, Error),
        ("healthcheck-healthy", "Healthcheck system healthy: Checkout (was degraded)", Resolved, Info),
        (
            "incident-created",
            "Incident created: Payments fail with <timeout> & retries (critical, investigating)",
            Opened,
            Critical,
        ),
        ("incident-updated", "Incident updated: Payments fail with <timeout> & retries (major, identified)", Changed, Error),
        ("incident-resolved", "Incident resolved: Payments fail with <timeout> & retries (major)", Resolved, Error),
        ("maintenance-created", "Maintenance created: Database upgrade (scheduled)", Opened, Info),
        ("maintenance-updated", "Maintenance updated: Database upgrade (in_progress)", Changed, Info),
        ("maintenance-closed", "Maintenance updated: Database upgrade (completed)", Resolved, Info),
        ("incident-created-brief", "Incident created: Checkout is slow (minor)", Opened, Warning),
        ("incident-updated-brief", "Incident updated: inc-4711", Changed, Info),
        ("incident-resolved-brief", "Incident resolved: inc-4711", Resolved, Info),
        ("incident-created-transformed", "Incident created: Checkout is down (CRITICAL)", Opened, Critical),
    ];
    assert_eq!(expected.map(|(name, ..)| name).to_vec(), seed_events().iter().map(|event| event.name).collect::<Vec<_>>());
    for (name, summary, phase, severity) in expected {
        let notice = seed(name);
        assert_eq!((notice.summary.as_str(), notice.phase, notice.severity), (summary, phase, severity), "{name}");
    }
}

#[test]
fn the_payloads_fields_become_facts_in_their_order() {
    assert_eq!(
        facts(&seed("healthcheck-degraded")),
        [
            "System ID: checkout",
            "Previous status: healthy",
            "New status: degraded",
            "Healthy checks: 3",
            "Total checks: 5",
            "Timestamp: 2026-01-02 03:04:05 UTC"
        ]
    );
    let incident = seed("incident-created");
    assert_eq!(
        facts(&incident),
        [
            "Incident: inc-4711",
            "Systems: checkout, payments",
            "Severity: critical",
            "Status: investigating",
            "Created: 2026-01-02 03:04:05 UTC"
        ]
    );
    assert!(incident.description.unwrap().contains("fails.\nThe *provider*"), "a description keeps its lines");
    assert_eq!(
        facts(&seed("maintenance-updated"))[3..],
        ["Start: 2026-01-10 22:00:00 UTC", "End: 2026-01-11 00:30:00 UTC", "Action: updated"]
    );
    assert_eq!(facts(&seed("incident-resolved-brief")), ["Systems: checkout"]);
    assert_eq!(
        facts(&seed("incident-created-transformed"))[2..5],
        ["Severity: CRITICAL", "Affected systems: 2", "Systems: checkout, payments"]
    );
}

#[test]
fn nested_and_endless_payloads_are_bounded() {
    let many: serde_json::Map<_, _> = (0..30).map(|n| (format!("field{n}"), json!(n))).collect();
    let notice = Notice::read("a.happened", &Value::Object(many));
    assert_eq!((notice.facts.len(), notice.facts[20].value.as_str()), (21, "… 10 more fields"));

    let payload = json!({
        "owner": {"name": "Ada", "team": {"name": "Core", "size": 4}, "on_call": true},
        "labels": (0..25).collect::<Vec<_>>(),
        "checks": [{"title": "ping"}, {"x": 1}, [1]],
        "matrix": [[1], [2]],
        "long": "ä".repeat(1000),
        "nothing": null, "empty": "", "none": [], "hollow": {},
        "startedAt": 1_767_323_045_678_u64,
        "count": 1_767_323_045_678_u64,
    });
    let facts = facts(&Notice::read("a.happened", &payload));
    assert_eq!(facts[..3], ["Owner: Ada", "Owner team: Core", "Owner on call: yes"]);
    assert_eq!(facts[3], "Labels: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … and 15 more");
    assert_eq!(facts[4..6], ["Checks: ping, 1 field, … and 1 more", "Matrix: 2 entries"]);
    assert!(facts[6].ends_with('…') && facts[6].chars().count() == "Long: ".len() + 300, "{}", facts[6]);
    assert_eq!(facts[7..], ["Started: 2026-01-02 03:04:05 UTC", "Count: 1767323045678"]);
}

#[test]
fn payloads_without_a_shape_still_make_a_title() {
    for payload in [json!(null), json!(7), json!("text"), json!([]), json!({})] {
        let notice = Notice::read("backup.nightly.finished", &payload);
        assert_eq!((notice.title.as_str(), notice.summary.as_str()), ("Backup nightly finished", "Backup nightly finished"));
        assert_eq!((notice.phase, notice.facts.len(), notice.subject), (Phase::Resolved, 0, None));
    }
    let endless = Notice::read("a.b", &json!({"title": "x\nyz".repeat(500)}));
    assert_eq!(endless.title.chars().count(), LONGEST_TITLE);
    assert!(endless.title.starts_with("A b: x yzx yz") && endless.title.ends_with('…'), "{}", endless.title);
}

#[test]
fn the_phase_is_read_from_the_last_word_and_then_from_the_payload() {
    let phase = |event_type, payload| Notice::read(event_type, &payload).phase;
    assert_eq!(phase("maintenance.started", json!({})), Phase::Opened);
    assert_eq!(phase("healthcheck-http.state.changed", json!({"newStatus": "healthy"})), Phase::Resolved);
    assert_eq!(phase("healthcheck-http.state.changed", json!({"newStatus": "unhealthy"})), Phase::Opened);
    assert_eq!(phase("healthcheck-http.state.changed", json!({"newStatus": "odd"})), Phase::Changed);
    assert_eq!(phase("incident.incident.updated", json!({"status": "resolved"})), Phase::Resolved);
    assert_eq!(phase("incident.incident.updated", json!({"status": "not resolved"})), Phase::Changed);
    assert_eq!(phase("incident.incident.updated", json!({"status": "degraded"})), Phase::Changed, "an update opens nothing");
    assert_eq!(phase("incident.incident.created", json!({"status": "resolved"})), Phase::Opened, "the id's word comes first");
    assert_eq!(phase("report.weekly", json!({})), Phase::Notice);
    assert_eq!(phase("alert.state", json!({"state": "firing"})), Phase::Opened);
}

#[test]
fn the_severity_is_read_in_many_spellings() {
    let severity = |payload| Notice::read("a.happened", &payload).severity;
    for (word, expected) in [
        ("P1", Severity::Critical),
        ("SEV-2", Severity::Info),
        ("High", Severity::Error),
        ("warn", Severity::Warning),
        ("low", Severity::Info),
        ("puce", Severity::Info),
    ] {
        assert_eq!(severity(json!({ "priority": word })), expected, "{word}");
    }
    assert_eq!(severity(json!({"severity": "odd", "status": "down"})), Severity::Error);
    assert_eq!(Notice::read("disk.failed", &json!({})).severity, Severity::Error);
    assert!(Severity::Critical > Severity::Info);
}

#[test]
fn what_was_taken_on_is_told_from_other_changes() {
    let acknowledged = |event_type, payload| Notice::read(event_type, &payload).acknowledged;
    assert!(acknowledged("incident.incident.acknowledged", json!({})));
    assert!(acknowledged("incident.incident.updated", json!({"statusChange": "Acknowledged"})));
    assert!(acknowledged("alert.state", json!({"state": "acknowledged"})));
    assert!(!acknowledged("incident.incident.updated", json!({"status": "not acknowledged"})));
    assert!(!acknowledged("incident.incident.created", json!({"status": "acknowledged"})));
    assert!(!acknowledged("incident.incident.resolved", json!({"status": "acknowledged"})));
    assert!(!seed("incident-updated").acknowledged);
}

#[test]
fn the_source_is_where_it_is() {
    assert_eq!(seed("healthcheck-degraded").source.as_deref(), Some("Checkout"));
    assert_eq!(seed("healthcheck-unhealthy-unnamed").source.as_deref(), Some("checkout"));
    assert_eq!(seed("incident-created").source.as_deref(), Some("checkout, payments"));
    assert_eq!(seed("incident-created-transformed").source.as_deref(), Some("checkout, payments"));
    let source = |payload| Notice::read("a.b", &payload).source;
    assert_eq!(source(json!({"service": {"name": "Checkout"}, "host": "db-1"})).as_deref(), Some("db-1"));
    assert_eq!(source(json!({"host": "", "systemIds": [], "service": {"name": "Checkout"}})).as_deref(), Some("Checkout"));
    assert_eq!(source(json!({"title": "Disk full"})), None);
}

#[test]
fn a_sign_tells_how_bad_it_is_or_that_it_is_over() {
    let sign = |event_type, severity: &str| Notice::read(event_type, &json!({ "severity": severity })).sign();
    assert_eq!(["critical", "major", "minor", "low"].map(|severity| sign("a.created", severity)), ["🔴", "🟠", "🟡", "🔵"]);
    assert_eq!(sign("a.resolved", "critical"), "✅");
}

#[test]
fn only_a_web_address_is_a_link() {
    let link = |url: &str| Notice::read("a.b", &json!({ "url": url })).link;
    assert_eq!(link(" https://example.com/i/7?a=1#x ").as_deref(), Some("https://example.com/i/7?a=1#x"));
    for other in ["javascript:alert(1)", "example.com", "https://", "https://a b", "https://a/\"onclick=", "https://a/<b>"] {
        assert_eq!(link(other), None, "{other}");
    }
}

#[test]
fn a_trial_is_marked_and_has_the_events_time() {
    struct Teller;
    impl Provider for Teller {
        type Config = Value;
        type Connection = NoConnection;

        fn manifest() -> Manifest {
            Manifest::new("teller", "1.0.0", "Teller")
        }

        fn deliver(delivery: &Delivery<Value>) -> Result<Receipt, Failure> {
            let notice = delivery.notice();
            Ok(Receipt::with_external_id(format!("{} | {} | {}", notice.title, notice.time, notice.test)))
        }
    }
    let told = |test| testing::deliver::<Teller>(TestDelivery::new(json!({})).test(test)).unwrap().external_id.unwrap();
    assert_eq!(told(false), "Incident created: Disk full | 2026-01-02 03:04:05 UTC | false");
    assert_eq!(told(true), "[Test] Incident created: Disk full | 2026-01-02 03:04:05 UTC | true");
}
