//! Access tokens that the host fetches, which no provider sees.

use postern_tests::platform::{INCIDENT_CREATED, attempts, id};
use postern_tests::{COURIER, Daemon, Receiver, Reply, chat};
use serde_json::{Value, json};

const PROVIDER: &str = "test.courier";
const SECRET: &str = "the-client's-secret+1";

/// A login server that hands out `token-1`, `token-2`, …
async fn login() -> Receiver {
    let receiver = Receiver::start().await;
    let mut number = 0;
    receiver.decide(move |_| {
        number += 1;
        chat::says(&json!({ "access_token": format!("access-token-{number}"), "token_type": "Bearer", "expires_in": 3600 }))
    });
    receiver
}

/// A daemon whose courier carries its access token to one of its hosts.
async fn with_client(login: &Receiver, base: &Receiver, to: &str) -> Daemon {
    let daemon = chat::builder().config("[delivery]\nretry = []").start().await;
    daemon.register_incidents().await;
    daemon.add_provider(PROVIDER, COURIER).await;
    let settings = json!({
        "baseUrl": base.url(), "token": "not-used-here", "tokenUrl": format!("{}/token", login.url()), "clientId": "the client",
        "clientSecret": SECRET,
    });
    let connection = json!({ "name": "Shared", "providerId": PROVIDER, "settings": settings });
    let connection = id(&daemon.api.post("/api/v1/connections", connection).await["id"]);
    let config = json!({ "url": "http://127.0.0.1:1", "to": to, "carry": "access-token" });
    let subscription = json!({
        "name": "Carries", "providerId": PROVIDER, "connectionId": connection, "events": [INCIDENT_CREATED],
        "providerConfig": config,
    });
    daemon.api.post("/api/v1/subscriptions", subscription).await;
    daemon
}

/// Delivers, and answers with the delivery and the exchanges of its only attempt.
async fn deliver(daemon: &Daemon) -> (Value, Vec<Value>) {
    let delivery = daemon.settled(&daemon.emit("With a token").await).await;
    let [attempt] = attempts(&delivery)[..] else { panic!("{delivery:#}") };
    let exchanges = attempt["exchanges"].as_array().unwrap().clone();
    assert!(!delivery.to_string().contains("access-token-") && !delivery.to_string().contains(SECRET), "{delivery:#}");
    (delivery, exchanges)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_fetched_once_and_used_until_it_ends() {
    let (mut login, mut base) = (login().await, Receiver::start().await);
    let daemon = with_client(&login, &base, "connection").await;
    let (delivery, exchanges) = deliver(&daemon).await;
    assert_eq!((&delivery["status"], exchanges.len()), (&json!("success"), 2), "{delivery:#}");
    let asked = login.next().await;
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/token"));
    assert_eq!(String::from_utf8_lossy(&asked.body), "grant_type=client_credentials&scope=post");
    use base64::Engine as _;
    let credentials = base64::engine::general_purpose::STANDARD.encode("the+client:the-client%27s-secret%2B1");
    assert_eq!(asked.header("authorization"), format!("Basic {credentials}"));
    assert_eq!(base.next().await.header("authorization"), "Bearer access-token-1");
    assert_eq!(exchanges[0]["responseBody"]["text"], "[secret]", "the token's own exchange shows it to nobody");

    let (delivery, exchanges) = deliver(&daemon).await;
    assert_eq!((&delivery["status"], exchanges.len()), (&json!("success"), 1), "{delivery:#}");
    assert_eq!(base.next().await.header("authorization"), "Bearer access-token-1");
    assert!(login.drain().is_empty());
    assert!(!daemon.stderr().contains("access-token-") && !daemon.stderr().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_refused_is_renewed_within_the_attempt_and_only_once() {
    let (mut login, mut base) = (login().await, Receiver::start().await);
    let daemon = with_client(&login, &base, "connection").await;
    base.script([Reply::Status(401)]);
    let (delivery, exchanges) = deliver(&daemon).await;
    let statuses: Vec<_> = exchanges.iter().map(|exchange| exchange["status"].as_u64().unwrap()).collect();
    assert_eq!((&delivery["status"], statuses), (&json!("success"), vec![200, 401, 200, 200]), "{delivery:#}");
    let carried: Vec<_> = base.drain().iter().map(|request| request.header("authorization").to_owned()).collect();
    assert_eq!(carried, ["Bearer access-token-1", "Bearer access-token-2"]);
    assert_eq!(login.drain().len(), 2);

    base.always(Reply::Status(401));
    let (delivery, exchanges) = deliver(&daemon).await;
    let statuses: Vec<_> = exchanges.iter().map(|exchange| exchange["status"].as_u64().unwrap()).collect();
    assert_eq!((&delivery["status"], statuses), (&json!("failed"), vec![401, 200, 401]), "{delivery:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_login_server_refuses_is_told_and_nothing_is_sent_to_the_target() {
    let (login, base) = (Receiver::start().await, Receiver::start().await);
    let refusal = json!({ "error": "invalid_client", "error_description": format!("{SECRET} is wrong") });
    login.always(Reply::Full(401, Vec::new(), refusal.to_string()));
    let daemon = with_client(&login, &base, "connection").await;
    let (delivery, exchanges) = deliver(&daemon).await;
    assert_eq!((&delivery["status"], exchanges.len()), (&json!("failed"), 1), "{delivery:#}");
    let error = delivery["error"].as_str().unwrap();
    let expected = format!("There is no access token from `{}`: it answered 401: invalid_client [secret] is wrong", login.url());
    assert!(error.contains(&expected), "{error}");
    assert!(base.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_goes_only_to_its_hosts_and_is_not_even_fetched_for_others() {
    let (login, base) = (login().await, Receiver::start().await);
    let daemon = with_client(&login, &base, "config").await;
    let (delivery, exchanges) = deliver(&daemon).await;
    assert_eq!((&exchanges[0]["code"], exchanges.len()), (&json!("secret-host"), 1), "{delivery:#}");
    assert!(exchanges[0]["message"].as_str().unwrap().contains("connection/accessToken"), "{delivery:#}");
    assert!(login.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_fills_the_field_of_a_token_in() {
    let base = Receiver::start().await;
    let daemon = chat::builder().start().await;
    daemon.add_provider(PROVIDER, COURIER).await;
    let settings = json!({ "baseUrl": base.url(), "token": "not-used-here", "accessToken": "one of my own" });
    let connection = json!({ "name": "Shared", "providerId": PROVIDER, "settings": settings });
    let refused = daemon.api.call(reqwest::Method::POST, "/api/v1/connections", connection).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.text.contains("the host fills this in"), "{refused:?}");
}
