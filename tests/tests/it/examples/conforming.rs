//! The standard test for providers holds beyond Rust.

use super::{EXAMPLES, Scene, built};
use crate::author::{Desk, provider};
use std::path::Path;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_conforms() {
    // Compiled once, they are in the cache.
    drop(Scene::new().await);
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../providers/examples");
    for (path, _) in EXAMPLES {
        let Some(component) = built(path) else { continue };
        let desk = Desk::new();
        let file = desk.file("example.wasm", component);
        let script = folders.join(path).with_file_name("conformance.yaml").display().to_string();
        let printed = provider(&["test", &file, "--script", &script, "--conformance"]).await;
        assert!(
            printed.success && printed.stdout.trim_end().ends_with("conforms"),
            "{path}\n{}{}",
            printed.stdout,
            printed.stderr
        );
    }
}
