//! Finds and reads the files of a directory.

use super::document::Document;
use super::place::Mistakes;
use super::{toml, yaml};
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many files one command takes: 1,000.
const MOST_FILES: usize = 1000;

/// The largest file: 4 MiB.
const LARGEST_FILE: u64 = 4 << 20;

/// How deep directories are followed; a link that leads back up would never end.
const DEEPEST: usize = 32;

#[derive(Clone, Copy)]
enum Format {
    Yaml,
    Toml,
}

impl Format {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// Reads files, and the files of directories in the order of their names. Hidden ones and those of other kinds are left out.
///
/// # Errors
/// Something is not there, cannot be read, is too large or too much. What is no YAML or TOML is noted as a mistake.
pub(super) fn read(paths: &[PathBuf], mistakes: &mut Mistakes) -> Result<Vec<Document>> {
    let mut files = Vec::new();
    for path in paths {
        find(path, 0, &mut files)?;
    }
    if files.is_empty() {
        let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        bail!("there is no .yaml, .yml or .toml file in {}", names.join(", "));
    }
    let mut documents = Vec::new();
    for (path, format) in files {
        let name: Arc<str> = path.display().to_string().into();
        let text = text(&path)?;
        match format {
            Format::Yaml => documents.extend(yaml::read(&name, &text, mistakes)),
            Format::Toml => documents.extend(toml::read(&name, &text, mistakes)),
        }
    }
    Ok(documents)
}

fn find(path: &Path, depth: usize, files: &mut Vec<(PathBuf, Format)>) -> Result<()> {
    let unreadable = || format!("{} cannot be read", path.display());
    if depth > DEEPEST {
        bail!("{} is more than {DEEPEST} directories deep; does a link lead back up?", path.display());
    }
    if fs::metadata(path).with_context(unreadable)?.is_dir() {
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).with_context(unreadable)? {
            inside.push(entry.with_context(unreadable)?.file_name());
        }
        inside.sort();
        // Editors, version control and mounted volumes keep what is theirs in hidden files.
        for name in inside.iter().filter(|name| !name.to_string_lossy().starts_with('.')) {
            let path = path.join(name);
            if Format::of(&path).is_some() || path.is_dir() {
                find(&path, depth + 1, files)?;
            }
        }
        return Ok(());
    }
    let Some(format) = Format::of(path) else { bail!("{} is no .yaml, .yml or .toml file", path.display()) };
    if files.len() == MOST_FILES {
        bail!("more than {MOST_FILES} files; apply them in several parts");
    }
    files.push((path.to_owned(), format));
    Ok(())
}

fn text(path: &Path) -> Result<String> {
    let unreadable = || format!("{} cannot be read", path.display());
    let mut text = String::new();
    let file = fs::File::open(path).with_context(unreadable)?;
    let read = file.take(LARGEST_FILE + 1).read_to_string(&mut text).with_context(unreadable)?;
    if read as u64 > LARGEST_FILE {
        bail!("{} has more than {LARGEST_FILE} bytes; divide it", path.display());
    }
    Ok(text)
}
