//! Where things are, and what the outer cargo should watch.

use crate::Guest;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What every guest depends on: the contract, the SDK, the profile, and the versions of other crates.
const COMMON: [&str; 5] = ["wit", "sdk/rust/Cargo.toml", "sdk/rust/src", "Cargo.toml", "Cargo.lock"];

/// What in a guest's folder does not become part of it.
const NOT_BUILT: [&str; 5] = ["tests", "benches", "examples", "README.md", "conformance.yaml"];

pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// The inner cargo's target directory.
    pub(crate) target: PathBuf,
    /// The build script's `OUT_DIR`.
    pub(crate) out: PathBuf,
}

impl Workspace {
    /// The workspace of the package whose build script runs.
    pub(crate) fn of_build_script() -> Result<Self> {
        let folder =
            |name| env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} is not set: this is no build script"));
        let (package, out) = (folder("CARGO_MANIFEST_DIR")?, folder("OUT_DIR")?);
        let root = package
            .ancestors()
            .find(|folder| folder.join("Cargo.lock").is_file())
            .with_context(|| format!("no Cargo.lock above {}", package.display()))?
            .to_owned();
        // Only the outermost folder of a target directory has this file, whichever profile and target are built.
        let outer = out
            .ancestors()
            .find(|folder| folder.join("CACHEDIR.TAG").is_file())
            .map_or_else(|| root.join("target"), Path::to_owned);
        Ok(Self { target: outer.join("guest"), root, out })
    }

    /// Tells the outer cargo after which changes to run the build script again.
    pub(crate) fn watch(&self, guests: &[Guest]) -> Result<()> {
        for path in COMMON {
            println!("cargo::rerun-if-changed={}", self.root.join(path).display());
        }
        for guest in guests {
            let folder = self.root.join(guest.folder);
            let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
            for entry in entries {
                let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
                if !NOT_BUILT.iter().any(|name| entry.file_name() == *name) {
                    println!("cargo::rerun-if-changed={}", entry.path().display());
                }
            }
        }
        Ok(())
    }
}
