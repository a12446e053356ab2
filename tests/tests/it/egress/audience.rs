//! A secret goes only to hosts that are for it.

use postern_tests::platform::{INCIDENT_CREATED, exchange, id};
use postern_tests::{COURIER, Daemon, Receiver, chat};
use serde_json::{Value, json};

const PROVIDER: &str = "test.courier";

/// A daemon with the courier, and a connection whose host is `base`.
async fn with_courier(base: &Receiver) -> (Daemon, String) {
    let daemon = chat::builder().start().await;
    daemon.register_incidents().await;
    daemon.add_provider(PROVIDER, COURIER).await;
    let settings = json!({
        "baseUrl": base.url(), "token": "the-stored-token", "elsewhere": "for-another-host", "signingKey": "for-signing-only",
    });
    let connection = json!({ "name": "Shared", "providerId": PROVIDER, "settings": settings });
    let connection = id(&daemon.api.post("/api/v1/connections", connection).await["id"]);
    (daemon, connection)
}

/// Delivers with one secret to one host.
async fn carry(daemon: &Daemon, connection: &str, own: &Receiver, carry: &str, to: &str) -> Value {
    let config = json!({ "url": own.url(), "to": to, "carry": carry, "own": "of-the-subscription" });
    let subscription = json!({
        "name": "Carries", "providerId": PROVIDER, "connectionId": connection, "events": [INCIDENT_CREATED],
        "providerConfig": config,
    });
    let subscription = id(&daemon.api.post("/api/v1/subscriptions", subscription).await["id"]);
    let delivery = daemon.settled(&daemon.emit("To be carried").await).await;
    daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
    delivery
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connections_secret_does_not_go_to_the_host_that_a_subscription_chooses() {
    let (mut base, mut own) = (Receiver::start().await, Receiver::start().await);
    let (daemon, connection) = with_courier(&base).await;

    let delivery = carry(&daemon, &connection, &own, "token", "connection").await;
    assert_eq!(delivery["status"], "success", "{delivery:#}");
    assert_eq!(base.next().await.header("authorization"), "Bearer the-stored-token");

    let delivery = carry(&daemon, &connection, &own, "token", "config").await;
    let denied = exchange(&delivery);
    assert_eq!((&denied["decision"], &denied["code"]), (&json!("denied"), &json!("secret-host")), "{delivery:#}");
    let message = denied["message"].as_str().unwrap();
    assert!(message.starts_with(&format!("The secret at connection/token may not go to `{}`", own.url())), "{message}");
    assert!(message.contains("never to one that the subscription's settings choose"), "{message}");
    assert!(!delivery.to_string().contains("the-stored-token"), "{delivery:#}");
    assert!(own.is_untouched());

    // The command that the message ends with is taken at its word.
    let command = message.split_once("To allow it: postern ").expect("a command").1;
    let printed = daemon.command(&command.split(' ').collect::<Vec<_>>()).await;
    assert!(printed.success && printed.stdout.contains("its secrets may also go to"), "{printed:?}");
    let delivery = carry(&daemon, &connection, &own, "token", "config").await;
    assert_eq!(delivery["status"], "success", "{delivery:#}");
    assert_eq!(own.next().await.header("authorization"), "Bearer the-stored-token");

    let delivery = carry(&daemon, &connection, &own, "own", "config").await;
    assert_eq!(delivery["status"], "success", "{delivery:#}");
    assert_eq!(own.next().await.header("authorization"), "Bearer of-the-subscription");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_narrows_where_its_secret_goes() {
    let (base, own) = (Receiver::start().await, Receiver::start().await);
    let (daemon, connection) = with_courier(&base).await;
    for (secret, place, rule) in
        [("elsewhere", "connection/elsewhere", "names elsewhere.example"), ("signing-key", "connection/signingKey", "names none")]
    {
        for to in ["connection", "config"] {
            let delivery = carry(&daemon, &connection, &own, secret, to).await;
            let denied = exchange(&delivery);
            assert_eq!(denied["code"], "secret-host", "{delivery:#}");
            let message = denied["message"].as_str().unwrap();
            assert!(message.contains(place) && message.contains(rule), "{message}");
            assert_eq!(message.contains("Nothing allows it"), secret == "signing-key", "{message}");
        }
    }
    assert!(base.is_untouched() && own.is_untouched());
}
