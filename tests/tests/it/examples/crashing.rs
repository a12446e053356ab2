//! What is told of a provider that crashed, as those of a language do.

use super::{API_KEY, add, built};
use postern_tests::Daemon;
use postern_tests::platform::{INCIDENT_CREATED, attempts, log, outcome};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_languages_own_words_are_the_reason() {
    let daemon = Daemon::builder().config("[delivery]\nretry = []").start().await;
    daemon.register_incidents().await;
    for (path, cause, error, trace) in [
        (
            "crashing-python/example-python.wasm",
            "trap",
            "the provider crashed: KeyError: 'colour'",
            "Traceback (most recent call last):",
        ),
        ("crashing-go/example-go.wasm", "trap", "the provider crashed: panic: assignment to entry in nil map", "goroutine 1"),
        // In JavaScript what nobody catches is a failure like one that is thrown on purpose.
        (
            "javascript/crashing-javascript.wasm",
            "provider",
            "can't access property \"name\", JSON.parse(...).colour is undefined",
            "",
        ),
    ] {
        let Some(component) = built(path) else { continue };
        let provider = add(&daemon, component).await;
        let config = json!({ "apiEndpoint": "https://api.example.com", "apiKey": API_KEY });
        let subscription = daemon.subscribe(&provider, &[INCIDENT_CREATED], config).await;
        let delivery = daemon.settled(&daemon.emit("Crash").await).await;
        assert_eq!(outcome(&delivery)["cause"], cause, "{delivery:#}");
        assert_eq!(delivery["error"], error, "{delivery:#}");
        assert!(log(&delivery).contains(trace), "{delivery:#}");
        assert!(attempts(&delivery)[0]["exchanges"].as_array().is_some_and(Vec::is_empty), "{delivery:#}");
        daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_while_settings_are_tried_is_told_as_well() {
    let Some(component) = built("javascript/crashing-javascript.wasm") else { return };
    let daemon = Daemon::start().await;
    let provider = add(&daemon, component).await;
    let config = json!({ "apiEndpoint": "https://api.example.com", "apiKey": API_KEY }).to_string();
    let tried = daemon.command(&["provider", "try", &provider, "--config", &config]).await;
    let told = "the test failed: can't access property \"name\", JSON.parse(...).colour is undefined";
    assert!(!tried.success && tried.stderr.contains(told), "{tried:?}");
}
