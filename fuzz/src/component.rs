//! Components, as somebody offers them.

use postern_runtime::{Limits, Options, Runtime};
use std::sync::LazyLock;

/// The longest reason that a person is told, in bytes.
const LONGEST_REASON: usize = 16 << 10;

struct Host {
    tokio: tokio::runtime::Runtime,
    runtime: Runtime,
}

static HOST: LazyLock<Host> = LazyLock::new(|| {
    let tokio = tokio::runtime::Builder::new_current_thread().build().expect("an executor");
    let runtime = Runtime::start(Options { cache: None, limits: Limits::default(), concurrency: 1, compiler: None });
    Host { tokio, runtime: runtime.expect("an engine") }
});

/// Loads a component or a core module: reads, validates and compiles it. Nothing of it is run.
pub fn component(data: &[u8]) {
    let loaded = HOST.tokio.block_on(HOST.runtime.load(data.to_vec()));
    if let Err(error) = loaded {
        let reason = error.to_string();
        assert!(!reason.is_empty() && reason.len() <= LONGEST_REASON, "a reason of {} bytes", reason.len());
    }
}
