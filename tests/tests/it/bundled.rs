//! The providers that come with the daemon, as it shows them.

use crate::bad_input::places;
use postern_tests::platform::id;
use postern_tests::{ALL_BUNDLED, Daemon, chat::MARK};
use reqwest::Method;
use serde_json::{Value, json};

/// The providers that a new daemon has, when all are loaded.
async fn bundled(daemon: &Daemon) -> Vec<Value> {
    let providers = daemon.loaded().await;
    assert!(providers.len() > 1 && providers.iter().all(|provider| provider["bundled"] == true), "{providers:#?}");
    providers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_bundled_provider_is_active_and_says_what_administrators_need() {
    let daemon = Daemon::builder().config(ALL_BUNDLED).start().await;
    for provider in bundled(&daemon).await {
        let (name, manifest) = (id(&provider["id"]), &provider["manifest"]);
        assert_eq!((&provider["state"], &provider["asks"]), (&json!("active"), &json!([])), "{name}");
        for text in [&manifest["description"], &manifest["icon"], &manifest["documentation"]["setupGuide"]] {
            assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{name}: {manifest:#}");
        }
        assert!(manifest["documentation"]["examplePayload"].is_string(), "{name}");
        assert_eq!(manifest["implements"]["testConnection"], true, "{name}");
        for section in ["config", "connection"] {
            let Some(fields) = manifest[section]["schema"]["properties"].as_object() else { continue };
            assert_eq!(manifest[section]["schema"]["additionalProperties"], false, "{name}: a misspelt field of its {section}");
            for (field, schema) in fields {
                assert!(schema["title"].is_string() && schema["description"].is_string(), "{name}: {section}.{field}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slack_connection_is_refused_while_incomplete_and_kept_without_showing_its_token() {
    let daemon = Daemon::builder().config(ALL_BUNDLED).start().await;
    let make = async |settings: Value| {
        let body = json!({ "name": "Acme", "providerId": "postern.slack", "settings": settings });
        daemon.api.call(Method::POST, "/api/v1/connections", body).await
    };
    let problem = make(json!({ "method": "bot", "botToken": "hunter2-of-acme" })).await.problem(422, "invalid");
    assert!(places(&problem).contains(&"/settings/botToken"), "{problem:#}");
    assert!(!problem.to_string().contains("hunter2"), "{problem:#}");
    make(json!({ "method": "webhook", "webhookUrl": "https://evil.example/services/T0/B0/x" })).await.problem(422, "invalid");

    let made = make(json!({ "botToken": "xoxb-1-acme", "channel": "#ops" })).await.json();
    let expected = json!({ "botToken": MARK, "channel": "#ops", "method": "bot", "government": false });
    assert_eq!(made["settings"], expected, "{made:#}");
    daemon.register_incidents().await;
    let subscription = json!({
        "name": "Operations", "providerId": "postern.slack", "connectionId": made["id"], "events": ["incident.*"],
        "entityKey": ".payload.incidentId", "providerConfig": { "messageTemplate": "**{{ payload.title }}**" },
    });
    daemon.api.post("/api/v1/subscriptions", subscription).await;
}
