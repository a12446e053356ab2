//! The schemas refuse what could not be delivered, when it is saved.

use postern_provider::testing::{self, assert_described, schemas};
use postern_provider_mattermost::Mattermost;
use serde_json::{Value, json};

const URL: &str = "https://mattermost.example.com/hooks/xxxgeneratedkeyxxx";

fn valid(schema: &Value, settings: &Value) -> bool {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap().is_valid(settings)
}

#[test]
fn a_connection_is_a_webhooks_url() {
    let connection = |settings: Value| valid(&schemas::<Mattermost>().1, &settings);
    for url in [URL, "http://10.1.2.3:8065/hooks/abc", "https://example.com/mattermost/hooks/abc"] {
        assert!(connection(json!({ "webhookUrl": url })), "{url}");
    }
    for url in [
        "",
        "mattermost.example.com/hooks/abc",
        "ftp://example.com/hooks/abc",
        "https://user:password@example.com/hooks/abc",
        "https://example.com/hooks/commands/abc",
        "https://example.com/hooks/",
        "https://example.com/hooks/abc?x=1",
        "https://example.com/api/v4/posts",
    ] {
        assert!(!connection(json!({ "webhookUrl": url })), "{url}");
    }
    assert!(!connection(json!({})));
    assert!(!connection(json!({"webhookUrl": URL, "token": "x"})));
}

#[test]
fn a_subscription_needs_nothing() {
    let config = |settings: Value| valid(&schemas::<Mattermost>().0, &settings);
    assert!(config(json!({})));
    assert!(config(
        json!({"channel": "#town-square", "username": "Checkmate", "iconUrl": "https://example.com/a.png", "iconEmoji": "robot"})
    ));
    for channel in ["town-square", "@ada.lovelace", "team_1"] {
        assert!(config(json!({ "channel": channel })), "{channel}");
    }
    for channel in ["", "Town Square", "#", "a/b"] {
        assert!(!config(json!({ "channel": channel })), "{channel}");
    }
    assert!(!config(json!({"iconUrl": "robot.png"})));
    assert!(!config(json!({"iconUrl": "javascript:alert(1)"})));
    assert!(!config(json!({"iconEmoji": "two words"})));
    assert!(!config(json!({"priority": "high"})));
    assert!(!config(json!({"chanel": "ops"})));
}

#[test]
fn only_a_message_with_a_priority_asks_for_an_acknowledgement() {
    let config = |settings: Value| valid(&schemas::<Mattermost>().0, &settings);
    for priority in ["important", "urgent", "severity"] {
        assert!(config(json!({"priority": priority, "requestAcknowledgement": true})), "{priority}");
    }
    assert!(config(json!({"priority": "standard", "requestAcknowledgement": false})));
    assert!(!config(json!({"requestAcknowledgement": true})));
    assert!(!config(json!({"priority": "standard", "requestAcknowledgement": true})));
}

#[test]
fn the_schemas_say_what_a_form_and_the_host_need() {
    let (config, connection) = schemas::<Mattermost>();
    for schema in [&config, &connection] {
        assert_described(schema);
    }
    let url = &connection["properties"]["webhookUrl"];
    assert_eq!((&url["writeOnly"], &url["format"]), (&json!(true), &json!("uri")));
    assert_eq!(url["x-hosts"], json!(["{connection.webhookUrl}"]));
    let field = |name: &str| &config["properties"][name];
    assert_eq!(field("priority")["enum"], json!(["standard", "important", "urgent", "severity"]));
    assert_eq!(field("priority")["default"], "standard");
    assert_eq!(field("iconUrl")["format"], "uri");
    assert_eq!(field("messageTemplate")["x-template"], "markdown");
}

#[test]
fn the_manifest_asks_for_the_webhooks_host_and_nothing_more() {
    let description = testing::describe::<Mattermost>();
    assert_eq!(description.manifest.hosts, ["{connection.webhookUrl}"]);
    assert!(description.test_connection);
    assert!(!description.list_options && !description.reconcile && !description.migrate_config);
    let example: Value = serde_json::from_str(description.manifest.example_payload.unwrap()).unwrap();
    assert_eq!(example["attachments"][0]["color"], "#d32f2f");
}
