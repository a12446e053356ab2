//! Settings are brought forward when a build takes a newer version of them.

mod forward;
mod many;
mod older;
mod stuck;

use postern_tests::chat::builder;
use postern_tests::migrating::FIRST;
use postern_tests::platform::{INCIDENT_CREATED, id};
use postern_tests::wait::until;
use postern_tests::{Daemon, Engine, Receiver};
use reqwest::Method;
use serde_json::{Value, json};

const PROVIDER: &str = "test.migrating";
const TOKEN: &str = "t0ken-of-the-chat";
const PASSWORD: &str = "passw0rd-of-the-room";
const KEY: &str = "k3y-of-the-room";

/// Retries come soon and go on for as long as any test takes.
const PATIENT: &str = r#"[delivery]
retry = { initial = "1500ms", factor = 1.0, max = "1500ms", horizon = "1h", jitter = 0.0 }"#;

/// A daemon with the first build.
async fn with_first(engine: Engine) -> Daemon {
    let daemon = builder().engine(engine).config(PATIENT).start().await;
    daemon.register_incidents().await;
    daemon.add_provider(PROVIDER, FIRST).await;
    daemon
}

/// Adds a build, which asks for nothing new.
async fn upgrade(daemon: &Daemon, build: &[u8]) {
    let path = "/api/v1/providers?plugin=test";
    let answer = daemon.api.send(Method::POST, path, "application/wasm", build.to_vec()).await.expect("an answer");
    assert_eq!(answer.success()["state"], "active");
}

/// Connects to a receiver, whose URL may be given a path; answers with the connection's path in the API.
async fn connect(daemon: &Daemon, receiver: &Receiver, path: &str) -> String {
    let settings = json!({ "baseUrl": receiver.url() + path, "token": TOKEN });
    let body = json!({ "name": "The chat", "providerId": PROVIDER, "settings": settings });
    format!("/api/v1/connections/{}", id(&daemon.api.post("/api/v1/connections", body).await["id"]))
}

/// Subscribes a room with the first build's settings; answers with the subscription's path in the API.
async fn subscribe(daemon: &Daemon, connection: &str, room: &str) -> String {
    let body = json!({
        "name": room, "providerId": PROVIDER, "connectionId": connection.rsplit('/').next(), "events": [INCIDENT_CREATED],
        "providerConfig": { "room": room, "password": PASSWORD, "keys": [KEY], "message": "{{ payload.title }}" },
    });
    format!("/api/v1/subscriptions/{}", id(&daemon.api.post("/api/v1/subscriptions", body).await["id"]))
}

/// Waits until an object is stored at a revision.
async fn at_revision(daemon: &Daemon, path: &str, etag: &str) {
    until(&format!("{path} to be at {etag}"), || async { (daemon.api.etag(path).await == etag).then_some(()) }).await;
}

/// How many users of the provider are not of its version.
async fn unmigrated(daemon: &Daemon) -> Value {
    daemon.api.get(&format!("/api/v1/providers/{PROVIDER}")).await["unmigrated"].clone()
}

/// The deliveries of an event by the name of their subscription, whole.
async fn delivery_of(daemon: &Daemon, event: &str, subscription: &str) -> Value {
    let id = subscription.rsplit('/').next().unwrap();
    let found = daemon.deliveries(event).await;
    found.into_iter().find(|delivery| delivery["subscription"] == id).expect("a delivery")
}
