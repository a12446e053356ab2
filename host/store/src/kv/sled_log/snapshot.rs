//! The snapshot that sled would begin with. It is in a file named `snap.` with the end of what it covers in hexadecimal
//! digits; its last four bytes are a CRC-32 of all but the last twelve.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What sled's newest snapshot is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Snapshot {
    /// There is none.
    None,
    /// It covers the log up to here, in bytes of the log.
    Until(u64),
    /// It cannot be read.
    Damaged(PathBuf),
}

/// Reads the snapshot in this directory.
pub(crate) fn snapshot(directory: &Path) -> io::Result<Snapshot> {
    let mut last: Option<String> = None;
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Snapshot::None),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // One that was being written is removed before an opening.
        if name.starts_with("snap.") && !name.ends_with(".generating") {
            last = last.max(Some(name));
        }
    }
    let Some(name) = last else { return Ok(Snapshot::None) };
    let path = directory.join(&name);
    let bytes = fs::read(&path)?;
    let until = name.strip_prefix("snap.").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    Ok(until.filter(|_| is_sound(&bytes)).map_or(Snapshot::Damaged(path), Snapshot::Until))
}

fn is_sound(bytes: &[u8]) -> bool {
    let Some((rest, checksum)) = bytes.split_last_chunk::<4>() else { return false };
    let content = rest.len().checked_sub(8).and_then(|length| rest.get(..length));
    content.is_some_and(|content| !content.is_empty() && crc32fast::hash(content) == u32::from_le_bytes(*checksum))
}
