//! A grant bounds the calls of one provider otherwise than the configuration does.

use super::{QUICK, Scene, assert_failed, log};
use crate::commands::{assert_refused, ok};
use postern_tests::platform::{FIXTURE, id};
use postern_tests::{HOSTILE, Receiver, Reply};
use reqwest::Method;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/providers/test.hostile/grant";
/// The same component as a provider of another plugin.
const TWIN: &str = "twin.hostile";

/// Sets these limits, and no others.
async fn limit(scene: &Scene, limits: Value) {
    let mut grant = scene.daemon.api.get(PATH).await;
    grant["limits"] = limits;
    scene.daemon.api.put(PATH, grant).await;
}

async fn with_twin(config: &str) -> Scene {
    let scene = Scene::with_hostile(config).await;
    let path = "/api/v1/providers?plugin=twin";
    scene.daemon.api.send(Method::POST, path, "application/wasm", HOSTILE.to_vec()).await.expect("an answer").success();
    scene.daemon.api.post(&format!("/api/v1/providers/{TWIN}/approve"), Value::Null).await;
    scene
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_a_grant_holds_for_its_provider_alone_and_is_named() {
    let mut scene = with_twin(QUICK).await;
    limit(&scene, json!({ "memoryBytes": 8 << 20, "computeMilliseconds": 50 })).await;
    let for_it_alone = |key: &str| format!("[sandbox] {key}; for this provider alone: postern provider grant ID --limit {key}=");
    for (behaviour, key, own, configured) in
        [("memory", "memory-bytes", "8 MiB", "64 MiB"), ("loop", "compute-milliseconds", "50 ms", "2000 ms")]
    {
        let place = for_it_alone(key);
        let delivery = scene.misbehave(json!({ "behaviour": behaviour })).await;
        assert_failed(&delivery, "limit", &[&format!("at most {own}"), &place]);
        let delivery = scene.misbehave_by(TWIN, json!({ "behaviour": behaviour })).await;
        assert_failed(&delivery, "limit", &[&format!("at most {configured}"), &place]);
    }
    // It is kept, and gone when it is taken away.
    scene.daemon.terminate().await;
    scene.daemon.restart().await;
    let delivery = scene.misbehave(json!({ "behaviour": "memory" })).await;
    assert_failed(&delivery, "limit", &["at most 8 MiB"]);
    limit(&scene, json!({})).await;
    let delivery = scene.misbehave(json!({ "behaviour": "memory" })).await;
    assert_failed(&delivery, "limit", &["at most 64 MiB"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_may_give_more_than_is_configured() {
    let scene = with_twin("[delivery]\nretry = []\n[sandbox]\nmemory-bytes = 8388608\ncompute-milliseconds = 60000").await;
    limit(&scene, json!({ "memoryBytes": 100 << 20 })).await;
    let delivery = scene.misbehave(json!({ "behaviour": "memory" })).await;
    assert_failed(&delivery, "limit", &["at most 100 MiB"]);
    let delivery = scene.misbehave_by(TWIN, json!({ "behaviour": "memory" })).await;
    assert_failed(&delivery, "limit", &["at most 8 MiB"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_requests_lines_and_messages_are_bounded_likewise() {
    let scene = Scene::with_hostile(QUICK).await;
    let limits =
        json!({ "callMilliseconds": 500, "requestsPerCall": 2, "logLines": 3, "messageBytes": 200, "hostCallBytes": 1 << 19 });
    limit(&scene, limits).await;
    let receiver = Receiver::that(Reply::Hold).await;
    let delivery = scene.misbehave(json!({ "behaviour": "slow-request", "url": receiver.url() })).await;
    assert_eq!(delivery["status"], "failed", "{delivery:#}");
    receiver.release();
    receiver.always(Reply::Status(200));
    let delivery = scene.misbehave(json!({ "behaviour": "many-requests", "url": receiver.url() })).await;
    assert_failed(&delivery, "provider", &["after 2 requests"]);
    let delivery = scene.misbehave(json!({ "behaviour": "giant-error" })).await;
    assert_failed(&delivery, "limit", &["of an answer, at most 512 KiB"]);
    limit(&scene, json!({ "computeMilliseconds": 60_000, "logLines": 3, "messageBytes": 200 })).await;
    let delivery = scene.misbehave(json!({ "behaviour": "log-flood" })).await;
    assert!(log(&delivery).contains("999997 more lines were dropped: at most 3 are kept"), "{delivery:#}");
    let delivery = scene.misbehave(json!({ "behaviour": "giant-error" })).await;
    assert_eq!(delivery["error"].as_str().unwrap().len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_instance_is_made_of_is_bounded_likewise() {
    let scene = Scene::with_hostile(QUICK).await;
    for (name, key, what) in [("instances", "instances", "core instances"), ("tables", "tables", "tables")] {
        limit(&scene, json!({ name: 1 })).await;
        let delivery = scene.misbehave(json!({ "behaviour": "ok" })).await;
        assert_failed(&delivery, "limit", &[&format!("{what}, at most 1 ([sandbox] {key};")]);
    }
    limit(&scene, json!({ "tableElements": 1 })).await;
    let delivery = scene.misbehave(json!({ "behaviour": "ok" })).await;
    assert_failed(&delivery, "limit", &["the size of a table, at most 1 ([sandbox] table-elements;"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_grant_may_set_is_refused_with_the_range_and_changes_nothing() {
    let scene = Scene::with_hostile(QUICK).await;
    let before = scene.daemon.api.get(PATH).await;
    let put = async |limits: Value| {
        let grant = json!({ "hosts": before["hosts"], "limits": limits });
        scene.daemon.api.call(Method::PUT, PATH, grant).await
    };
    let refused = put(json!({ "memoryBytes": 1, "tables": 17, "requestsPerCall": 0 })).await.problem(422, "invalid");
    let errors: Vec<_> =
        refused["errors"].as_array().unwrap().iter().map(|error| (id(&error["path"]), id(&error["message"]))).collect();
    let expected = [
        ("/limits/memoryBytes", "memory-bytes is 1; it must be from 65536 to 4294967296"),
        ("/limits/tables", "tables is 17; it must be from 1 to 16"),
        ("/limits/requestsPerCall", "requests-per-call is 0; it must be from 1 to 1000"),
    ];
    assert_eq!(errors, expected.map(|(path, message)| (path.to_owned(), message.to_owned())));
    put(json!({ "stackBytes": 1 << 20 })).await.problem(422, "invalid");
    assert_eq!(scene.daemon.api.get(PATH).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_sets_limits_and_takes_them_back() {
    let scene = Scene::with_hostile(QUICK).await;
    let grant = ["provider", "grant", FIXTURE];
    let set = ok(&scene.daemon, &[&grant[..], &["--limit", "memory-bytes=8388608", "--limit", "log-lines=3"]].concat()).await;
    assert!(set.contains("its own limits: memoryBytes 8388608, logLines 3"), "{set}");
    assert_eq!(scene.daemon.api.get(PATH).await["limits"], json!({ "memoryBytes": 8 << 20, "logLines": 3 }));
    assert_eq!(ok(&scene.daemon, &grant).await, set, "without options it is shown");
    let back = ok(&scene.daemon, &[&grant[..], &["--limit", "memory-bytes=", "--limit", "log-lines="]].concat()).await;
    assert!(!back.contains("limits"), "{back}");
    for (limit, code, text) in [("memory=1", 1, "memory"), ("tables=17", 1, "from 1 to 16")] {
        let printed = scene.daemon.command(&[&grant[..], &["--limit", limit]].concat()).await;
        assert_eq!(printed.code, Some(code));
        assert_refused(&printed, &[text]);
    }
}
