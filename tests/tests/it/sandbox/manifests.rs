//! Manifests that lie.

use super::raw::Raw;
use super::{QUICK, Scene};
use postern_tests::platform::id;
use postern_tests::wait::until;
use postern_tests::{EXPLORER, HOSTILE};
use serde_json::{Value, json};
use std::fs;

/// Replaces letters at the description's beginning by random ones: those bits of eight bytes vary.
fn fickle(bits: &str) -> Raw {
    let mut raw = Raw {
        id: "fickle",
        description: "Says now this and then that".into(),
        imports: r#"(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))"#,
        ..Raw::default()
    };
    raw.describe = format!(
        "(drop (call $random (i32.const 600) (i32.const 8)))
        (i64.store (i32.const {at})
            (i64.or (i64.const 0x6161616161616161) (i64.and (i64.load (i32.const 600)) (i64.const {bits}))))
        (i32.const 4096)",
        at = raw.description_at(),
    );
    raw
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_differs_from_call_to_call_is_refused() {
    let scene = Scene::new(QUICK).await;
    let refused = scene.offer(fickle("0x0e0e0e0e0e0e0e0e").bytes()).await.problem(422, "invalid-manifest");
    assert!(id(&refused["detail"]).contains("`describe` must answer the same each time"), "{refused:#}");
    scene.neighbour_delivers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_differs_after_a_restart_is_not_put_in_force() {
    let mut scene = Scene::new(QUICK).await;
    let component = fickle("0x02").bytes();
    // It has two faces: sooner or later it shows the same one twice.
    until("two answers that are the same", || async { (scene.offer(component.clone()).await.status == 201).then_some(()) }).await;
    let mut failed = Value::Null;
    for _ in 0..30 {
        scene.daemon.terminate().await;
        scene.daemon.restart().await;
        failed = scene.daemon.api.get("/api/v1/providers/test.fickle").await;
        if failed["state"] == "failed" {
            break;
        }
    }
    assert!(id(&failed["reason"]).contains("`describe` must answer the same each time"), "{failed:#}");
    scene.neighbour_delivers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_was_exchanged_on_the_disk_is_not_put_in_force() {
    let mut scene = Scene::with_hostile(QUICK).await;
    let digest = id(&scene.daemon.api.get("/api/v1/providers/test.hostile").await["digest"]);
    scene.daemon.terminate().await;
    let path = scene.daemon.data().join(format!("components/{digest}.wasm"));
    assert_eq!(fs::read(&path).unwrap(), HOSTILE);
    fs::write(path, EXPLORER).unwrap();
    scene.daemon.restart().await;
    let failed = scene.daemon.api.get("/api/v1/providers/test.hostile").await;
    assert_eq!(failed["state"], "failed", "{failed:#}");
    assert!(id(&failed["reason"]).contains("is not the file that was added"), "{failed:#}");
    scene.neighbour_delivers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ids_of_others_are_out_of_reach() {
    let scene = Scene::new(QUICK).await;
    for name in ["postern.webhook", "../webhook", "", "webhook\u{0}"] {
        let raw = Raw { id: name, ..Raw::default() };
        let refused = scene.offer(raw.bytes()).await.problem(422, "invalid-manifest");
        assert!(id(&refused["detail"]).contains("the manifest's id"), "{refused:#}");
    }
    // The plugin that it is offered for is before it, whatever it calls itself.
    let added = scene.offer(Raw { id: "webhook", ..Raw::default() }.bytes()).await.success();
    assert_eq!(added["id"], "test.webhook");
    scene.neighbour_delivers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capabilities_that_trap_fail_by_themselves() {
    let scene = Scene::new(QUICK).await;
    let liar = Raw { id: "liar", implements: 0b1111, ..Raw::default() };
    scene.offer(liar.bytes()).await.success();
    let path = |what: &str| format!("/api/v1/providers/test.liar/{what}");
    let tested = scene.daemon.api.post(&path("test-connection"), json!({ "config": {} })).await;
    assert!(tested["success"] == false && id(&tested["message"]).contains("crashed"), "{tested:#}");
    let asked = scene.daemon.api.call(reqwest::Method::POST, &path("options"), json!({ "name": "any" })).await;
    assert!(id(&asked.problem(502, "provider-failed")["detail"]).contains("crashed"));
    let delivery = scene.misbehave_by("test.liar", json!({})).await;
    assert_eq!(delivery["status"], "success", "what it does not lie about works: {delivery:#}");
}
