//! The schemas refuse what could not be delivered, when it is saved.

use postern_provider::testing::{self, assert_described, schemas};
use postern_provider_pagerduty::PagerDuty;
use serde_json::{Value, json};

const KEY: &str = "0123456789abcdefABCDEF0123456789";

fn valid(schema: &Value, settings: &Value) -> bool {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap().is_valid(settings)
}

fn config(settings: Value) -> bool {
    valid(&schemas::<PagerDuty>().0, &settings)
}

fn connection(settings: Value) -> bool {
    valid(&schemas::<PagerDuty>().1, &settings)
}

#[test]
fn a_connection_has_an_integration_key_and_perhaps_a_region() {
    assert!(connection(json!({"routingKey": KEY})));
    assert!(connection(json!({"routingKey": KEY, "region": "eu"})));
    assert!(!connection(json!({})));
    assert!(!connection(json!({"region": "us"})));
    assert!(!connection(json!({"routingKey": KEY, "region": "apac"})));
    assert!(!connection(json!({"routingKey": KEY, "token": "x"})));
    for key in [
        "",
        "e+kd5BWM-NCknhB3XnYg",
        "0123456789abcdef0123456789abcde",
        "0123456789abcdef0123456789abcdef0",
        "0123456789abcdef-123456789abcdef",
    ] {
        assert!(!connection(json!({ "routingKey": key })), "{key}");
    }
}

#[test]
fn a_subscription_needs_nothing_and_may_say_a_lot() {
    assert!(config(json!({})));
    assert!(config(json!({
        "actions": [{"eventType": "incident.*", "action": "ignore"}, {"eventType": "incident.incident.updated", "action": "acknowledge"}],
        "severities": {"info": "warning"},
        "summaryTemplate": "{{ payload.title }}", "detailsTemplate": "{}",
        "links": [{"href": "https://example.com/{{ payload.id }}", "text": "Runbook"}],
        "images": [{"src": "https://example.com/{{ payload.id }}.png"}],
    })));
    for action in [
        json!({"eventType": "incident.*", "action": "shout"}),
        json!({"eventType": "*", "action": "ignore"}),
        json!({"eventType": "incident.*.created", "action": "ignore"}),
        json!({"eventType": "incident..x", "action": "ignore"}),
        json!({"eventType": "incident.*"}),
        json!({"action": "ignore"}),
        json!({"eventType": "incident.*", "action": "ignore", "if": true}),
    ] {
        assert!(!config(json!({ "actions": [action] })), "{action}");
    }
    assert!(!config(json!({"severities": {"info": "fatal"}})));
    assert!(!config(json!({"severities": {"minor": "info"}})));
    assert!(!config(json!({"links": [{"href": "example.com"}]})));
    assert!(!config(json!({"links": vec![json!({"href": "https://example.com"}); 11]})));
    assert!(!config(json!({"images": [{"src": "http://example.com/a.png"}]})), "images are https only");
    assert!(!config(json!({"images": [{"src": "https://{{ payload.host }}/a.png"}]})));
    assert!(!config(json!({"summary": "x"})));
}

#[test]
fn the_schemas_say_what_a_form_and_the_host_need() {
    let (config, connection) = schemas::<PagerDuty>();
    let properties = &config["properties"];
    let inner = [
        &properties["severities"],
        &properties["actions"]["items"],
        &properties["links"]["items"],
        &properties["images"]["items"],
    ];
    for schema in [&config, &connection].into_iter().chain(inner) {
        assert_described(schema);
    }
    let key = &connection["properties"]["routingKey"];
    assert_eq!((&key["writeOnly"], &key["type"]), (&json!(true), &json!("string")));
    assert_eq!(key["x-hosts"], json!(["events.pagerduty.com", "events.eu.pagerduty.com"]));
    assert_eq!(connection["properties"]["region"]["default"], "us");
    assert_eq!(connection["required"], json!(["routingKey"]));
    assert_eq!(
        properties["severities"]["default"],
        json!({"critical": "critical", "error": "error", "warning": "warning", "info": "info"})
    );
    assert_eq!(properties["severities"]["properties"]["error"]["default"], "error");
    assert_eq!(
        properties["actions"]["items"]["properties"]["action"]["enum"],
        json!(["trigger", "acknowledge", "resolve", "ignore"])
    );
    assert_eq!(properties["summaryTemplate"]["x-template"], "text");
    assert_eq!(properties["detailsTemplate"]["x-template"], "json");
    assert_eq!(properties["images"]["items"]["properties"]["src"]["x-template"], "url");
}

#[test]
fn the_manifest_asks_for_pagerdutys_hosts_and_nothing_more() {
    let description = testing::describe::<PagerDuty>();
    assert_eq!(description.manifest.hosts, ["events.pagerduty.com", "events.eu.pagerduty.com"]);
    assert!(description.manifest.idempotent && description.test_connection);
    assert!(!description.list_options && !description.reconcile && !description.migrate_config);
    let example: Value = serde_json::from_str(description.manifest.example_payload.unwrap()).unwrap();
    assert_eq!(example["event_action"], "trigger");
}
