//! What is in watched folders.

use super::look::Stamp;
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How many files are looked at, and folders in a folder, at most.
const MOST: usize = 1000;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// The components.
    pub(super) files: BTreeMap<PathBuf, Stamp>,
    /// The folders that could not be read, and why.
    pub(super) unreadable: BTreeMap<PathBuf, String>,
}

/// Looks at the components in folders, and in the folders in them.
pub(super) fn folders(folders: &[PathBuf]) -> Scanned {
    let mut scanned = Scanned::default();
    for folder in folders {
        let mut files = BTreeMap::new();
        match components(folder, true, &mut files) {
            Ok(()) => scanned.files.append(&mut files),
            Err(error) => drop(scanned.unreadable.insert(folder.clone(), error.to_string())),
        }
    }
    scanned
}

fn components(folder: &Path, and_below: bool, files: &mut BTreeMap<PathBuf, Stamp>) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.take(MOST) {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        // What is a link counts as what it leads to.
        let Some(metadata) = fs::metadata(&path).ok().filter(|_| !hidden) else { continue };
        if metadata.is_dir() && and_below {
            components(&path, false, files)?;
        } else if metadata.is_file() && path.extension().is_some_and(|extension| extension == "wasm") && files.len() < MOST {
            let signature = fs::metadata(signature_of(&path)).ok().filter(Metadata::is_file);
            let signature = signature.map(|found| (found.len(), found.modified().ok()));
            let (length, modified, inode) = (metadata.len(), metadata.modified().ok(), metadata.ino());
            files.insert(path, Stamp { length, modified, inode, signature });
        }
    }
    Ok(())
}

/// Where a file's signature lies: beside it, with `.minisig` behind its name, as minisign writes it.
pub(super) fn signature_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}
