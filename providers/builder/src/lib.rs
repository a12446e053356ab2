//! Builds providers to WebAssembly components from a build script.
//!
//! A provider is an ordinary crate of this workspace. [`build`] compiles it for `wasm32-unknown-unknown` with a cargo of its
//! own, makes a component of it, and puts that into the build script's `OUT_DIR`, where `include_bytes!` finds it.
//!
//! Invariants:
//! - The inner cargo has its own target directory, `guest` in the outer one, so it never waits for a lock that the outer
//!   cargo holds.
//! - Nothing of the outer build's environment reaches it but where the registry is, and the job server, so that both
//!   together use no more cores than were asked for.
//! - Nothing is installed. What is missing is said, with the commands that mend it; `prepare.sh` runs them.
//! - What did not change costs nothing: cargo runs the build script again only for the contract, the SDK, the guests, and
//!   the workspace's own manifest and lock, which hold their profile and the versions of what they use.
//!
//! | module | does |
//! |---|---|
//! | `workspace` | finds the folders and says what the outer cargo should watch |
//! | `route` | finds out which compiler can do it |
//! | `compile` | runs the inner cargo |
//! | `component` | makes a component of a module |

mod compile;
mod component;
mod route;
mod workspace;

pub use anyhow::Result;

use anyhow::Context;
use std::fs;
use std::path::PathBuf;

/// The target that guests are compiled for.
const TARGET: &str = "wasm32-unknown-unknown";

/// A guest crate of this workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The package's name: `postern-provider-webhook`.
    pub package: &'static str,
    /// Its folder in the workspace: `providers/webhook`.
    pub folder: &'static str,
    /// The features to build it with. Their names stand behind the package's in the component's file name.
    pub features: &'static [&'static str],
}

/// `cargo build --target …` by whichever compiler for the target is there, for a project anywhere; what else it is to do is for the
/// caller to add.
///
/// # Errors
/// No compiler for the target is there, with what to install.
pub fn cargo_build() -> Result<std::process::Command> {
    Ok(compile::cargo(&route::find()?, "build"))
}

/// Builds guests and returns the components' paths, in the same order: `OUT_DIR/{package}[-{feature}…].wasm`.
///
/// To be called from a build script, once.
///
/// # Errors
/// When no compiler for the target is there, with what to install; when a guest does not compile, with the compiler's
/// messages; when it is no provider.
pub fn build(guests: &[Guest]) -> Result<Vec<PathBuf>> {
    let workspace = workspace::Workspace::of_build_script()?;
    workspace.watch(guests)?;
    let route = route::find()?;
    guests
        .iter()
        .map(|guest| {
            let module = compile::module(&workspace, &route, guest)?;
            let component = component::from_module(&module).with_context(|| format!("{} is no provider", guest.package))?;
            let name = [&[guest.package], guest.features].concat().join("-");
            let path = workspace.out.join(name).with_extension("wasm");
            fs::write(&path, component).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path)
        })
        .collect()
}
