//! What PagerDuty gets, and what the provider makes of its answers.

mod fake;

use fake::{EU_KEY, KEY, OTHER_KEY, PagerDuty as Fake, State};
use postern_provider::http::ErrorKind;
use postern_provider::testing::{self, Host, TestDelivery, assert_goldens, seed_events};
use postern_provider::{Failure, Receipt, Retry};
use postern_provider_pagerduty::PagerDuty;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const CREATED: &str = "incident.incident.created";
const UPDATED: &str = "incident.incident.updated";
const ACKNOWLEDGED: &str = "incident.incident.acknowledged";
const RESOLVED: &str = "incident.incident.resolved";

fn pagerduty() -> (Host, Rc<RefCell<Fake>>) {
    let host = Host::new();
    let fake = host.serve(Fake::new());
    (host, fake)
}

fn connection(key: &str) -> Value {
    json!({ "routingKey": key })
}

fn delivery(config: Value) -> TestDelivery {
    TestDelivery::new(config).connection(connection(KEY))
}

fn of_incident(event_type: &str) -> TestDelivery {
    delivery(json!({})).event_type(event_type).entity("inc-7", None)
}

fn deliver(delivery: TestDelivery) -> Result<Receipt, Failure> {
    testing::deliver::<PagerDuty>(delivery)
}

fn key(key: &str) -> Result<Receipt, Failure> {
    Ok(Receipt::with_external_id(key))
}

#[test]
fn every_seed_event_is_sent_as_its_golden_says() {
    let bodies = seed_events().into_iter().map(|event| {
        let (_host, fake) = pagerduty();
        let delivery = event.delivery(json!({})).connection(connection(KEY)).entity(event.entity_key, None);
        assert_eq!(deliver(delivery), key(event.entity_key), "{}", event.name);
        (event.name.to_owned(), fake.borrow().events[0].clone())
    });
    assert_goldens(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"), bodies);
}

#[test]
fn an_incident_is_one_alert_from_its_beginning_to_its_end() {
    let (_host, fake) = pagerduty();
    assert_eq!(deliver(of_incident(CREATED)), key("inc-7"));
    assert_eq!(deliver(of_incident(UPDATED)), key("inc-7"));
    assert_eq!(fake.borrow().states(), [("inc-7", State::Triggered)]);
    assert_eq!(fake.borrow().alerts[0].log.len(), 2, "a change adds to the open alert");
    assert_eq!(deliver(of_incident(ACKNOWLEDGED)), key("inc-7"));
    assert_eq!(fake.borrow().states(), [("inc-7", State::Acknowledged)]);
    assert_eq!(deliver(of_incident(RESOLVED)), key("inc-7"));
    assert_eq!(fake.borrow().states(), [("inc-7", State::Resolved)]);
    deliver(of_incident(RESOLVED)).unwrap();
    deliver(of_incident(CREATED)).unwrap();
    assert_eq!(fake.borrow().states(), [("inc-7", State::Resolved), ("inc-7", State::Triggered)], "it is back");
}

#[test]
fn a_second_delivery_of_an_event_opens_no_second_alert() {
    for entity in [Some("inc-7"), None] {
        let (_host, fake) = pagerduty();
        for attempt in [1, 2] {
            let mut trigger = delivery(json!({})).attempt(attempt);
            if let Some(entity) = entity {
                trigger = trigger.entity(entity, None);
            }
            assert_eq!(deliver(trigger), key(entity.unwrap_or("delivery-1")));
        }
        assert_eq!(fake.borrow().alerts.len(), 1);
    }
}

#[test]
fn actions_are_chosen_by_event_type() {
    let (host, fake) = pagerduty();
    let config = json!({"actions": [
        {"eventType": "incident.incident.updated", "action": "acknowledge"},
        {"eventType": "maintenance.*", "action": "ignore"},
        {"eventType": "incident.*", "action": "resolve"},
        {"eventType": "incident.incident.created", "action": "trigger"},
    ]});
    let send = |event_type| deliver(delivery(config.clone()).event_type(event_type).entity("inc-7", None));
    assert_eq!(send("maintenance.maintenance.created"), Ok(Receipt::none()));
    assert!(host.requests().is_empty() && host.logs()[0].1.contains("ignored"), "{:?}", host.logs());
    send(UPDATED).unwrap();
    send(CREATED).unwrap();
    send("healthcheck.healthcheck.system.degraded").unwrap();
    let fake = fake.borrow();
    let actions: Vec<_> = fake.events.iter().map(|event| event["event_action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["acknowledge", "resolve", "trigger"], "the first that fits counts");
}

#[test]
fn without_an_entity_an_alert_is_opened_but_none_is_ended() {
    let (host, _fake) = pagerduty();
    assert_eq!(deliver(delivery(json!({}))), key("delivery-1"));
    for event_type in [ACKNOWLEDGED, RESOLVED] {
        let failure = deliver(delivery(json!({})).event_type(event_type)).unwrap_err();
        assert!(failure.retry == Retry::Never && failure.message.contains("entity key"), "{failure}");
    }
    assert_eq!(host.requests().len(), 1);
}

#[test]
fn a_long_key_is_replaced_by_its_digest() {
    let (_host, fake) = pagerduty();
    let longest = "k".repeat(255);
    assert_eq!(deliver(delivery(json!({})).entity(&longest, None)), key(&longest));
    let id = |entity: String| deliver(delivery(json!({})).entity(entity, None)).unwrap().external_id.unwrap();
    let (first, second) = (id("ä".repeat(128)), id(format!("{}b", "ä".repeat(128))));
    assert!(first != second && first.len() == 64 && second.len() == 64, "{first} {second}");
    deliver(delivery(json!({})).event_type(RESOLVED).entity("ä".repeat(128), Some(&first))).unwrap();
    assert_eq!(fake.borrow().states()[1], (first.as_str(), State::Resolved));
}

#[test]
fn each_region_has_its_host_and_its_keys() {
    let (host, _fake) = pagerduty();
    deliver(TestDelivery::new(json!({})).connection(json!({"routingKey": EU_KEY, "region": "eu"}))).unwrap();
    assert_eq!(host.requests()[0].url, "https://events.eu.pagerduty.com/v2/enqueue");
    let stranger = deliver(TestDelivery::new(json!({})).connection(connection(EU_KEY))).unwrap_err();
    assert_eq!(stranger.retry, Retry::Never);
    assert!(stranger.message.contains("Invalid routing key") && stranger.message.contains("service region"), "{stranger}");
    let (_host, fake) = pagerduty();
    deliver(of_incident(CREATED)).unwrap();
    deliver(of_incident(RESOLVED).connection(connection(OTHER_KEY))).unwrap();
    assert_eq!(fake.borrow().states(), [("inc-7", State::Triggered)], "an alert belongs to its integration");
}

#[test]
fn severities_are_mapped() {
    let severity = |config: Value, word: &str| {
        let (_host, fake) = pagerduty();
        deliver(delivery(config).payload(json!({"title": "Disk full", "severity": word}))).unwrap();
        fake.borrow().events[0]["payload"]["severity"].clone()
    };
    for (word, expected) in [("critical", "critical"), ("major", "error"), ("minor", "warning"), ("low", "info"), ("odd", "info")]
    {
        assert_eq!(severity(json!({}), word), expected, "{word}");
    }
    let config = json!({"severities": {"error": "critical", "info": "warning"}});
    assert_eq!(severity(config.clone(), "major"), "critical");
    assert_eq!(severity(config.clone(), "odd"), "warning");
    assert_eq!(severity(config, "minor"), "warning", "what is not named stays");
}

#[test]
fn templates_replace_what_stands_in_an_alert() {
    let (host, fake) = pagerduty();
    let config = json!({
        "summaryTemplate": "Disk\nfull ", "sourceTemplate": "db-1", "componentTemplate": "disk", "groupTemplate": "databases",
        "classTemplate": "disk usage", "detailsTemplate": "{\"runbook\": {\"page\": 7}}",
        "links": [{"href": "https://example.com/runbook", "text": "Runbook"}, {"href": "https://example.com/?a=1"}],
        "images": [{"src": "https://example.com/graph.png", "href": "https://example.com/graph", "alt": "Usage"}],
    });
    let payload = json!({"title": "x", "url": "https://example.com/i/7"});
    deliver(delivery(config).payload(payload.clone())).unwrap();
    let event = fake.borrow().events[0].clone();
    assert_eq!(
        event["payload"],
        json!({
            "summary": "Disk full", "source": "db-1", "severity": "info", "timestamp": "2026-01-02T03:04:05.000Z",
            "component": "disk", "group": "databases", "class": "disk usage", "custom_details": {"runbook": {"page": 7}}
        })
    );
    assert_eq!(
        event["links"],
        json!([
            {"href": "https://example.com/i/7", "text": "Open"},
            {"href": "https://example.com/runbook", "text": "Runbook"},
            {"href": "https://example.com/?a=1"}
        ])
    );
    assert_eq!(
        event["images"],
        json!([{"src": "https://example.com/graph.png", "href": "https://example.com/graph", "alt": "Usage"}])
    );

    let hollow = json!({"summaryTemplate": " ", "sourceTemplate": "", "detailsTemplate": " "});
    deliver(delivery(hollow).payload(payload)).unwrap();
    assert_eq!(fake.borrow().events[1]["payload"]["summary"], "Incident created: x");
    assert_eq!(fake.borrow().events[1]["payload"]["source"], "Postern", "it must not be blank");
    for bad in ["{", "[]", "7"] {
        let failure = deliver(delivery(json!({ "detailsTemplate": bad }))).unwrap_err();
        assert!(failure.retry == Retry::Never && failure.message.contains("detailsTemplate"), "{failure}");
    }
    assert_eq!(host.requests().len(), 2);
}

#[test]
fn images_are_https_only_and_a_bad_link_stops_no_alert() {
    let (host, fake) = pagerduty();
    let config = json!({
        "links": [{"href": format!("https://example.com/{}", "x".repeat(3000))}],
        "images": [{"src": "http://example.com/graph.png"}, {"src": "https://example.com/a.png", "href": "javascript:alert(1)"}],
    });
    deliver(delivery(config)).unwrap();
    let event = fake.borrow().events[0].clone();
    assert_eq!((&event["links"], &event["images"]), (&Value::Null, &json!([{"src": "https://example.com/a.png"}])));
    assert_eq!(host.logs().len(), 3, "{:?}", host.logs());
    assert!(host.logs().iter().all(|(_, line)| line.contains("left out") && line.len() < 300));
}

#[test]
fn what_is_endless_is_shortened_and_sent() {
    let (host, fake) = pagerduty();
    let mut payload = json!({"title": "ä".repeat(1000), "description": "\u{1}🔥\"\n".repeat(5000), "host": "h".repeat(1000)});
    for number in 0..100 {
        payload[format!("field{number}")] = json!("\"".repeat(500));
    }
    deliver(delivery(json!({})).payload(&payload)).unwrap();
    deliver(delivery(json!({"summaryTemplate": "🔥".repeat(2000)}))).unwrap();
    for details in [
        json!({"text": "\"\\".repeat(250_000)}),
        json!({"text": "\u{1}".repeat(150_000)}),
        json!({"list": vec!["ä🔥"; 100_000]}),
        json!({"text": "x".repeat(1_000_000)}),
    ] {
        deliver(delivery(json!({"detailsTemplate": details.to_string()}))).unwrap();
    }
    let fake = fake.borrow();
    let summary = |index: usize| fake.events[index]["payload"]["summary"].as_str().unwrap().to_owned();
    assert!(summary(0).ends_with('…') && summary(1).ends_with('…'));
    assert_eq!(summary(1).encode_utf16().count(), 1023, "no half of a pair");
    for event in &fake.events[2..] {
        let details = event["payload"]["custom_details"]["Details"].as_str().unwrap();
        assert!(details.ends_with('…') && details.len() > 200_000, "{}", details.len());
    }
    assert_eq!(host.logs().len(), 4);
    assert!(host.logs()[0].1.contains("the details were shortened"), "{:?}", host.logs());
}

#[test]
fn details_that_just_fit_stay_as_they_are() {
    let (host, fake) = pagerduty();
    let details = json!({"text": "x".repeat(511_000)});
    deliver(delivery(json!({"detailsTemplate": details.to_string()}))).unwrap();
    assert_eq!(fake.borrow().events[0]["payload"]["custom_details"], details);
    assert!(host.logs().is_empty());
}

#[test]
fn a_refused_event_fails_with_pagerdutys_reasons() {
    let (host, _fake) = pagerduty();
    let failure = deliver(TestDelivery::new(json!({})).connection(connection("e+23rschqsESqk9Q6_-g"))).unwrap_err();
    assert_eq!(failure.retry, Retry::Never);
    let message = "the target answered HTTP 400: Event object is invalid: Length of 'routing_key' is incorrect (should be 32 \
                   characters); 'routing_key' cannot contain non-alphanumeric characters.";
    assert!(failure.message.starts_with(message) && failure.message.contains("Events API V2"), "{failure}");
    assert!(!failure.message.contains("e+23"), "the key is a secret");
    host.answer(400, &[], r#"{"status": "invalid event", "message": "Event object is invalid", "errors": "no list"}"#);
    assert!(deliver(delivery(json!({}))).unwrap_err().message.ends_with("Event object is invalid: no list"));
    host.answer(400, &[], "<html>no</html>");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::never("the target answered HTTP 400: <html>no</html>")));
    host.answer(403, &[], "");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::Never);
    let alone = deliver(TestDelivery::new(json!({}))).unwrap_err();
    assert!(alone.message.contains("no connection"), "{alone}");
}

#[test]
fn what_may_go_better_later_is_tried_again() {
    let (host, fake) = pagerduty();
    fake.borrow_mut().left = 0;
    let busy = deliver(delivery(json!({}))).unwrap_err();
    assert_eq!(busy.retry, Retry::Backoff);
    assert!(busy.message.contains("HTTP 429 (too many requests): Requests for this service"), "{busy}");
    host.answer(429, &[("Retry-After", "30")], "");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::After(Duration::from_secs(30)));
    host.answer(500, &[], "");
    assert_eq!(deliver(delivery(json!({}))).unwrap_err().retry, Retry::Backoff);
    host.fail(ErrorKind::Reset, "the connection was closed");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::backoff("the connection was closed")));
    host.fail(ErrorKind::Denied, "not granted");
    assert_eq!(deliver(delivery(json!({}))), Err(Failure::never("not granted")));
    assert!(fake.borrow().events.is_empty());
}

#[test]
fn a_trial_is_marked_and_changes_no_real_alert() {
    let (_host, fake) = pagerduty();
    deliver(of_incident(CREATED)).unwrap();
    assert_eq!(deliver(of_incident(RESOLVED).test(true)), key("test-inc-7"));
    assert_eq!(fake.borrow().states(), [("inc-7", State::Triggered)]);
    assert_eq!(deliver(delivery(json!({})).test(true)), key("test-delivery-1"));
    assert_eq!(deliver(delivery(json!({})).event_type(RESOLVED).test(true)), key("test-delivery-1"));
    assert_eq!(fake.borrow().states()[1], ("test-delivery-1", State::Resolved));
    deliver(delivery(json!({"summaryTemplate": "Disk full"})).test(true)).unwrap();
    let fake = fake.borrow();
    let summaries: Vec<_> = fake.alerts[1..].iter().map(|alert| alert.log[0]["summary"].as_str().unwrap()).collect();
    assert_eq!(summaries, ["[Test] Incident created: Disk full", "[Test] Disk full"]);
}

#[test]
fn settings_are_tried_without_an_alert() {
    let (host, fake) = pagerduty();
    let try_out = |connection: Value| testing::test_connection::<PagerDuty>(&json!({}), Some(&connection));
    assert!(try_out(connection(KEY)).unwrap().contains("US region"));
    assert!(try_out(json!({"routingKey": EU_KEY, "region": "eu"})).unwrap().contains("EU region"));
    assert!(fake.borrow().alerts.is_empty());
    assert!(try_out(connection(EU_KEY)).unwrap_err().message.contains("service region"));
    host.answer(503, &[], "");
    assert!(try_out(connection(KEY)).is_err());
}
