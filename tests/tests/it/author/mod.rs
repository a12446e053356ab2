//! What authors of providers use: the commands that need no daemon.

mod checked;
mod conforming;
mod project;
mod tried;

use postern_tests::daemon::{Printed, run};
use postern_tests::launch::{compile_cache, postern};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A folder with files to give to commands.
pub(crate) struct Desk(TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a file and answers with its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Runs `postern provider …`, without a daemon.
pub(crate) async fn provider(arguments: &[&str]) -> Printed {
    let mut command = postern();
    command.arg("provider").args(arguments);
    if arguments[0] != "new" {
        command.arg("--cache").arg(compile_cache());
    }
    run(command).await
}

/// What it prints with `--json`, however it ends.
pub(crate) async fn json_of(arguments: &[&str]) -> (Value, Printed) {
    let printed = provider(&[arguments, &["--json"]].concat()).await;
    let value = serde_json::from_str(&printed.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {printed:?}"));
    (value, printed)
}

/// What it prints when all is well.
pub(crate) async fn well(arguments: &[&str]) -> String {
    let printed = provider(arguments).await;
    assert!(printed.success && printed.stderr.is_empty(), "postern provider {}: {printed:?}", arguments.join(" "));
    printed.stdout
}
