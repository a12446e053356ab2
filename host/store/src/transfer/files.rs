//! What lies beside the store in the data directory and belongs to it: the vault, and the components of providers.

use crate::{disk, vault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder in the data directory that holds the components of added providers, each as `{SHA-256 in hex}.wasm`.
pub const COMPONENTS: &str = "components";

/// The largest component that is exported: its line must not be longer than an import reads.
const LONGEST_COMPONENT: u64 = 128 << 20;

/// What was found of a file, as a line holds it.
pub(super) enum Found {
    Sound(String),
    Nothing,
    Damaged(String),
}

/// Why a line's content was not written.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// It is not what it should be.
    Content(String),
    Disk(io::Error),
}

/// Reads the vault.
pub(super) fn vault(directory: &Path) -> io::Result<Found> {
    let Some(bytes) = read(&vault::file(directory))? else { return Ok(Found::Nothing) };
    Ok(match (vault::check_file(&bytes), String::from_utf8(bytes)) {
        (Ok(()), Ok(text)) => Found::Sound(text),
        (Err(reason), _) => Found::Damaged(reason),
        (_, Err(error)) => Found::Damaged(error.to_string()),
    })
}

/// The digests of the components in a data directory, in order.
///
/// # Errors
/// The folder cannot be read. That there is none is no error.
pub fn components(directory: &Path) -> io::Result<Vec<String>> {
    let folder = directory.join(COMPONENTS);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(disk::context("read", &folder, &error)),
    };
    let mut digests = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let digest = name.to_str().and_then(|name| name.strip_suffix(".wasm")).filter(|digest| is_digest(digest));
        digests.extend(digest.map(str::to_owned));
    }
    digests.sort();
    Ok(digests)
}

/// What is wrong with a component in a data directory; none if it is what its name says.
///
/// # Errors
/// It cannot be read.
pub fn component_problem(directory: &Path, digest: &str) -> io::Result<Option<String>> {
    Ok(match component(directory, digest)? {
        Found::Sound(_) => None,
        Found::Nothing => Some("it is gone".into()),
        Found::Damaged(reason) => Some(reason),
    })
}

/// Reads a component.
pub(super) fn component(directory: &Path, digest: &str) -> io::Result<Found> {
    let path = component_path(directory, digest);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.len() > LONGEST_COMPONENT => {
            return Ok(Found::Damaged(format!("it is larger than {LONGEST_COMPONENT} bytes")));
        }
        _ => {}
    }
    let Some(bytes) = read(&path)? else { return Ok(Found::Nothing) };
    if self::digest(&bytes) != digest {
        return Ok(Found::Damaged("its content is not the one that its name tells".into()));
    }
    Ok(Found::Sound(STANDARD.encode(bytes)))
}

/// What an import wrote beside the store.
pub(super) struct Files {
    directory: PathBuf,
    written: Vec<PathBuf>,
}

impl Files {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), written: Vec::new() }
    }

    pub(super) fn write_vault(&mut self, content: &str) -> Result<(), Unwritten> {
        vault::check_file(content.as_bytes()).map_err(|reason| Unwritten::Content(format!("it is no vault: {reason}")))?;
        self.write(vault::file(&self.directory), content.as_bytes())
    }

    pub(super) fn write_component(&mut self, digest: &str, content: &str) -> Result<(), Unwritten> {
        // It becomes a file's name.
        if !is_digest(digest) {
            return Err(Unwritten::Content("its digest is not 64 hexadecimal digits in lower case".into()));
        }
        let bytes = STANDARD.decode(content).map_err(|error| Unwritten::Content(format!("its content: {error}")))?;
        if self::digest(&bytes) != digest {
            return Err(Unwritten::Content("its content does not have the digest".into()));
        }
        let path = component_path(&self.directory, digest);
        if path.exists() {
            return Ok(());
        }
        let folder = self.directory.join(COMPONENTS);
        if !folder.is_dir() {
            disk::create_directory(&folder).map_err(Unwritten::Disk)?;
            self.written.push(folder);
        }
        self.write(path, &bytes)
    }

    fn write(&mut self, path: PathBuf, content: &[u8]) -> Result<(), Unwritten> {
        disk::replace_file(&path, content).map_err(Unwritten::Disk)?;
        self.written.push(path);
        Ok(())
    }

    /// Removes what was written, as far as it can be removed.
    pub(super) fn undo(&mut self) {
        while let Some(path) = self.written.pop() {
            let removed = if path.is_dir() { fs::remove_dir(&path) } else { fs::remove_file(&path) };
            if let Err(error) = removed {
                tracing::error!(path = %path.display(), %error, "a file of an import that was given up cannot be removed");
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(disk::context("read", path, &error)),
    }
}

fn component_path(directory: &Path, digest: &str) -> PathBuf {
    directory.join(COMPONENTS).join(format!("{digest}.wasm"))
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
