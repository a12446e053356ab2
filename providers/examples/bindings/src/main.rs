//! `wit-bindgen c` and `wit-bindgen go`, as the program of this name has them, from the same libraries.
//!
//! Installing that program takes minutes. Here these libraries are built along with the workspace, which has most of what they
//! need anyway, and are bound to the version of `wit-bindgen` that everything else uses.
//!
//! `wit-bindgen go-runtime` copies the module that Go's bindings import, so that building them needs no proxy of modules: the
//! library brings it along.

use anyhow::{Context, Result};
use clap::Parser;
use std::fs;
use std::path::{Path, PathBuf};
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};

#[derive(Debug, Parser)]
#[command(name = "wit-bindgen")]
enum Arguments {
    /// Bindings for C.
    C(Bindings),
    /// Bindings for Go.
    Go(Bindings),
    /// The Go module that Go's bindings import.
    GoRuntime {
        /// Where it goes.
        folder: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Bindings {
    /// The folder with the contract.
    wit: PathBuf,
    /// Which of its worlds.
    #[arg(long, short)]
    world: Option<String>,
    /// Where the bindings go.
    #[arg(long, default_value = ".")]
    out_dir: PathBuf,
}

fn main() -> Result<()> {
    match Arguments::parse() {
        Arguments::C(bindings) => bindings.generate(wit_bindgen_c::Opts::default().build()),
        Arguments::Go(bindings) => bindings.generate(wit_bindgen_go::Opts::default().build()),
        Arguments::GoRuntime { folder } => copy(&go_runtime()?, &folder),
    }
}

impl Bindings {
    fn generate(&self, mut generator: Box<dyn WorldGenerator>) -> Result<()> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(&self.wit)?;
        let world = resolve.select_world(&[package], self.world.as_deref())?;
        let mut files = Files::default();
        generator.generate(&mut resolve, world, &mut files)?;
        for (name, content) in files.iter() {
            write(&self.out_dir.join(name), content)?;
        }
        Ok(())
    }
}

/// Where the library's own copy of the module is: in the sources that cargo built it from.
fn go_runtime() -> Result<PathBuf> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata =
        cargo_metadata::MetadataCommand::new().manifest_path(manifest).other_options(["--locked".to_owned()]).exec()?;
    let library = metadata.packages.iter().find(|package| *package.name == "wit-bindgen-go").context("no wit-bindgen-go")?;
    Ok(library.manifest_path.with_file_name("src/pkg").into_std_path_buf())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            write(&to, &fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder).and_then(|()| fs::write(path, content)).with_context(|| format!("cannot write {}", path.display()))
}
