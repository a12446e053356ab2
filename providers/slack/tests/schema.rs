//! The schemas refuse what could not be delivered, when it is saved.

use postern_provider::testing::{self, assert_described, schemas};
use postern_provider_slack::Slack;
use serde_json::{Value, json};

const TOKEN: &str = "xoxb-123456789012-abcDEF";
const URL: &str = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX";

fn valid(schema: &Value, settings: &Value) -> bool {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap().is_valid(settings)
}

fn config(settings: Value) -> bool {
    valid(&schemas::<Slack>().0, &settings)
}

fn connection(settings: Value) -> bool {
    valid(&schemas::<Slack>().1, &settings)
}

#[test]
fn a_connection_has_what_its_method_needs() {
    assert!(connection(json!({"method": "bot", "botToken": TOKEN, "channel": "C0123456789"})));
    assert!(connection(json!({"botToken": TOKEN, "channel": "#ops", "government": true})), "bot is the default");
    assert!(connection(json!({"method": "bot", "botToken": "xoxe.xoxb-1-abc", "channel": "#ops"})));
    assert!(connection(json!({"method": "webhook", "webhookUrl": URL})));
    assert!(connection(json!({"method": "webhook", "webhookUrl": "https://hooks.slack-gov.com/services/T0/B0/x"})));
    assert!(!connection(json!({})));
    assert!(!connection(json!({"botToken": TOKEN})), "a bot needs a channel");
    assert!(!connection(json!({"method": "bot", "channel": "#ops"})));
    assert!(!connection(json!({"method": "bot", "webhookUrl": URL})));
    assert!(!connection(json!({"method": "webhook", "botToken": TOKEN})));
}

#[test]
fn what_is_no_token_and_no_webhook_is_refused() {
    for token in ["", "hunter2", "xapp-1-A", "xoxb-", "xoxb-1 2"] {
        assert!(!connection(json!({"botToken": token, "channel": "#ops"})), "{token}");
    }
    for url in [
        "http://hooks.slack.com/services/T0/B0/x",
        "https://hooks.slack.com.evil.example/services/T0/B0/x",
        "https://evil.example/hooks.slack.com/services/T0/B0/x",
        "https://hooks.slack.com/triggers/T0/1/x",
        "hooks.slack.com/services/T0/B0/x",
    ] {
        assert!(!connection(json!({"method": "webhook", "webhookUrl": url})), "{url}");
    }
    assert!(!connection(json!({"method": "carrier-pigeon", "webhookUrl": URL})));
    assert!(!connection(json!({"method": "webhook", "webhookUrl": URL, "webhook": 1})));
}

#[test]
fn a_subscription_needs_nothing_and_may_have_one_template() {
    assert!(config(json!({})));
    assert!(config(json!({"channel": "#ops", "username": "Checkmate", "iconEmoji": ":robot_face:", "laterEvents": "update"})));
    assert!(config(json!({"messageTemplate": "**{{ payload.title }}**"})));
    assert!(config(json!({"blocksTemplate": "[]"})));
    assert!(!config(json!({"messageTemplate": "x", "blocksTemplate": "[]"})));
    assert!(!config(json!({"iconEmoji": "robot"})));
    assert!(!config(json!({"laterEvents": "shout"})));
    assert!(!config(json!({"channel": ""})));
    assert!(!config(json!({"chanel": "#ops"})));
}

#[test]
fn the_schemas_say_what_a_form_and_the_host_need() {
    let (config, connection) = schemas::<Slack>();
    for schema in [&config, &connection] {
        assert_described(schema);
    }
    let field = |name: &str| &connection["properties"][name];
    assert_eq!(field("method")["default"], "bot");
    assert_eq!(field("channel")["x-options"], "channels");
    assert_eq!(field("botToken")["writeOnly"], true);
    assert_eq!(field("botToken")["x-hosts"], json!(["slack.com", "slack-gov.com"]));
    assert_eq!((&field("webhookUrl")["writeOnly"], &field("webhookUrl")["format"]), (&json!(true), &json!("uri")));
    assert_eq!(field("webhookUrl")["x-hosts"], json!(["hooks.slack.com", "hooks.slack-gov.com"]));
    let field = |name: &str| &config["properties"][name];
    assert_eq!(field("channel")["x-options"], "channels");
    assert_eq!(field("laterEvents")["enum"], json!(["thread", "update", "separate"]));
    assert_eq!(field("messageTemplate")["x-template"], "markdown");
    assert_eq!(field("blocksTemplate")["x-template"], "json");
}

#[test]
fn the_manifest_asks_for_slacks_hosts_and_nothing_more() {
    let description = testing::describe::<Slack>();
    assert_eq!(description.manifest.hosts, ["slack.com", "hooks.slack.com", "slack-gov.com", "hooks.slack-gov.com"]);
    assert!(description.test_connection && description.list_options && description.reconcile && !description.migrate_config);
    let example: Value = serde_json::from_str(description.manifest.example_payload.unwrap()).unwrap();
    assert_eq!(example["blocks"][0]["type"], "header");
}
