//! Which compiler can build for the target.
//!
//! Either the compiler in use has the target's standard library, which rustup installs. Or Debian's compiler is there with
//! the source of its own standard library, which is then built along. That compiler and that source fit each other; the
//! compiler in use and Debian's source would not.

use crate::TARGET;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Where Debian puts its programs.
const DEBIAN: &str = "/usr/bin";

/// What to do where there is no way.
const ADVICE: &str = "Providers are compiled to WebAssembly, and no compiler here can do it. Either of these helps:
  rustup target add wasm32-unknown-unknown
  apt-get install --no-install-recommends rustc-web cargo-web rust-web-src   (Debian, as root)";

/// A way to build for the target.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
    /// Set where the standard library must be built too.
    pub(crate) own_std: Option<OwnStd>,
}

/// What else is needed to build the standard library.
#[derive(Debug)]
pub(crate) struct OwnStd {
    /// The linker for WebAssembly, which Debian's compiler does not bring.
    pub(crate) linker: PathBuf,
}

pub(crate) fn find() -> Result<Route> {
    let rustc = env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    let sysroot = ask(&rustc, &["--print", "sysroot"])?;
    if has_std(&ask(&rustc, &["--print", "target-libdir", "--target", TARGET])?) {
        // Past rustup's proxies, which would choose a toolchain once more.
        let real = sysroot.join("bin/rustc");
        let cargo = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        return Ok(Route { cargo, rustc: if real.is_file() { real } else { rustc }, own_std: None });
    }
    debian(Path::new(DEBIAN), &sysroot).context(ADVICE)
}

fn debian(programs: &Path, sysroot: &Path) -> Result<Route> {
    let (cargo, rustc) = (programs.join("cargo"), programs.join("rustc"));
    if !cargo.is_file() || !rustc.is_file() {
        bail!(
            "the compiler in use has no standard library for {TARGET}, and there is no rustc with a cargo in {}",
            programs.display()
        );
    }
    let version = ask(&rustc, &["--version"])?;
    let wanted = minor(concat!("rustc ", env!("CARGO_PKG_RUST_VERSION")));
    if minor(&version.to_string_lossy()) < wanted {
        bail!("{} is too old: {}", rustc.display(), version.display());
    }
    let own = ask(&rustc, &["--print", "sysroot"])?;
    let source = own.join("lib/rustlib/src/rust/library/std");
    if !source.is_dir() {
        bail!("the source of the standard library is not in {}", source.display());
    }
    let linker = linker(programs, &[sysroot, &own]).with_context(|| {
        format!("no linker for WebAssembly: neither rust-lld below {} nor wasm-ld in {}", sysroot.display(), programs.display())
    })?;
    Ok(Route { cargo, rustc, own_std: Some(OwnStd { linker }) })
}

/// rustup's toolchains bring `rust-lld`; Debian's package `lld` has `wasm-ld`, perhaps with a version behind it.
fn linker(programs: &Path, sysroots: &[&Path]) -> Option<PathBuf> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let bundled = sysroots
        .iter()
        .flat_map(|sysroot| entries(&sysroot.join("lib/rustlib")))
        .map(|target| target.join("bin/rust-lld"))
        .find(|path| path.is_file());
    bundled.or_else(|| {
        entries(programs).filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("wasm-ld"))).max()
    })
}

fn has_std(folder: &Path) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("rustc 1.")?.split('.').next()?.parse().ok()
}

/// The one line that a compiler answers with.
fn ask(rustc: &Path, arguments: &[&str]) -> Result<PathBuf> {
    let output = Command::new(rustc).args(arguments).output().with_context(|| format!("cannot run {}", rustc.display()))?;
    if !output.status.success() {
        bail!("{} {}: {}", rustc.display(), arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

#[cfg(test)]
mod tests {
    use super::{ADVICE, debian, has_std, linker, minor};
    use crate::TARGET;
    use std::path::Path;
    use std::{env, fs};

    #[test]
    fn where_nothing_can_build_the_reason_is_said_and_both_ways_out() {
        let error = debian(Path::new("/nonexistent"), Path::new("/nonexistent")).unwrap_err();
        assert!(error.to_string().contains(TARGET), "{error}");
        assert!(ADVICE.contains(&format!("rustup target add {TARGET}")) && ADVICE.contains("apt-get install"));
    }

    #[test]
    fn the_standard_library_and_the_linker_are_found_by_their_files() {
        let folder = env::temp_dir().join(format!("postern-guest-builder-{}", std::process::id()));
        let tools = folder.join("lib/rustlib/some-host/bin");
        fs::create_dir_all(&tools).unwrap();
        assert!(!has_std(&folder) && linker(&folder, &[&folder]).is_none());
        for file in [folder.join("libstd-0123.rlib"), folder.join("wasm-ld-19")] {
            fs::write(file, "").unwrap();
        }
        assert!(has_std(&folder));
        assert_eq!(linker(&folder, &[&folder]), Some(folder.join("wasm-ld-19")));
        fs::write(tools.join("rust-lld"), "").unwrap();
        assert_eq!(linker(&folder, &[&folder]), Some(tools.join("rust-lld")));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn versions_are_compared_by_their_second_number() {
        assert_eq!(minor("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)"), Some(96));
        assert_eq!(minor("rustc 1.95"), Some(95));
        assert!(minor("rustc 1.63.0") < minor("rustc 1.95"));
        assert!(minor("something else") < minor("rustc 1.95"));
    }
}
