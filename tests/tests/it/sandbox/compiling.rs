//! Files that are small and need hours or gigabytes to compile.

use super::Scene;
use postern_tests::platform::id;

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
