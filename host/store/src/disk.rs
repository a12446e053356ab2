//! What the standard library leaves out when files must survive a loss of power: names are durable only once their
//! directory is synced.

use std::any::Any;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Adds to an error what was done to which path.
pub(crate) fn context(doing: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {doing} {}: {error}", path.display()))
}

/// Makes a directory, readable to its owner only, and those above it; syncs what it made into their parents.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_directory(parent)?;
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(context("create the directory", path, &error)),
        Ok(()) => {}
    }
    sync_directory(parent)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    // Other systems cannot open a directory as a file, and need not.
    if cfg!(unix) {
        File::open(path).and_then(|directory| directory.sync_all()).map_err(|error| context("sync", path, &error))?;
    }
    Ok(())
}

/// Opens an existing file so that it can be synced.
pub(crate) fn open_for_sync(path: &Path) -> io::Result<File> {
    // Read access is enough for an fsync on Unix; Windows wants write access.
    OpenOptions::new().read(true).write(cfg!(windows)).open(path)
}

/// Writes over a part of a file.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_all_at(file, bytes, offset);
    #[cfg(not(unix))]
    {
        use std::io::{Seek, SeekFrom};
        let mut file = file;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }
}

/// Asks the file system to finish each write to this file, or to files made in this directory from now on, before it
/// returns (`FS_SYNC_FL`, what `chattr +S` sets). Answers whether it knows such a thing; not all do.
pub(crate) fn write_through(path: &Path) -> bool {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    let set = || -> io::Result<()> {
        let file = File::open(path)?;
        let flags = ioctl_getflags(&file)?;
        Ok(ioctl_setflags(&file, flags | IFlags::SYNC)?)
    };
    set().is_ok()
}

/// Puts a whole file in place of the one with this name, or makes it: nobody ever sees, or finds after a crash, a part.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_file_of(path, content, None)
}

/// Likewise, and the file belongs to the user to whom `like` belongs: root may do what a daemon without its rights reads.
pub(crate) fn replace_file_of(path: &Path, content: &[u8], like: Option<&Metadata>) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let temporary = path.with_extension("new");
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&temporary)?;
        if let Some(like) = like {
            take_owner(&file, like)?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| context("write", path, &error))?;
    sync_directory(parent)
}

/// Gives a file to the user and the group to whom another one belongs.
pub(crate) fn take_owner(file: &File, like: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
            let (user, group) = (like.uid(), like.gid());
            fchown(file, Some(user), Some(group)).map_err(|error| {
                let text = format!("the file belongs to user {user}, group {group}, and cannot be given to them: {error}");
                io::Error::new(error.kind(), format!("{text}; run this as that user, or as root"))
            })?;
        }
    }
    #[cfg(not(unix))]
    let _ = (file, like);
    Ok(())
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}
