//! The schemas refuse what could not be delivered, when it is saved.

use postern_provider::testing::{self, assert_described, schemas};
use postern_provider_webex::Webex;
use serde_json::{Value, json};

const ROOM: &str = "Y2lzY29zcGFyazovL3VzL1JPT00vYmJjZWIxYWQtNDNmMS0zYjU4LTkxNDctZjE0YmIwYzRkMTU0";

fn valid(schema: &Value, settings: &Value) -> bool {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap().is_valid(settings)
}

#[test]
fn a_connection_is_a_bots_token() {
    let connection = |settings: Value| valid(&schemas::<Webex>().1, &settings);
    assert!(connection(json!({"botToken": "ZDI3MGEyYzQtNmFlNS00NDNh_PF84_1eb65fdf-9643-417f"})));
    assert!(connection(json!({"botToken": "abc", "government": true})));
    assert!(!connection(json!({})));
    for token in ["", "two words", "Bearer abc", "a\nb"] {
        assert!(!connection(json!({ "botToken": token })), "{token}");
    }
    assert!(!connection(json!({"botToken": "abc", "roomId": ROOM})));
}

#[test]
fn a_subscription_names_its_space() {
    let config = |settings: Value| valid(&schemas::<Webex>().0, &settings);
    assert!(config(json!({ "roomId": ROOM })));
    assert!(config(json!({"roomId": ROOM, "laterEvents": "edit", "messageTemplate": "**{{ payload.title }}**"})));
    for room in ["", "Operations", "webexteams://im?space=1", "../people/me/x"] {
        assert!(!config(json!({ "roomId": room })), "{room}");
    }
    assert!(!config(json!({})));
    assert!(!config(json!({"roomId": ROOM, "laterEvents": "shout"})));
    assert!(!config(json!({"roomId": ROOM, "room": ROOM})));
}

#[test]
fn the_schemas_say_what_a_form_and_the_host_need() {
    let (config, connection) = schemas::<Webex>();
    for schema in [&config, &connection] {
        assert_described(schema);
    }
    assert_eq!(connection["properties"]["botToken"]["writeOnly"], true);
    assert_eq!(connection["properties"]["botToken"]["x-hosts"], json!(["webexapis.com", "api-usgov.webex.com"]));
    assert_eq!(connection["properties"]["government"]["default"], false);
    let field = |name: &str| &config["properties"][name];
    assert_eq!(field("roomId")["x-options"], "rooms");
    assert_eq!(field("laterEvents")["enum"], json!(["thread", "edit", "separate"]));
    assert_eq!(field("messageTemplate")["x-template"], "markdown");
}

#[test]
fn the_manifest_asks_for_webexs_hosts_and_nothing_more() {
    let description = testing::describe::<Webex>();
    assert_eq!(description.manifest.hosts, ["webexapis.com", "api-usgov.webex.com"]);
    assert!(description.test_connection && description.list_options && !description.reconcile && !description.migrate_config);
    let example: Value = serde_json::from_str(description.manifest.example_payload.unwrap()).unwrap();
    assert_eq!(example["text"], "Incident created: Disk full (critical)");
}
