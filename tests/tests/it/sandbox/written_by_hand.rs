//! Misdeeds that no tool chain compiles: of tables and memories, of the start function, of the canonical ABI's own functions.

use super::raw::Raw;
use super::{QUICK, Scene, assert_failed, log};
use postern_tests::platform::{id, outcome};
use serde_json::{Value, json};

const LOOP: &str = "(loop $on (br $on)) unreachable";

/// A provider's delivery, after it was added under an id of its own.
async fn deliver(scene: &Scene, raw: Raw) -> Value {
    let provider = format!("test.{}", raw.id);
    assert_eq!(scene.offer(raw.bytes()).await.success()["state"], "active");
    scene.misbehave_by(&provider, json!({})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_nothing_wrong_succeeds() {
    let scene = Scene::new(QUICK).await;
    let delivery = deliver(&scene, Raw::default()).await;
    assert_eq!(delivery["status"], "success", "{delivery:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_and_memories_grow_to_their_limits() {
    let scene = Scene::new(QUICK).await;
    let grow = |what: &str| format!("(loop $on (drop ({what})) (br $on)) unreachable");
    let table = Raw {
        id: "table-bomb",
        more: "(table $t 1 funcref)".into(),
        ..Raw::delivering(grow("table.grow $t (ref.null func) (i32.const 1000)"))
    };
    let delivery = deliver(&scene, table).await;
    assert_failed(&delivery, "limit", &["the size of a table, at most 65536", "[sandbox] table-elements"]);
    let memory = Raw { id: "memory-bomb", ..Raw::delivering(grow("memory.grow (i32.const 16)")) };
    let delivery = deliver(&scene, memory).await;
    assert_failed(&delivery, "limit", &["memory, at most 64 MiB", "[sandbox] memory-bytes"]);
    // Each is far below the bound; together they are not.
    let memories = Raw {
        id: "memory-bombs",
        more: "(memory $a 1) (memory $b 1) (memory $c 1)".into(),
        ..Raw::delivering(
            "(drop (memory.grow $a (i32.const 400))) (drop (memory.grow $b (i32.const 400)))
            (drop (memory.grow $c (i32.const 400))) (i32.const 512)",
        )
    };
    let delivery = deliver(&scene, memories).await;
    assert_failed(&delivery, "limit", &["memory, at most 64 MiB", "[sandbox] memory-bytes"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stack_ends_with_its_limits_name() {
    let scene = Scene::new(QUICK).await;
    let recursion = Raw {
        id: "recursion",
        more: "(func $deep (param i32) (result i32) (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))"
            .into(),
        ..Raw::delivering("(call $deep (i32.const 0))")
    };
    let delivery = deliver(&scene, recursion).await;
    assert_failed(&delivery, "limit", &["the depth of the stack, at most 512 KiB", "[sandbox] stack-bytes"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_the_canonical_abi_calls_is_bounded_too() {
    let scene = Scene::new(QUICK).await;
    let table = [
        (Raw { id: "realloc-trap", realloc: "unreachable", ..Raw::default() }, "trap", "unreachable"),
        (Raw { id: "realloc-loop", realloc: LOOP, ..Raw::default() }, "limit", "[sandbox] compute-milliseconds"),
        (Raw { id: "realloc-outside", realloc: "i32.const -16", ..Raw::default() }, "contract", "breaks the contract"),
        (Raw { id: "post-trap", post: "unreachable", ..Raw::default() }, "trap", "unreachable"),
        (Raw { id: "post-loop", post: LOOP, ..Raw::default() }, "limit", "[sandbox] compute-milliseconds"),
        // An answer that is neither of the two that there are, and one that lies outside of the memory.
        (
            Raw { id: "answer-third", ..Raw::delivering("(i32.store8 (i32.const 512) (i32.const 2)) (i32.const 512)") },
            "contract",
            "breaks the contract",
        ),
        (Raw { id: "answer-outside", ..Raw::delivering("i32.const -16") }, "contract", "breaks the contract"),
        (
            // A failure whose message has four gigabytes.
            Raw {
                id: "answer-giant",
                ..Raw::delivering(
                    "(i32.store8 (i32.const 512) (i32.const 1)) (i32.store (i32.const 516) (i32.const 0))
                    (i32.store (i32.const 520) (i32.const -1)) (i32.const 512)",
                )
            },
            "contract",
            "breaks the contract",
        ),
    ];
    for (raw, cause, text) in table {
        let name = raw.id;
        let delivery = deliver(&scene, raw).await;
        assert_eq!(outcome(&delivery)["cause"], cause, "{name}: {delivery:#}");
        assert_failed(&delivery, cause, &[text]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_begins_with_a_trap_or_a_loop_is_refused_when_it_is_offered() {
    let scene = Scene::new(QUICK).await;
    let start = |body: &str| format!("(func $start {body}) (start $start)");
    let table = [
        (Raw { more: start(LOOP), ..Raw::default() }, "computing, at most 2000 ms ([sandbox] compute-milliseconds"),
        (Raw { more: start("unreachable"), ..Raw::default() }, "unreachable"),
        (Raw { more: start("(drop (memory.grow (i32.const 60000)))"), ..Raw::default() }, "([sandbox] memory-bytes"),
        (Raw { describe: LOOP.into(), ..Raw::default() }, "computing, at most 2000 ms ([sandbox] compute-milliseconds"),
        (Raw { describe: "unreachable".into(), ..Raw::default() }, "the provider crashed"),
        (Raw { describe: "i32.const -4".into(), ..Raw::default() }, "breaks the contract"),
    ];
    for (raw, text) in table {
        let (refused, ()) = tokio::join!(scene.offer(raw.bytes()), scene.neighbour_delivers());
        let problem = refused.problem(502, "provider-failed");
        assert!(id(&problem["detail"]).contains(text), "`{text}` is not in: {problem:#}");
    }
    let there = scene.daemon.api.items("/api/v1/providers").await;
    assert!(
        there.iter().all(|provider| id(&provider["id"]).starts_with("postern.")),
        "the bundled ones alone are there: {there:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backtrace_has_the_names_that_the_component_has() {
    let scene = Scene::new(QUICK).await;
    let raw = Raw {
        more: "(func $innermost unreachable) (func $middle (call $innermost))".into(),
        ..Raw::delivering("(call $middle) (i32.const 512)")
    };
    let delivery = deliver(&scene, raw).await;
    assert_failed(&delivery, "trap", &["unreachable"]);
    assert!(log(&delivery).contains("backtrace:\ninnermost\nmiddle\n"), "{}", log(&delivery));
}
