//! What a request's form may be: where reading it was once too lenient.

use postern_tests::Daemon;
use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK, id, incident_type};
use reqwest::Method;
use serde_json::json;

/// serde takes a list for a structure, in the order in which its fields are declared.
#[tokio::test]
async fn a_list_is_no_structure_at_any_depth() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let list = json!(["A name", null, WEBHOOK, {}, [INCIDENT_CREATED]]);
    let refused = daemon.api.call(Method::POST, "/api/v1/subscriptions", list).await.problem(422, "invalid");
    assert_eq!(refused["errors"][0]["path"], "");
    let limited = json!({
        "name": "x", "providerId": WEBHOOK, "events": [INCIDENT_CREATED], "providerConfig": { "url": "https://hub.example/x" },
        "rateLimit": [1, "1m"],
    });
    let refused = daemon.api.call(Method::POST, "/api/v1/subscriptions", limited).await.problem(422, "invalid");
    assert!(id(&refused["errors"][0]["path"]).starts_with("/rateLimit"), "{refused}");
    let emission = json!([[INCIDENT_CREATED, {}]]);
    let refused = daemon.api.call(Method::POST, "/api/v1/events", emission).await.problem(422, "invalid");
    assert_eq!(refused["errors"][0]["path"], "/0");
    assert!(daemon.api.items("/api/v1/subscriptions").await.is_empty());
}

#[tokio::test]
async fn a_change_that_clears_an_unknown_field_is_refused() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let subscription = daemon.subscribe_webhook(json!({ "url": "https://hub.example/x" })).await;
    let path = format!("/api/v1/subscriptions/{subscription}");
    let refused = daemon.api.call(Method::PATCH, &path, json!({ "fliter": null })).await.problem(422, "invalid");
    assert_eq!(refused["errors"][0]["path"], "/fliter");
    daemon.api.patch(&path, json!({ "filter": null })).await;
}

/// A text whose first letter stands for more than three bits would name the same object as another.
#[tokio::test]
async fn an_id_has_one_text() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let subscription = daemon.subscribe_webhook(json!({ "url": "https://hub.example/x" })).await;
    daemon.api.get(&format!("/api/v1/subscriptions/{subscription}")).await;
    let other = subscription.replacen('0', "8", 1);
    assert!(other.starts_with('8'), "{other}");
    daemon.api.call(Method::GET, &format!("/api/v1/subscriptions/{other}"), json!(null)).await.problem(400, "bad-id");
}

#[tokio::test]
async fn the_longest_plugin_and_hook_make_an_event_type_that_is_found_again() {
    let mut daemon = Daemon::start().await;
    let (plugin, hook) = ("p".repeat(64), "h".repeat(200));
    let registered = daemon.api.put(&format!("/api/v1/plugins/{plugin}/events/{hook}"), incident_type()).await;
    assert_eq!(registered["id"], format!("{plugin}.{hook}"));
    daemon.terminate().await;
    daemon.restart().await;
    assert_eq!(daemon.api.get(&format!("/api/v1/event-types/{plugin}.{hook}")).await["hook"], hook);
}
