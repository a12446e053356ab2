//! `postern provider new`.

use crate::output::{Format, print};
use anyhow::Result;
use clap::{Args, ValueEnum};
use postern_author::project::{self, Language};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct New {
    /// The provider's id: letters, digits and hyphens. A folder of this name is made.
    name: String,
    /// The language.
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    lang: Lang,
    /// Where the folder is made. Default: here.
    #[arg(long = "in", value_name = "DIRECTORY", default_value = ".")]
    parent: PathBuf,
    #[command(flatten)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Lang {
    Rust,
    Typescript,
    Python,
    Go,
    C,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Rust => Self::Rust,
            Lang::Typescript => Self::TypeScript,
            Lang::Python => Self::Python,
            Lang::Go => Self::Go,
            Lang::C => Self::C,
        }
    }
}

pub(crate) fn run(new: &New) -> Result<()> {
    let made = project::create(&new.parent, &new.name, new.lang.into())?;
    let project::Project { directory, test, build, component } = &made;
    if new.format.is_json() {
        let value = json!({ "directory": directory, "test": test, "build": build, "component": component });
        return print(&serde_json::to_string_pretty(&value)?);
    }
    let file = component.display();
    print(&format!(
        "made {}

  cd {}
  {test}
  {build}
  postern provider check {file}
  postern provider test {file} --script conformance.yaml --conformance
  postern provider add {file} --plugin acme

The build needs Rust's target for WebAssembly, once: rustup target add wasm32-unknown-unknown",
        directory.display(),
        directory.display(),
    ))
}
