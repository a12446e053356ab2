//! Core modules are made components: with types of their own or without, and with WASI preview 1.

use postern_runtime::{LoadError, Options, Runtime};

/// A module that exports the contract by its names alone. Each function traps.
fn module(imports: &str) -> Vec<u8> {
    let prefix = "postern:provider/provider@0.1.0#";
    let text = format!(
        r#"(module
            {imports}
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func (export "{prefix}describe") (result i32) unreachable)
            (func (export "{prefix}deliver") (param i32) (result i32) unreachable)
            (func (export "{prefix}test-connection") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
            (func (export "{prefix}list-options")
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
            (func (export "{prefix}migrate-config") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "{prefix}reconcile") (param i32) (result i32) unreachable))"#
    );
    wat::parse_str(text).expect("the module is well-formed")
}

const PREVIEW_1: &str = r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))"#;

fn runtime() -> Runtime {
    Runtime::start(Options { cache: None, cache_bytes: 0, limits: postern_runtime::Limits::default(), concurrency: 4 })
        .expect("the engine starts")
}

#[tokio::test]
async fn a_core_module_without_types_of_its_own_is_loaded_and_called() {
    for imports in ["", PREVIEW_1] {
        let component = runtime().load(module(imports)).await.expect("it loads");
        assert_eq!(component.contract().to_string(), "0.1.0");
        let error = component.describe().await.result.expect_err("it traps");
        assert!(error.to_string().contains("unreachable"), "{error}");
    }
}

#[tokio::test]
async fn a_core_module_that_lacks_an_export_or_imports_more_is_refused() {
    let text = r#"(module
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
        (func (export "postern:provider/provider@0.1.0#describe") (result i32) unreachable))"#;
    let lacking = runtime().load(wat::parse_str(text).expect("the module is well-formed")).await;
    assert!(matches!(&lacking, Err(LoadError::Invalid(message)) if message.contains("deliver")), "{lacking:?}");
    let more = runtime().load(module(r#"(import "env" "system" (func (param i32) (result i32)))"#)).await;
    assert!(matches!(&more, Err(LoadError::Invalid(message)) if message.contains("env")), "{more:?}");
}
