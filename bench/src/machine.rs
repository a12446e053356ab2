//! What the benchmark runs on.

use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;

/// The machine, as far as it explains figures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Machine {
    /// Processors that this process may use.
    pub(crate) cores: usize,
    /// As `/proc/cpuinfo` names it.
    pub(crate) processor: String,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// The type of the file system that holds the data directories: every acknowledgement waits for it.
    pub(crate) file_system: String,
    /// Runnable tasks in the last minute, before the benchmark. Above about 0.2 others work on the machine too.
    pub(crate) load_before: f64,
}

impl Machine {
    /// Reads it. `directory` is where data directories are made.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let file = |path: &str| std::fs::read_to_string(path).with_context(|| format!("{path} cannot be read"));
        let processor = file("/proc/cpuinfo")?
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()))
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            processor,
            kernel: file("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            file_system: file_system(&file("/proc/self/mounts")?, &directory.canonicalize()?),
            load_before: file("/proc/loadavg")?.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default(),
        })
    }
}

/// The type of the innermost mount that holds the path. Of several at one place the last one counts.
fn file_system(mounts: &str, path: &Path) -> String {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (at, kind) = (fields.next()?, fields.next()?);
        path.starts_with(at).then_some((at.len(), kind))
    });
    mounts.max_by_key(|(length, _)| *length).map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::file_system;
    use std::path::Path;

    #[test]
    fn the_innermost_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/x xfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/x/y")), "xfs");
        assert_eq!(file_system(mounts, Path::new("/tmp/xy")), "tmpfs");
        assert_eq!(file_system(mounts, Path::new("/var")), "ext4");
        assert_eq!(file_system("", Path::new("/var")), "unknown");
    }
}
