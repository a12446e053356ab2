//! The same provider in JavaScript, made a component as the examples are (`providers/examples/javascript`), where there is npm.

use anyhow::{Context, Result, bail};
use postern_runtime::contract::WIT;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What it is made of.
const SOURCES: [(&str, &str); 5] = [
    ("package.json", include_str!("../../../providers/examples/javascript/package.json")),
    ("package-lock.json", include_str!("../../../providers/examples/javascript/package-lock.json")),
    ("build.mjs", include_str!("../../../providers/examples/javascript/build.mjs")),
    ("provider.js", include_str!("../../guests/javascript/provider.js")),
    ("wit/provider.wit", WIT),
];

/// The component's file; built unless an earlier run did it. None where there is no npm.
pub(super) fn component() -> Result<Option<PathBuf>> {
    let folder = folder()?;
    let digest = SOURCES.iter().fold(Sha256::new(), |hasher, (_, text)| hasher.chain_update(text)).finalize();
    let digest = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
    let component = folder.join(format!("{digest}.wasm"));
    if component.is_file() {
        return Ok(Some(component));
    }
    if run(Command::new("npm").arg("--version")).is_err() {
        return Ok(None);
    }
    fs::create_dir_all(folder.join("wit")).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, text) in SOURCES {
        fs::write(folder.join(name), text).with_context(|| format!("cannot write to {}", folder.display()))?;
    }
    eprintln!("sandbox: building the provider in JavaScript in {}, once", folder.display());
    run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder))?;
    let unfinished = folder.join("unfinished.wasm");
    // It needs nothing of WASI, and so gets nothing of it.
    run(Command::new("node").args(["build.mjs", "provider.js"]).arg(&unfinished).current_dir(&folder))?;
    fs::rename(unfinished, &component)?;
    Ok(Some(component))
}

/// In the target directory, beside this program's own: what is there is made again when it is gone.
pub(super) fn folder() -> Result<PathBuf> {
    let own = std::env::current_exe().context("a program has a path")?;
    let target = own.ancestors().nth(2).context("this program is in a target directory")?;
    Ok(Path::new(target).join("bench-guests/javascript"))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}
