//! Redirects are followed only by who asks for it and may, and credentials stay behind.

use postern_tests::platform::{attempts, exchange, id};
use postern_tests::{COURIER, Receiver, Reply, chat};
use serde_json::json;

const PROVIDER: &str = "test.courier";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_followed_when_it_is_asked_for_and_granted_and_no_credential_goes_along() {
    let daemon = chat::builder().config("[delivery]\nretry = []").start().await;
    let (mut receiver, mut other) = (Receiver::start().await, Receiver::start().await);
    daemon.register_incidents().await;
    daemon.add_provider(PROVIDER, COURIER).await;
    let connection = json!({ "name": "C", "providerId": PROVIDER, "settings": { "baseUrl": receiver.url(), "token": "t0ken" } });
    let connection = id(&daemon.api.post("/api/v1/connections", connection).await["id"]);
    let subscription = json!({
        "name": "Carries", "providerId": PROVIDER, "connectionId": connection, "events": ["incident.*"],
        "providerConfig": { "url": receiver.url(), "to": "config", "carry": "own", "own": "of-the-subscription", "redirects": 1 },
    });
    daemon.api.post("/api/v1/subscriptions", subscription).await;
    let redirect = Reply::Full(307, vec![("Location", format!("{}/there", other.url()))], String::new());
    receiver.always(redirect);

    let refused = daemon.settled(&daemon.emit("Not granted").await).await;
    assert_eq!(exchange(&refused)["code"], "redirects", "{refused:#}");
    assert!(receiver.is_untouched());
    // The command that the message ends with is taken at its word.
    let command = refused["error"].as_str().unwrap().split_once("To allow it: postern ").expect("a command").1;
    let printed = daemon.command(&command.split(' ').collect::<Vec<_>>()).await;
    assert!(printed.success && printed.stdout.contains("it may follow redirects"), "{printed:?}");

    // The second host is not granted yet, and each hop is judged.
    let refused = daemon.settled(&daemon.emit("To where it may not go").await).await;
    let exchanges = attempts(&refused)[0]["exchanges"].as_array().unwrap().clone();
    assert_eq!((&exchanges[0]["status"], &exchanges[1]["code"]), (&json!(307), &json!("grant")), "{refused:#}");
    assert!(other.is_untouched());
    receiver.drain();

    assert!(daemon.command(&["provider", "grant", PROVIDER, "--host", &other.url()]).await.success);
    let delivery = daemon.settled(&daemon.emit("Followed").await).await;
    assert_eq!(delivery["status"], "success", "{delivery:#}");
    assert_eq!(receiver.next().await.header("authorization"), "Bearer of-the-subscription");
    let arrived = other.next().await;
    assert_eq!((arrived.method.as_str(), arrived.target.as_str()), ("POST", "/there"));
    assert!(arrived.headers.iter().all(|(name, _)| !name.as_str().eq_ignore_ascii_case("authorization")), "{arrived:?}");
}
