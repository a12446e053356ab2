//! The schemas refuse what could not be delivered, when it is saved.

use postern_provider::testing::{self, assert_described, schemas};
use postern_provider_opsgenie::Opsgenie;
use serde_json::{Value, json};

const KEY: &str = "eb243592-faa2-4ba2-a551-1afdf565c889";

fn valid(schema: &Value, settings: &Value) -> bool {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap().is_valid(settings)
}

fn config(settings: Value) -> bool {
    valid(&schemas::<Opsgenie>().0, &settings)
}

fn connection(settings: Value) -> bool {
    valid(&schemas::<Opsgenie>().1, &settings)
}

#[test]
fn a_connection_has_a_key_and_perhaps_a_service() {
    assert!(connection(json!({"apiKey": KEY})));
    for service in ["opsgenie", "opsgenie-eu", "jira-service-management"] {
        assert!(connection(json!({"service": service, "apiKey": KEY})), "{service}");
    }
    assert!(!connection(json!({})));
    assert!(!connection(json!({"service": "opsgenie"})));
    assert!(!connection(json!({"service": "victorops", "apiKey": KEY})));
    assert!(!connection(json!({"apiKey": KEY, "region": "eu"})));
    for key in ["", "GenieKey x", "x\n", "ä"] {
        assert!(!connection(json!({ "apiKey": key })), "{key}");
    }
}

#[test]
fn a_subscription_needs_nothing_and_may_say_a_lot() {
    assert!(config(json!({})));
    assert!(config(json!({
        "teams": ["Payments"], "users": ["ada@example.com"], "schedules": ["Nights"], "escalations": ["All"],
        "actions": [{"eventType": "maintenance.*", "action": "ignore"}, {"eventType": "incident.incident.updated", "action": "note"}],
        "priorities": {"info": "P4"}, "tags": ["{{ payload.region }}"],
        "messageTemplate": "{{ payload.title }}", "detailsTemplate": "{}",
    })));
    assert!(!config(json!({"teams": [""]})));
    assert!(!config(json!({"teams": "Payments"})));
    assert!(!config(json!({"users": vec!["a@example.com"; 51]})));
    assert!(!config(json!({"tags": vec!["a"; 21]})));
    assert!(!config(json!({"priorities": {"info": "P6"}})));
    assert!(!config(json!({"priorities": {"minor": "P4"}})));
    assert!(!config(json!({"actions": [{"eventType": "incident.*", "action": "resolve"}]})));
    assert!(!config(json!({"actions": [{"eventType": "*", "action": "ignore"}]})));
    assert!(!config(json!({"actions": [{"eventType": "incident.*"}]})));
    assert!(!config(json!({"message": "x"})));
}

#[test]
fn the_schemas_say_what_a_form_and_the_host_need() {
    let (config, connection) = schemas::<Opsgenie>();
    let properties = &config["properties"];
    for schema in [&config, &connection, &properties["priorities"], &properties["actions"]["items"]] {
        assert_described(schema);
    }
    let key = &connection["properties"]["apiKey"];
    assert_eq!((&key["writeOnly"], &key["type"]), (&json!(true), &json!("string")));
    assert_eq!(key["x-hosts"], json!(["api.opsgenie.com", "api.eu.opsgenie.com", "api.atlassian.com"]));
    assert_eq!(connection["properties"]["service"]["default"], "opsgenie");
    assert_eq!(connection["required"], json!(["apiKey"]));
    for name in ["teams", "users", "schedules", "escalations"] {
        assert_eq!(
            (&properties[name]["items"]["x-options"], &properties[name]["items"]["type"]),
            (&json!(name), &json!("string"))
        );
    }
    assert_eq!(properties["tags"]["items"]["x-template"], "text");
    assert_eq!(properties["detailsTemplate"]["x-template"], "json");
    assert_eq!(properties["priorities"]["default"], json!({"critical": "P1", "error": "P2", "warning": "P3", "info": "P5"}));
    assert_eq!(
        properties["actions"]["items"]["properties"]["action"]["enum"],
        json!(["create", "note", "acknowledge", "close", "ignore"])
    );
}

#[test]
fn the_manifest_asks_for_the_apis_hosts_and_nothing_more() {
    let description = testing::describe::<Opsgenie>();
    assert_eq!(description.manifest.hosts, ["api.opsgenie.com", "api.eu.opsgenie.com", "api.atlassian.com"]);
    assert!(description.test_connection && description.list_options && description.reconcile);
    assert!(!description.migrate_config && !description.manifest.idempotent);
    assert!(description.manifest.setup_guide.unwrap().contains("5 April 2027"));
    let example: Value = serde_json::from_str(description.manifest.example_payload.unwrap()).unwrap();
    assert_eq!(example["alias"], "inc-7");
}
