//! What a component finds that looks around through WASI: nothing.

use super::{QUICK, Scene, assert_failed, log};
use postern_tests::{EXPLORER, Receiver};
use serde_json::json;

const PROVIDER: &str = "test.explorer";

async fn with_explorer(config: &str) -> Scene {
    let scene = Scene::new(config).await;
    scene.daemon.add_provider(PROVIDER, EXPLORER).await;
    scene
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_no_files_no_environment_and_no_input() {
    let scene = with_explorer(QUICK).await;
    let delivery = scene.misbehave_by(PROVIDER, json!({ "behaviour": "surroundings" })).await;
    let nothing = r#"arguments [], environment [], directory None, preopened 0, input Err("#;
    assert_failed(&delivery, "provider", &[nothing, "terminal false"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_no_sockets_and_no_names() {
    let scene = with_explorer(&format!("{QUICK}\n[egress]\nallow = [\"127.0.0.1/32\"]")).await;
    let receiver = Receiver::start().await;
    let delivery = scene.misbehave_by(PROVIDER, json!({ "behaviour": "sockets", "port": receiver.port() })).await;
    let refused = ["connecting access-denied", "listening access-denied", "a datagram access-denied"];
    assert_failed(&delivery, "provider", &refused);
    let error = delivery["error"].as_str().unwrap();
    assert!(!error.contains("worked"), "{error}");
    assert!(receiver.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_language_writes_before_it_traps_is_the_reason() {
    let scene = with_explorer(QUICK).await;
    let delivery = scene.misbehave_by(PROVIDER, json!({ "behaviour": "last-words" })).await;
    assert_failed(&delivery, "trap", &["the provider crashed: panic: it had to come to this"]);
    let log = log(&delivery);
    assert!(log.contains("goroutine 1 [running]:\nmain.deliver()"), "the whole report is in the log: {log}");
    assert!(log.contains("backtrace:\n") && log.contains("postern_fixture_explorer::ends::last_words"), "{log}");

    let delivery = scene.misbehave_by(PROVIDER, json!({ "behaviour": "mutter" })).await;
    assert_failed(&delivery, "trap", &["the provider crashed: and out"]);
    let delivery = scene.misbehave_by(PROVIDER, json!({ "behaviour": "exit" })).await;
    assert_failed(&delivery, "trap", &["the provider crashed: it exited with 1 instead of answering"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_host_would_do_for_it_is_bounded_too() {
    let scene = with_explorer("[delivery]\nretry = []\n[sandbox]\ncall-milliseconds = 500").await;
    let delivery = scene.misbehave_by(PROVIDER, json!({ "behaviour": "randomness" })).await;
    assert_failed(&delivery, "limit", &["at most 2 MiB", "[sandbox] host-call-bytes"]);
    let delivery = scene.misbehave_by(PROVIDER, json!({ "behaviour": "sleep" })).await;
    assert_failed(&delivery, "deadline", &["within 500ms", "[sandbox] call-milliseconds"]);
}
