//! The schemas refuse what could not be delivered, when it is saved.

use postern_provider::testing::{self, assert_described, schemas};
use postern_provider_telegram::Telegram;
use serde_json::{Value, json};

fn valid(schema: &Value, settings: &Value) -> bool {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap().is_valid(settings)
}

#[test]
fn a_connection_is_a_bots_token() {
    let connection = |settings: Value| valid(&schemas::<Telegram>().1, &settings);
    assert!(connection(json!({"botToken": "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"})));
    assert!(!connection(json!({})));
    for token in ["", "hunter2", "bot123:abc", "123:", "123:a/b", "123:a b"] {
        assert!(!connection(json!({ "botToken": token })), "{token}");
    }
    assert!(!connection(json!({"botToken": "123:abc", "chatId": "1"})));
}

#[test]
fn a_subscription_names_its_chat() {
    let config = |settings: Value| valid(&schemas::<Telegram>().0, &settings);
    for chat in ["99", "-200", "-1001234567890", "@acme_news"] {
        assert!(config(json!({ "chatId": chat })), "{chat}");
    }
    for chat in ["", "0", "acme", "@a", "@1abc", "-", "12345678901234567", "https://t.me/acme"] {
        assert!(!config(json!({ "chatId": chat })), "{chat}");
    }
    assert!(!config(json!({})));
    assert!(config(json!({"chatId": "99", "topic": 7, "laterEvents": "edit", "soundFrom": "never", "messageTemplate": "x"})));
    assert!(!config(json!({"chatId": "99", "topic": 0})));
    assert!(!config(json!({"chatId": "99", "laterEvents": "shout"})));
    assert!(!config(json!({"chatId": "99", "soundFrom": "loud"})));
    assert!(!config(json!({"chatId": "99", "chat": "99"})));
}

#[test]
fn the_schemas_say_what_a_form_and_the_host_need() {
    let (config, connection) = schemas::<Telegram>();
    for schema in [&config, &connection] {
        assert_described(schema);
    }
    assert_eq!(connection["properties"]["botToken"]["writeOnly"], true);
    assert_eq!(connection["properties"]["botToken"]["x-hosts"], json!(["api.telegram.org"]));
    let field = |name: &str| &config["properties"][name];
    assert_eq!(field("chatId")["x-options"], "chats");
    assert_eq!((&field("topic")["type"], &field("topic")["minimum"]), (&json!("integer"), &json!(1)));
    assert_eq!(field("laterEvents")["enum"], json!(["reply", "edit", "separate"]));
    assert_eq!(field("soundFrom")["default"], "warning");
    assert_eq!(field("messageTemplate")["x-template"], "markdown");
}

#[test]
fn the_manifest_asks_for_telegrams_host_and_nothing_more() {
    let description = testing::describe::<Telegram>();
    assert_eq!(description.manifest.hosts, ["api.telegram.org"]);
    assert!(description.test_connection && description.list_options && !description.reconcile && !description.migrate_config);
    let example: Value = serde_json::from_str(description.manifest.example_payload.unwrap()).unwrap();
    // Each entity of the example covers whole words.
    let text: Vec<u16> = example["text"].as_str().unwrap().encode_utf16().collect();
    for entity in example["entities"].as_array().unwrap() {
        let number = |name: &str| usize::try_from(entity[name].as_u64().unwrap()).unwrap();
        let end = number("offset") + number("length");
        let part = String::from_utf16(&text[number("offset")..end]).unwrap();
        let next = text.get(end).map(|unit| char::from_u32((*unit).into()).unwrap());
        assert!(part.trim() == part && next.is_none_or(|next| "\n:".contains(next)), "{part:?} {next:?}");
    }
}
