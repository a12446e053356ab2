//! No secret is told: not by any answer, nor by what the daemon writes.

use crate::telling::{assert_untold, crawl};
use postern_tests::chat::{MARK, PROVIDER, builder, connection};
use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK, id};
use postern_tests::{Daemon, Engine, Received, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};

const CHAT_TOKEN: &str = "ch4t/t0ken+of=a:chat";
const BEARER: &str = "b34rer&t0ken\"of'a\\receiver";
const UNFIT: &str = "unf1t-s3cret";

on_each_engine!(no_answer_and_no_log_line_tells_a_secret);

/// What is refused, with a secret in it.
async fn refusals(daemon: &Daemon, receiver: &Receiver, connection_id: &str) -> Vec<(String, String)> {
    let connections = "/api/v1/connections";
    let trial = format!("/api/v1/providers/{PROVIDER}/test-connection");
    let with = |settings: Value| json!({ "name": "C", "providerId": PROVIDER, "settings": settings });
    let webhook =
        |config: Value| json!({ "name": "S", "providerId": WEBHOOK, "events": ["incident.*"], "providerConfig": config });
    let url = receiver.url();
    let mut told = Vec::new();
    for (method, path, body) in [
        (Method::POST, connections, with(json!({ "baseUrl": "no url", "token": UNFIT }))),
        (Method::POST, connections, with(json!({ "baseUrl": url, "token": [UNFIT] }))),
        (Method::POST, connections, with(json!({ "baseUrl": url, "token": { "value": UNFIT } }))),
        (Method::POST, connections, with(json!({ "baseUrl": url, "token": UNFIT, "colour": "red" }))),
        (Method::POST, connections, with(json!({ "token": UNFIT }))),
        (Method::POST, connections, with(json!([UNFIT]))),
        (Method::POST, connections, with(json!(UNFIT))),
        (Method::PATCH, &format!("{connections}/{connection_id}"), json!({ "settings": { "token": [UNFIT] } })),
        (Method::POST, &trial, json!({ "connection": { "baseUrl": "no url", "token": UNFIT } })),
        (Method::POST, &trial, json!({ "connection": { "baseUrl": url, "token": [UNFIT] } })),
        (Method::POST, &trial, json!({ "connection": UNFIT })),
        (Method::POST, "/api/v1/subscriptions", webhook(json!({ "url": url, "signingSecret": UNFIT }))),
        (Method::POST, "/api/v1/subscriptions", webhook(json!({ "url": url, "signingSecret": [UNFIT] }))),
        (Method::POST, "/api/v1/subscriptions", webhook(json!({ "url": url, "previousSigningSecrets": [UNFIT] }))),
        (Method::POST, "/api/v1/subscriptions", webhook(json!({ "url": url, "previousSigningSecrets": UNFIT }))),
        (Method::POST, "/api/v1/subscriptions", webhook(json!({ "url": url, "bearerToken": UNFIT, "timeout": 1 }))),
    ] {
        let answer = daemon.api.call(method.clone(), path, body.clone()).await;
        assert_eq!(answer.status, 422, "{method} {path} {body}: {}", answer.text);
        told.push((format!("{method} {path} {body}"), answer.text));
    }
    told
}

async fn no_answer_and_no_log_line_tells_a_secret(engine: Engine) {
    let mut daemon = builder().engine(engine).config("[log]\nlevel = \"trace\"").start().await.with_chat().await;
    // Each knows only what it was sent: what one call may tell is not what another has to hide.
    let (mut chat, mut hook) = (Receiver::that(Reply::Echo).await, Receiver::that(Reply::Echo).await);
    let signing = crate::delivery::arrival::signing_secret(0xa7);
    let connection_id = daemon.connect(&chat, CHAT_TOKEN).await;
    daemon.subscribe_room(&connection_id, "ops").await;
    let config = json!({ "url": hook.url(), "signingSecret": signing, "authType": "bearer", "bearerToken": BEARER });
    daemon.subscribe_webhook(config).await;
    let raw = signing.trim_start_matches("whsec_").to_owned();
    let admin = daemon.api.token().unwrap().to_owned();
    let secrets = [signing.clone(), raw, CHAT_TOKEN.to_owned(), BEARER.to_owned(), admin];

    for title in ["Echoed", "Refused", "Cut off"] {
        for (receiver, secret) in [(&chat, CHAT_TOKEN), (&hook, BEARER)] {
            match title {
                "Refused" => receiver.script([Reply::Full(400, vec![("X-Token", secret.into())], format!("who is {secret}?"))]),
                "Cut off" => receiver.script([Reply::Close]),
                _ => {}
            }
        }
        assert_eq!(daemon.all_settled(&daemon.emit(title).await).await.len(), 2);
        for (receiver, secret) in [(&mut chat, CHAT_TOKEN), (&mut hook, BEARER)] {
            let arrived = receiver.drain();
            let with_secret = |received: &Received| received.header("authorization") == format!("Bearer {secret}");
            assert!(!arrived.is_empty() && arrived.iter().all(with_secret), "{arrived:?}");
        }
    }
    let mut trials = Vec::new();
    for subscription in daemon.api.items("/api/v1/subscriptions").await {
        for call in ["send-test", "preview"] {
            let path = format!("/api/v1/subscriptions/{}/{call}", id(&subscription["id"]));
            trials.push((path, json!({ "eventType": INCIDENT_CREATED })));
        }
    }
    let trial = json!({ "connection": connection(&chat, CHAT_TOKEN)["settings"] });
    trials.extend([
        (format!("/api/v1/connections/{connection_id}/test"), json!({})),
        (format!("/api/v1/providers/{PROVIDER}/test-connection"), trial),
        (format!("/api/v1/providers/{PROVIDER}/options"), json!({ "name": "rooms", "connectionId": connection_id })),
    ]);
    let mut told = Vec::new();
    for (path, body) in trials {
        let answer = daemon.api.call(Method::POST, &path, body).await;
        // The echo is no list of rooms.
        assert_eq!(answer.status, if path.ends_with("/options") { 502 } else { 200 }, "{path}: {}", answer.text);
        told.push((path, answer.text));
    }
    let created = daemon.api.call(Method::POST, "/api/v1/connections", connection(&chat, CHAT_TOKEN)).await;
    told.push(("the new connection".to_owned(), created.text));
    told.extend(crawl(&daemon).await);
    assert!(told.iter().filter(|(_, text)| text.contains(MARK)).count() > 10, "the crawl went where secrets were");
    told.push(("the log".to_owned(), daemon.stderr()));
    assert_untold(&told, &secrets);
    let refused = refusals(&daemon, &chat, &connection_id).await;
    assert_untold(&refused, &[UNFIT.to_owned()]);

    assert!(daemon.terminate().await.status.success());
    assert_untold(&[("the log".to_owned(), daemon.stderr())], &[secrets.as_slice(), &[UNFIT.to_owned()]].concat());
    daemon.restart().await;
    let mut told = crawl(&daemon).await;
    told.push(("the log after a restart".to_owned(), daemon.stderr()));
    assert_untold(&told, &secrets);
}
