//! Nobody makes the figures grow, and nothing that is secret is in them.

use super::{Figures, scrape};
use postern_tests::platform::{INCIDENT_CREATED, incident};
use postern_tests::wait::until;
use postern_tests::{Daemon, Receiver};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_types_and_tenants_add_no_line_and_no_secret_is_in_any() {
    const SECRET: &str = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdCBvZiBmaWd1cmVz";
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    let receiver = Receiver::start().await;
    let config = json!({ "url": format!("{}/a-path-that-is-secret", receiver.url()), "signingSecret": SECRET });
    let subscription = daemon.subscribe_webhook(config).await;
    daemon.settled(&daemon.emit("A title that is secret").await).await;
    until("it to be counted", || async { (Figures::of(&daemon).await.sum("postern_deliveries_total") >= 1.0).then_some(()) })
        .await;
    let before = Figures::of(&daemon).await;
    for round in 0..10 {
        let unknown: Vec<_> = (0..100).map(|n| json!({ "type": format!("attacker.t{round}.n{n}"), "payload": {} })).collect();
        daemon.api.call(Method::POST, "/api/v1/events", json!(unknown)).await.problem(404, "not-found");
        let of_tenants: Vec<_> = (0..100)
            .map(|n| json!({ "type": INCIDENT_CREATED, "payload": incident("T"), "tenant": format!("tenant-{round}-{n}") }))
            .collect();
        daemon.api.post("/api/v1/events", json!(of_tenants)).await;
    }
    let text = scrape(&daemon.api).await;
    let after = Figures::parse(&text);
    assert_eq!(after.lines(), before.lines());
    assert_eq!(after.get(r#"postern_emissions_total{result="unknown-type"}"#), 1000.0);
    assert_eq!(after.get(r#"postern_emissions_total{result="accepted"}"#), 1001.0);
    let token = daemon.api.token().unwrap();
    for secret in [SECRET, token, "secret", "attacker", "tenant-", &subscription, &receiver.port().to_string(), INCIDENT_CREATED]
    {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}
