//! Files that are no provider for this host.

use super::{assert_detail, everything};
use postern_tests::{Daemon, HOSTILE};
use reqwest::Method;

const PATH: &str = "/api/v1/providers?plugin=test";

/// A component whose text is WAT.
fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// The component with so many of its bytes.
fn cut(bytes: usize) -> Vec<u8> {
    HOSTILE[..bytes].to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_provider_for_this_host_is_refused_with_the_reason() {
    let daemon = Daemon::start().await;
    let before = everything(&daemon).await;
    let exports =
        |version: &str| format!("(component (instance $i) (export \"postern:provider/provider@{version}\" (instance $i)))");
    let importing = r#"(component
        (import "wasi:http/incoming-handler@0.2.0" (instance))
        (import "evil:host/shell" (instance))
        (instance $i) (export "postern:provider/provider@0.1.0" (instance $i)))"#;
    let table: Vec<(Vec<u8>, Vec<&str>)> = vec![
        (b"#!/bin/sh\nrm -rf /\n".to_vec(), vec!["no WebAssembly"]),
        (Vec::new(), vec!["no WebAssembly", "empty"]),
        (b"\0asm\x07\0\0\0".to_vec(), vec!["WebAssembly"]),
        (cut(HOSTILE.len() / 2), vec!["not valid"]),
        (wat("(module (func (export \"run\")))"), vec!["does not export `postern:provider/provider@0.1.0`", "it exports run"]),
        (wat("(component)"), vec!["it exports nothing"]),
        (wat(&exports("9.0.0")), vec!["contract 9.0.0", "this host speaks 0.1.0", "host is too old"]),
        (wat(&exports("0.0.1")), vec!["contract 0.0.1", "this host speaks 0.1.0", "component is too old"]),
        (wat(importing), vec!["wasi:http/incoming-handler@0.2.0", "evil:host/shell"]),
        // Bundled ahead-of-time code would run outside the sandbox; it is no file that is taken.
        ([b"\x7fELF".as_slice(), &[0; 64]].concat(), vec!["no WebAssembly"]),
    ];
    for (bytes, texts) in table {
        let answer = daemon.api.send(Method::POST, PATH, "application/wasm", bytes).await.unwrap();
        assert_detail(&answer.problem(422, "invalid-component"), &texts);
    }
    assert_eq!(everything(&daemon).await, before);
    assert_eq!(std::fs::read_dir(daemon.data().join("components")).unwrap().count(), 0, "no file of it is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_or_imports_of_other_types_than_the_contracts_are_refused() {
    let daemon = Daemon::start().await;
    let before = everything(&daemon).await;
    let exporting = r#"(component
        (core module $m (func (export "f") (result i32) i32.const 1))
        (core instance $c (instantiate $m))
        (func $f (result u32) (canon lift (core func $c "f")))
        (instance $i
            (export "describe" (func $f)) (export "deliver" (func $f)) (export "test-connection" (func $f))
            (export "list-options" (func $f)) (export "migrate-config" (func $f)) (export "reconcile" (func $f)))
        (export "postern:provider/provider@0.1.0" (instance $i)))"#;
    let importing = r#"(component
        (import "postern:provider/log@0.1.0" (instance (export "write" (func (param "line" u64)))))
        (instance $i)
        (export "postern:provider/provider@0.1.0" (instance $i)))"#;
    for text in [exporting, importing] {
        let answer = daemon.api.send(Method::POST, PATH, "application/wasm", wat(text)).await.unwrap();
        assert_detail(&answer.problem(422, "invalid-component"), &["0.1.0"]);
    }
    assert_eq!(everything(&daemon).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_larger_than_its_bound_is_refused_by_the_bounds_name() {
    // The bundled provider that the harness loads must fit too.
    let daemon = Daemon::builder().config("[sandbox]\ncomponent-bytes = 600000").start().await;
    let answer = daemon.api.send(Method::POST, PATH, "application/wasm", vec![0; 600_001]).await.unwrap();
    assert_detail(&answer.problem(422, "invalid-component"), &["at most 600000", "[sandbox] component-bytes"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_must_be_named_and_the_products_own_is_not_for_others() {
    let daemon = Daemon::start().await;
    let table = [
        ("", 400, "bad-query"),
        ("?plugin=", 400, "bad-query"),
        ("?plugin=a.b", 400, "bad-query"),
        ("?plugin=postern", 409, "conflict"),
    ];
    for (query, status, code) in table {
        let path = format!("/api/v1/providers{query}");
        let answer = daemon.api.send(Method::POST, &path, "application/wasm", b"never read".to_vec()).await.unwrap();
        answer.problem(status, code);
    }
    let providers = daemon.api.items("/api/v1/providers").await;
    assert!(providers.iter().all(|provider| provider["bundled"] == true), "{providers:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_in_use_or_came_with_the_program_is_not_removed() {
    let daemon = Daemon::start().await;
    daemon.register_incidents().await;
    daemon.add_hostile().await;
    let subscription = daemon.subscribe_hostile(serde_json::json!({ "behaviour": "ok" })).await;
    let remove =
        async |id: &str| daemon.api.call(Method::DELETE, &format!("/api/v1/providers/{id}"), serde_json::Value::Null).await;
    assert_detail(&remove("test.hostile").await.problem(409, "conflict"), &["used by 1 subscription"]);
    assert_detail(&remove("postern.webhook").await.problem(409, "conflict"), &["comes with the program"]);
    daemon.api.delete(&format!("/api/v1/subscriptions/{subscription}")).await;
    assert_eq!(remove("test.hostile").await.status, 204);
    remove("test.hostile").await.problem(404, "not-found");
}
