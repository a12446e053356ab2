//! The schemas refuse what could not be delivered, when it is saved.

use postern_provider::testing::{self, assert_described, schemas};
use postern_provider_discord::Discord;
use serde_json::{Value, json};

const URL: &str =
    "https://discord.com/api/webhooks/223704706495545344/3d89bb7572e0fb30d8128367b3b1b44f_ecd1726de135cbe28a41f8b2f777c372-b";

fn valid(schema: &Value, settings: &Value) -> bool {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap().is_valid(settings)
}

fn config(settings: Value) -> bool {
    valid(&schemas::<Discord>().0, &settings)
}

fn connection(settings: Value) -> bool {
    valid(&schemas::<Discord>().1, &settings)
}

#[test]
fn a_connection_is_a_webhooks_url() {
    for url in [URL, "https://discord.com/api/v10/webhooks/1/a-b_C", "https://discordapp.com/api/webhooks/1/a"] {
        assert!(connection(json!({"webhookUrl": url})), "{url}");
    }
    for url in [
        "",
        "http://discord.com/api/webhooks/1/a",
        "https://discord.com.evil.example/api/webhooks/1/a",
        "https://evil.example/discord.com/api/webhooks/1/a",
        "https://discord.com/api/webhooks/1",
        "https://discord.com/api/webhooks/1/a/slack",
        "https://discord.com/api/webhooks/1/a?thread_id=1",
        "https://discord.com/api/channels/1/messages",
        "https://ptb.discord.com/api/webhooks/1/a",
    ] {
        assert!(!connection(json!({"webhookUrl": url})), "{url}");
    }
    assert!(!connection(json!({})));
    assert!(!connection(json!({"webhookUrl": URL, "token": "x"})));
}

#[test]
fn a_subscription_needs_nothing_and_may_have_one_template() {
    assert!(config(json!({})));
    assert!(config(
        json!({"threadId": "334385199974967042", "laterEvents": "separate", "username": "Checkmate", "avatarUrl": "https://example.com/a.png"})
    ));
    assert!(config(json!({"messageTemplate": "**{{ payload.title }}**"})));
    assert!(config(json!({"embedsTemplate": "[]"})));
    assert!(!config(json!({"messageTemplate": "x", "embedsTemplate": "[]"})));
    assert!(!config(json!({"threadId": "#general"})));
    assert!(!config(json!({"threadId": "1&wait=false"})));
    assert!(!config(json!({"laterEvents": "thread"})));
    assert!(!config(json!({"username": ""})));
    assert!(!config(json!({"username": "x".repeat(81)})));
    assert!(!config(json!({"avatarUrl": "http://example.com/a.png"})));
    assert!(!config(json!({"avatarUrl": "a picture"})));
    assert!(!config(json!({"thread": "1"})));
}

#[test]
fn the_schemas_say_what_a_form_and_the_host_need() {
    let (config, connection) = schemas::<Discord>();
    for schema in [&config, &connection] {
        assert_described(schema);
    }
    let url = &connection["properties"]["webhookUrl"];
    assert_eq!((&url["writeOnly"], &url["format"]), (&json!(true), &json!("uri")));
    assert_eq!(url["x-hosts"], json!(["discord.com", "discordapp.com"]));
    assert_eq!(connection["required"], json!(["webhookUrl"]));
    let field = |name: &str| &config["properties"][name];
    assert_eq!(
        (&field("laterEvents")["enum"], &field("laterEvents")["default"]),
        (&json!(["update", "separate"]), &json!("update"))
    );
    assert_eq!(field("messageTemplate")["x-template"], "markdown");
    assert_eq!(field("embedsTemplate")["x-template"], "json");
}

#[test]
fn the_manifest_asks_for_discords_hosts_and_nothing_more() {
    let description = testing::describe::<Discord>();
    assert_eq!(description.manifest.hosts, ["discord.com", "discordapp.com"]);
    assert!(description.test_connection && !description.list_options && !description.reconcile && !description.migrate_config);
    let example: Value = serde_json::from_str(description.manifest.example_payload.unwrap()).unwrap();
    assert_eq!(example["embeds"][0]["color"], 0xD9_2D_20);
}
