//! Files that are small and need hours or gigabytes to compile, and the processes that compile.

use super::Scene;
use postern_tests::builds::variant;
use postern_tests::platform::id;
use postern_tests::wait::until;
use postern_tests::{HOSTILE, signal};
use std::future::ready;
use std::time::SystemTime;

/// A build that no cache knows.
fn unknown() -> Vec<u8> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    variant(HOSTILE, now.subsec_nanos())
}

/// Twenty-odd lines that stand for a thousand million instances: each component is made of two of the one before.
fn doubling() -> Vec<u8> {
    let mut text = "(component (component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for number in 1..30 {
        let before = number - 1;
        text += &format!("(component $c{number} (instance (instantiate $c{before})) (instance (instantiate $c{before})))");
    }
    text += "(instance (instantiate $c29)) (instance $i) (export \"postern:provider/provider@0.1.0\" (instance $i)))";
    let bytes = wat::parse_str(text).unwrap();
    assert!(bytes.len() < 4_000, "{} bytes", bytes.len());
    bytes
}

async fn refused(config: &str, text: &str) {
    let scene = Scene::new(&format!("[sandbox]\n{config}")).await;
    let neighbours = async {
        for _ in 0..10 {
            scene.neighbour_delivers().await;
        }
    };
    let (answer, ()) = tokio::join!(scene.offer(doubling()), neighbours);
    let problem = answer.problem(422, "invalid-component");
    assert!(id(&problem["detail"]).contains(text), "`{text}` is not in: {problem:#}");
    // Whoever comes next finds the compiler free.
    scene.daemon.add_hostile().await;
    scene.neighbour_delivers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_takes_too_long_ends_with_the_limits_name() {
    refused("compile-seconds = 1", "processor time to compile it, at most 1 s ([sandbox] compile-seconds)").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_takes_too_much_memory_ends_with_the_limits_name() {
    refused("compile-memory-bytes = 134217728", "memory to compile it, at most 128 MiB ([sandbox] compile-memory-bytes)").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_wants_more_than_any_instance_may_have_is_refused_before_it_is_compiled() {
    let scene = Scene::new("").await;
    let table = [
        ("(table 4000000000 funcref)".to_owned(), "the size of a table, at most 65536 ([sandbox] table-elements)"),
        ("(memory 65536)".repeat(5), "memories, at most 4 ([sandbox] memories)"),
        ("(memory 1 1 shared)".to_owned(), "threads"),
    ];
    for (text, told) in table {
        let text =
            format!("(component (core module {text}) (instance $i) (export \"postern:provider/provider@0.1.0\" (instance $i)))");
        let problem = scene.offer(wat::parse_str(text).unwrap()).await.problem(422, "invalid-component");
        assert!(id(&problem["detail"]).contains(told), "`{told}` is not in: {problem:#}");
    }
    scene.neighbour_delivers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_compiles_one_after_the_other_is_replaced_when_it_ends_and_ends_with_the_daemon() {
    let mut scene = Scene::new("").await;
    scene.offer(unknown()).await.success();
    let first = scene.daemon.compilers();
    assert!(!first.is_empty(), "it stays when it is done");
    scene.offer(unknown()).await.success();
    let second = scene.daemon.compilers();
    assert!(second.is_subset(&first), "{second:?} are not of {first:?}");

    second.iter().for_each(|process| signal("KILL", *process));
    until("them to end", || ready(scene.daemon.compilers().is_disjoint(&second).then_some(()))).await;
    scene.offer(unknown()).await.success();
    let third = scene.daemon.compilers();
    assert!(!third.is_empty() && third.is_disjoint(&second), "{third:?} are others than {second:?}");
    scene.neighbour_delivers().await;

    scene.daemon.kill_9();
    // A process that ended and that nobody waits for has no command line any more.
    let runs = |process: &u32| std::fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty());
    until("them to end with it", || ready((!third.iter().any(runs)).then_some(()))).await;
}
