//! The schemas refuse what could not be delivered, when it is saved.

use postern_provider::testing::{self, assert_described, schemas};
use postern_provider_ntfy::Ntfy;
use serde_json::{Value, json};

fn valid(schema: &Value, settings: &Value) -> bool {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap().is_valid(settings)
}

#[test]
fn a_connection_is_a_server_and_perhaps_somebody_there() {
    let connection = |settings: Value| valid(&schemas::<Ntfy>().1, &settings);
    assert!(connection(json!({})), "ntfy.sh is the default");
    for url in ["https://ntfy.sh", "https://ntfy.example.com/", "http://10.1.2.3:8080"] {
        assert!(connection(json!({ "serverUrl": url })), "{url}");
    }
    for url in [
        "",
        "ntfy.sh",
        "ftp://ntfy.sh",
        "https://ntfy.sh/topic",
        "https://user:password@ntfy.sh",
        "https://ntfy.sh?auth=x",
        "https://ntfy.sh#x",
    ] {
        assert!(!connection(json!({ "serverUrl": url })), "{url}");
    }
    assert!(connection(json!({"authentication": "token", "token": "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"})));
    assert!(connection(json!({"authentication": "password", "username": "mia", "password": "secret"})));
    assert!(!connection(json!({"authentication": "token"})));
    assert!(!connection(json!({"authentication": "password", "username": "mia"})));
    assert!(!connection(json!({"authentication": "password", "password": "secret"})));
    assert!(!connection(json!({"authentication": "password", "username": "mi:a", "password": "secret"})));
    assert!(!connection(json!({"authentication": "token", "token": "two words"})));
    assert!(!connection(json!({"topic": "ops"})));
}

#[test]
fn a_subscription_names_its_topic() {
    let config = |settings: Value| valid(&schemas::<Ntfy>().0, &settings);
    for topic in ["ops", "acme_Operations-7f3k"] {
        assert!(config(json!({ "topic": topic })), "{topic}");
    }
    for topic in ["", "two words", "a/b", "ops,other", &"x".repeat(65)] {
        assert!(!config(json!({ "topic": topic })), "{topic}");
    }
    assert!(!config(json!({})));
    let with = |more: Value| {
        let mut settings = json!({ "topic": "ops" });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config(settings)
    };
    assert!(with(json!({"priority": "max", "laterEvents": "separate", "tags": ["+1", "rotating_light"], "titleTemplate": "x"})));
    assert!(with(json!({"clickTemplate": "https://status.example.com/{{ payload.incidentId }}"})));
    for bad in [
        json!({"priority": "5"}),
        json!({"laterEvents": "shout"}),
        json!({"tags": ["a,b"]}),
        json!({"tags": [""]}),
        json!({"tags": ["a", "b", "c", "d", "e", "f", "g", "h"]}),
        json!({"clickTemplate": "javascript:alert(1)"}),
        json!({"iconUrl": "robot.png"}),
        json!({"topics": "ops"}),
    ] {
        assert!(!with(bad.clone()), "{bad}");
    }
}

#[test]
fn the_schemas_say_what_a_form_and_the_host_need() {
    let (config, connection) = schemas::<Ntfy>();
    for schema in [&config, &connection] {
        assert_described(schema);
    }
    let field = |name: &str| &connection["properties"][name];
    assert_eq!((&field("serverUrl")["default"], &field("serverUrl")["format"]), (&json!("https://ntfy.sh"), &json!("uri")));
    assert_eq!(field("authentication")["enum"], json!(["none", "token", "password"]));
    assert_eq!((&field("token")["writeOnly"], &field("password")["writeOnly"]), (&json!(true), &json!(true)));
    let field = |name: &str| &config["properties"][name];
    assert_eq!(field("priority")["enum"], json!(["severity", "min", "low", "default", "high", "max"]));
    assert_eq!((&field("priority")["default"], &field("laterEvents")["default"]), (&json!("severity"), &json!("replace")));
    for (name, escaping) in [("titleTemplate", "text"), ("messageTemplate", "text"), ("clickTemplate", "url")] {
        assert_eq!(field(name)["x-template"], escaping, "{name}");
    }
}

#[test]
fn the_manifest_asks_for_the_server_and_nothing_more() {
    let description = testing::describe::<Ntfy>();
    assert_eq!(description.manifest.hosts, ["{connection.serverUrl}"]);
    assert!(description.test_connection && description.reconcile && !description.list_options && !description.migrate_config);
    let example: Value = serde_json::from_str(description.manifest.example_payload.unwrap()).unwrap();
    assert_eq!((&example["priority"], &example["title"]), (&json!(5), &json!("🔴 Incident created: Disk full (critical)")));
}
