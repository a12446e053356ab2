//! The start with providers that have to be compiled.

use super::{PATH, delivered_by, in_state, kept, pairs};
use postern_tests::builds::heavy;
use postern_tests::platform::{attempts, id};
use postern_tests::tracker::{BUILD, PROVIDER, REPAIRED};
use postern_tests::wait::until;
use postern_tests::{Daemon, Engine, Receiver, on_each_engine};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;

on_each_engine!(what_has_to_be_compiled_at_a_start_follows_while_the_others_serve);

/// So many functions take longer to compile than the second that a start waits, on a quick machine too: there 800 take less.
const FUNCTIONS: usize = 5_000;

async fn what_has_to_be_compiled_at_a_start_follows_while_the_others_serve(engine: Engine) {
    let mut daemon = Daemon::builder().engine(engine).start().await;
    let (receiver, hook) = (Receiver::start().await, Receiver::start().await);
    daemon.register_incidents().await;
    daemon.subscribe_webhook(json!({ "url": hook.url() })).await;
    let slow = heavy(BUILD, FUNCTIONS);
    let digest = id(&daemon.offer(&slow).await.success()["digest"]);
    daemon.api.post(&format!("{PATH}/approve"), Value::Null).await;
    daemon.subscribe_with(PROVIDER, &receiver, json!({})).await;
    daemon.terminate().await;
    // Its machine code is lost, that of the others is there.
    let cache = daemon.compile_cache();
    for file in fs::read_dir(cache).unwrap().map(|file| file.unwrap().path()) {
        if file.file_name().unwrap().to_str().unwrap().starts_with(&digest) {
            fs::remove_file(file).unwrap();
        }
    }

    daemon.restart().await;
    let listed = daemon.api.items("/api/v1/providers").await;
    let states: Vec<_> = listed.iter().map(|one| (id(&one["id"]), id(&one["state"]))).collect();
    assert!(states.contains(&("test.tracker".into(), "loading".into())), "{states:?}");
    assert!(states.contains(&("postern.webhook".into(), "active".into())), "{states:?}");
    assert_eq!(daemon.api.get(PATH).await["version"], "1.0.0", "what is stored of it is known");
    let event = daemon.emit("Meanwhile").await;
    let [waits, done] = until("one to be delivered while the other waits", || async {
        let found = daemon.deliveries(&event).await;
        let of = |provider: &str| found.iter().find(|delivery| delivery["provider"] == provider).cloned().unwrap();
        let both = [of(PROVIDER), of("postern.webhook")];
        (both[1]["status"] == "success").then_some(both)
    })
    .await;
    assert_eq!((&waits["status"], &waits["waitsFor"]), (&json!("pending"), &json!("test.tracker is being loaded")), "{done:#}");
    // What changes a provider, or needs its schema, waits until it is there.
    let body = json!({ "name": "Another", "providerId": PROVIDER, "events": ["incident.*"], "providerConfig": { "no": 1 } });
    let refused = daemon.api.call(Method::POST, "/api/v1/subscriptions", body).await.problem(422, "invalid");
    assert!(refused.to_string().contains("/providerConfig"), "{refused}");
    assert_eq!(daemon.api.get(PATH).await["state"], "active");
    for delivery in daemon.all_settled(&event).await {
        assert_eq!((&delivery["status"], attempts(&delivery).len()), (&json!("success"), 1), "{delivery:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_is_compiled_while_others_deliver_and_are_changed() {
    let daemon = Daemon::start().await;
    let hook = Receiver::start().await;
    daemon.register_incidents().await;
    daemon.add_tracker().await;
    daemon.subscribe_webhook(json!({ "url": hook.url() })).await;
    // One of its own each time: it must not be in the cache.
    let slow = heavy(REPAIRED, 200 + usize::try_from(std::process::id()).unwrap() % 1000);
    let adding = daemon.offer(&slow);
    tokio::pin!(adding);
    let mut delivered = 0;
    let added = loop {
        tokio::select! {
            answer = &mut adding => break answer.success(),
            version = delivered_by(&daemon) => {
                assert!(version.is_string());
                daemon.api.post("/api/v1/providers/postern.webhook/disable", Value::Null).await;
                daemon.api.post("/api/v1/providers/postern.webhook/enable", Value::Null).await;
                delivered += 1;
            }
        }
    };
    assert_eq!(added["state"], "active");
    assert!(delivered > 3, "{delivered} were delivered meanwhile");
    assert_eq!(kept(&daemon).await, pairs(&[("1.0.1", "in-force"), ("1.0.0", "kept")]));
    in_state(&daemon, PROVIDER, "active").await;
}
