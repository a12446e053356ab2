//! The inner cargo.

use crate::route::Route;
use crate::workspace::Workspace;
use crate::{Guest, TARGET};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Variables that tell cargo where the registry is and how to reach it, and the job server. They stay.
const KEPT: [&str; 6] = ["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR", "CARGO_SOURCE_"];

/// Compiles a guest and returns the module.
pub(crate) fn module(workspace: &Workspace, route: &Route, guest: &Guest) -> Result<Vec<u8>> {
    // The crate type is set here, since a crate that is a plain library too would be built without link-time optimisation.
    let arguments = ["--locked", "--profile", "guest", "--lib", "--crate-type", "cdylib"];
    let mut cargo = cargo(route, "rustc");
    cargo
        .current_dir(&workspace.root)
        .args(arguments)
        .args(["--package", guest.package, "--features", &guest.features.join(","), "--target-dir"])
        .arg(&workspace.target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(&workspace.root, route));
    let status = cargo.status().with_context(|| format!("cannot run {}", route.cargo.display()))?;
    if !status.success() {
        bail!("{} could not be compiled for {TARGET}: {status}", guest.package);
    }
    let file = workspace.target.join(TARGET).join("guest").join(guest.package.replace('-', "_")).with_extension("wasm");
    fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
}

/// A cargo that does this for the target, with nothing of the outer build's.
pub(crate) fn cargo(route: &Route, what: &str) -> Command {
    let mut cargo = Command::new(&route.cargo);
    forget_outer_build(&mut cargo);
    cargo.args([what, "--target", TARGET]).env("RUSTC", &route.rustc);
    if let Some(own_std) = &route.own_std {
        cargo
            .args(["-Z", "build-std=std,panic_abort"])
            // Debian's compiler is a stable one; this lets it build its own standard library.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", &own_std.linker)
            // Set by the outer cargo for the outer compiler's libraries, which this one must not load.
            .env_remove("LD_LIBRARY_PATH");
    }
    cargo
}

/// Takes away what the outer cargo and rustup set, which would change what is built or make it build all anew.
fn forget_outer_build(cargo: &mut Command) {
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let of_cargo = text.starts_with("CARGO") && !KEPT.iter().any(|kept| text.starts_with(kept));
        let of_rustc = ["RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN"].iter().any(|start| text.starts_with(start));
        let of_script = ["OUT_DIR", "TARGET", "HOST", "PROFILE", "OPT_LEVEL", "DEBUG", "NUM_JOBS"].contains(&text);
        if of_cargo || of_rustc || of_script {
            cargo.env_remove(&name);
        }
    }
}

/// Memory that a component has for its heap from the start, in bytes: what most calls need. Memory that grows in a call has to be
/// taken back after it, by a change of the process's mappings that interrupts all other processors.
const INITIAL_HEAP: u32 = 256 << 10;

/// Panic messages name source files. Shortened, they say the same on every machine, and so the component is the same too.
fn flags(root: &Path, route: &Route) -> String {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let mut flags = vec![format!("--remap-path-prefix={}=", root.display())];
    // An older wasm-ld, as Debian may have it, does not know this.
    if route.own_std.as_ref().is_none_or(|own| own.linker.ends_with("rust-lld")) {
        flags.push(format!("-Clink-arg=--initial-heap={INITIAL_HEAP}"));
    }
    if let Some(home) = home {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    flags.join("\u{1f}")
}
