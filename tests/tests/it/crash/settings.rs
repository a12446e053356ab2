//! The daemon is killed while secrets change: what was acknowledged is in force after the next start, whole.

use crate::delivery::arrival::{signing_secret, verifies};
use postern_tests::daemon::run;
use postern_tests::launch::postern;
use postern_tests::platform::incident;
use postern_tests::{Api, Daemon, Engine, Receiver, Reply, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

on_each_engine!(a_changed_secret_is_in_force_after_a_kill_if_the_change_was_acknowledged);

/// Which secrets were offered and acknowledged, by their bytes.
#[derive(Default)]
struct Secrets {
    offered: AtomicU8,
    acknowledged: AtomicU8,
}

async fn a_changed_secret_is_in_force_after_a_kill_if_the_change_was_acknowledged(engine: Engine) {
    let mut daemon = Daemon::on(engine).await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let config = json!({ "url": receiver.url(), "signingSecret": signing_secret(0) });
    let subscription = daemon.subscribe_webhook(config).await;
    let path = format!("/api/v1/subscriptions/{subscription}");
    let secrets = Arc::new(Secrets::default());
    for rounds in [0, 1, 2, 5] {
        let changing = tokio::spawn(change(daemon.api.clone(), path.clone(), receiver.url(), secrets.clone()));
        let emitting = tokio::spawn(emit(daemon.api.clone()));
        for _ in 0..=rounds {
            receiver.next().await;
        }
        // The master key is rotated meanwhile, by another process.
        let mut rotate = postern();
        rotate.args(["secrets", "rotate", "--data"]).arg(daemon.data());
        let rotating = tokio::spawn(run(rotate));
        receiver.next().await;
        daemon.kill_9();
        let rotated = rotating.await.unwrap();
        assert!(rotated.success, "{rotated:?}");
        changing.await.unwrap();
        emitting.await.unwrap();

        receiver.always(Reply::Status(200));
        daemon.restart().await;
        let event = daemon.emit("After the kill").await;
        assert_eq!(daemon.settled(&event).await["status"], "success");
        let arrived = receiver.drain();
        let received = arrived.iter().find(|received| received.header("x-delivery-id").starts_with(&event)).unwrap();
        let known = [&secrets.acknowledged, &secrets.offered].map(|secret| signing_secret(secret.load(Ordering::SeqCst)));
        assert!(known.iter().any(|secret| verifies(secret, received)), "signed with an older secret");
    }
}

/// Changes the secret again and again until the server is gone.
async fn change(api: Api, path: String, url: String, secrets: Arc<Secrets>) {
    loop {
        let next = secrets.offered.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
        let config = json!({ "providerConfig": { "url": url, "signingSecret": signing_secret(next) } });
        match api.try_call_with(Method::PATCH, &path, &[], config).await {
            Ok(answer) => assert_eq!(answer.status, 200, "{}", answer.text),
            Err(_) => return,
        }
        secrets.acknowledged.store(next, Ordering::SeqCst);
    }
}

/// Emits until the server is gone.
async fn emit(api: Api) {
    let path = "/api/v1/plugins/incident/hooks/incident.created";
    loop {
        let answer: Result<_, _> = api.try_call_with(Method::POST, path, &[], incident("Amid changes")).await;
        match answer.map(|answer| answer.json()) {
            Ok(Value::Object(_)) => {}
            _ => return,
        }
    }
}
