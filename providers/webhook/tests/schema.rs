//! The schema refuses what could not be delivered, when it is saved.

use postern_provider::testing;
use postern_provider_webhook::Webhook;
use serde_json::{Value, json};

const SIGNING_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn schema() -> Value {
    serde_json::from_str(&testing::describe::<Webhook>().config_schema).unwrap()
}

fn fits(settings: Value) -> bool {
    let mut config = json!({"url": "https://example.com/hook"});
    config.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    jsonschema::options().should_validate_formats(true).build(&schema()).unwrap().is_valid(&config)
}

#[test]
fn a_complete_config_fits() {
    assert!(fits(json!({})));
    assert!(fits(json!({"url": "https://example.com/hooks/{{ payload.id }}?type={{ type }}"})));
    assert!(fits(json!({"authType": "none", "method": "PATCH", "contentType": "application/x-www-form-urlencoded"})));
    assert!(fits(json!({"authType": "bearer", "bearerToken": "x"})));
    assert!(fits(json!({"authType": "basic", "basicUsername": "x", "basicPassword": ""})));
    assert!(fits(json!({"authType": "header", "authHeaderName": "X-Api-Key", "authHeaderValue": "x"})));
    assert!(fits(json!({"customHeaders": [{"name": "X-A", "value": ""}], "retryOnStatus": [404], "timeout": 60000})));
    assert!(fits(json!({"signingSecret": SIGNING_SECRET, "previousSigningSecrets": [SIGNING_SECRET]})));
}

#[test]
fn what_the_authentication_needs_is_required() {
    assert!(!fits(json!({"authType": "bearer"})));
    assert!(!fits(json!({"authType": "bearer", "bearerToken": ""})));
    assert!(!fits(json!({"authType": "basic", "basicUsername": "x"})));
    assert!(!fits(json!({"authType": "basic", "basicPassword": "x"})));
    assert!(!fits(json!({"authType": "header", "authHeaderName": "X-Api-Key"})));
    assert!(!fits(json!({"authType": "header", "authHeaderValue": "x"})));
    assert!(!fits(json!({"previousSigningSecrets": [SIGNING_SECRET]})));
}

#[test]
fn values_out_of_bounds_and_unknown_fields_are_refused() {
    for url in ["example", "ftp://example.com/", "https://{{ payload.host }}/", "https://user:password@example.com/"] {
        assert!(!fits(json!({"url": url})), "{url}");
    }
    assert!(!fits(json!({"method": "GET"})));
    assert!(!fits(json!({"timeout": 999})));
    assert!(!fits(json!({"timeout": 60001})));
    assert!(!fits(json!({"retryOnStatus": [200]})));
    assert!(!fits(json!({"customHeaders": [{"name": "", "value": "x"}]})));
    assert!(!fits(json!({"customHeaders": [{"name": "Webhook-Id", "value": "x"}]})));
    assert!(!fits(json!({"signingSecret": "hunter2"})));
    assert!(!fits(json!({"uri": "https://example.com"})));
    assert!(!fits(json!({"bearerToken": null})));
}

#[test]
fn the_schema_says_what_a_form_and_the_host_need() {
    let schema = schema();
    let field = |name: &str| &schema["properties"][name];
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["required"], json!(["url"]));
    assert_eq!(schema["properties"].as_object().unwrap().keys().next().unwrap(), "url");
    assert_eq!(field("url")["x-template"], "url");
    assert_eq!(field("bodyTemplate")["x-template"], "json");
    assert_eq!(field("customHeaders")["items"]["properties"]["value"]["x-template"], "header");
    assert_eq!(field("method")["enum"], json!(["POST", "PUT", "PATCH"]));
    assert_eq!(field("method")["default"], "POST");
    assert_eq!(field("contentType")["default"], "application/json");
    assert_eq!(field("authType")["enum"], json!(["none", "bearer", "basic", "header"]));
    assert_eq!(field("timeout")["default"], 10_000);
    for secret in ["bearerToken", "basicPassword", "authHeaderValue", "signingSecret"] {
        assert_eq!(field(secret)["writeOnly"], true, "{secret}");
        assert_eq!(field(secret)["type"], "string", "{secret}");
    }
    assert_eq!(field("previousSigningSecrets")["items"]["writeOnly"], true);
    for (name, field) in schema["properties"].as_object().unwrap() {
        assert!(field["title"].is_string() && field["description"].is_string(), "{name}");
    }
}

#[test]
fn the_manifest_asks_for_the_configured_host_and_nothing_more() {
    let description = testing::describe::<Webhook>();
    assert_eq!(description.manifest.hosts, ["{config.url}"]);
    assert!(description.connection_schema.is_none());
    assert!(description.test_connection);
    assert!(!description.list_options && !description.migrate_config && !description.reconcile);
    let example: Value = serde_json::from_str(description.manifest.example_payload.unwrap()).unwrap();
    assert!(example["data"].is_object());
}
