//! A new provider: a project that builds, with tests that pass.

use crate::Error;
use postern_core::{PluginId, ProviderId};
use std::fs;
use std::path::{Path, PathBuf};

/// The languages that there are, or will be, SDKs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of languages")]
pub enum Language {
    Rust,
    TypeScript,
    Python,
    Go,
    C,
}

/// A project that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Where.
    pub directory: PathBuf,
    /// The command that tests it, within that directory.
    pub test: String,
    /// The command that builds it, likewise.
    pub build: String,
    /// The component that the build leaves, likewise.
    pub component: PathBuf,
}

/// The SDK, the contract, and where they stand in the folder that a project brings along.
const VENDORED: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/vendored.rs"));

/// The versions of what the SDK uses. Cargo adds the project's own entry.
const LOCK: &str = include_str!(concat!(env!("OUT_DIR"), "/sdk.lock"));

/// A file of the project, from its template.
macro_rules! template {
    ($name:literal) => {
        ($name, include_str!(concat!("../templates/rust/", $name, ".txt")))
    };
}

/// What authors write on.
const RUST: [(&str, &str); 6] = [
    template!(".cargo/config.toml"),
    template!("Cargo.toml"),
    template!("src/lib.rs"),
    template!("setup-guide.md"),
    template!("conformance.yaml"),
    template!("README.md"),
];

/// What builds a project in Rust.
const BUILD: &str = "cargo build --release --target wasm32-unknown-unknown";

/// Makes a project for the provider `name` in a folder of that name.
///
/// # Errors
/// The name is none for a provider, the folder is there already or cannot be made, or there is no SDK for the language yet.
pub fn create(parent: &Path, name: &str, language: Language) -> Result<Project, Error> {
    match language {
        Language::Rust => {}
        Language::TypeScript => return Err(without_sdk("TypeScript", "javascript")),
        Language::Python => return Err(without_sdk("Python", "python")),
        Language::Go => return Err(without_sdk("Go", "go")),
        Language::C => return Err(without_sdk("C", "c")),
    }
    let wrong = |reason: String| Error::Input { origin: format!("`{name}`"), reason };
    let plugin: PluginId = "local".parse().map_err(|error: postern_core::id::ParseIdError| wrong(error.to_string()))?;
    ProviderId::new(&plugin, name).map_err(|error| wrong(error.to_string()))?;
    let component = format!("target/wasm32-unknown-unknown/release/{}_provider.wasm", name.replace('-', "_"));
    let directory = parent.join(name);
    let failed = |file: &Path, error| Error::File { file: file.to_owned(), what: "written", error };
    // One that is there already is not touched.
    fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
    fs::create_dir(&directory).map_err(|error| failed(&directory, error))?;
    let filled = |text: &str| text.replace("@NAME@", name).replace("@BUILD@", BUILD).replace("@COMPONENT@", &component);
    let own = RUST.iter().map(|(file, text)| (directory.join(file), filled(text)));
    let brought = VENDORED.iter().map(|(file, text)| (directory.join("vendor/postern").join(file), (*text).to_owned()));
    let others = [("Cargo.lock", LOCK), (".gitignore", "/target\n")].map(|(file, text)| (directory.join(file), text.to_owned()));
    for (file, text) in own.chain(brought).chain(others) {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        }
        fs::write(&file, text).map_err(|error| failed(&file, error))?;
    }
    Ok(Project { directory, test: "cargo test".into(), build: BUILD.into(), component: component.into() })
}

fn without_sdk(name: &str, folder: &str) -> Error {
    Error::Input {
        origin: format!("--lang {}", name.to_lowercase()),
        reason: format!(
            "there is no SDK for {name} yet, and so no project to begin with; providers/examples/{folder} shows a provider in it, \
             written against the plain bindings of wit/provider.wit, and how it is built"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_all_that_it_needs_and_overwrites_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let made = create(parent.path(), "my-target", Language::Rust).unwrap();
        let read = |file: &str| fs::read_to_string(made.directory.join(file)).unwrap();
        assert!(read("Cargo.toml").contains("name = \"my-target-provider\""));
        assert!(read("src/lib.rs").contains("Manifest::new(\"my-target\""));
        assert!(read("README.md").contains(BUILD) && !read("README.md").contains('@'));
        assert!(read("vendor/postern/wit/provider.wit").contains("package postern:provider@"));
        assert!(read("vendor/postern/sdk/rust/src/lib.rs").contains("//!"));
        let manifest = read("vendor/postern/sdk/rust/Cargo.toml");
        assert!(!manifest.contains("workspace"), "it stands alone: {manifest}");
        assert!(read("Cargo.lock").contains("name = \"wit-bindgen\""));
        assert_eq!(made.component, Path::new("target/wasm32-unknown-unknown/release/my_target_provider.wasm"));

        fs::write(made.directory.join("src/lib.rs"), "mine").unwrap();
        assert!(create(parent.path(), "my-target", Language::Rust).is_err());
        assert_eq!(read("src/lib.rs"), "mine");
    }

    #[test]
    fn what_cannot_be_made_is_told_with_what_can() {
        let parent = tempfile::tempdir().unwrap();
        let told = |name, language| create(parent.path(), name, language).unwrap_err().to_string();
        assert!(told("my.target", Language::Rust).starts_with("`my.target`: "));
        assert!(told("x", Language::Python).contains("providers/examples/python"));
        assert!(fs::read_dir(parent.path()).unwrap().next().is_none(), "nothing was made");
    }
}
