//! `postern store import`.

use super::progress::{Progress, Stopped};
use super::{counts, log, open};
use crate::commands::place::{Place, vault};
use crate::config::Config;
use crate::output::Format;
use anyhow::{Context, Result, bail};
use clap::Args;
use postern_store::vault::{VaultError, status};
use postern_store::{Engine, Store};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The export; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    place: Place,
    /// What is to keep the data: sled or redb. Default: as configured.
    #[arg(long, value_name = "ENGINE")]
    engine: Option<Engine>,
    #[command(flatten)]
    format: Format,
}

impl Import {
    pub(super) async fn run(self) -> Result<()> {
        let config = self.place.load()?;
        log(&config)?;
        let engine = self.engine.unwrap_or(config.store.engine);
        let (reader, length) = self.open_file()?;
        let target = Target::prepare(&config)?;
        let store = match open(&config, engine, false).await {
            Ok(store) => Arc::new(store),
            Err(error) => {
                target.clear();
                return Err(error);
            }
        };
        let progress = Progress::of_bytes("importing", length)?;
        let stopped = Stopped::listen()?;
        let work = store.clone();
        let imported = tokio::task::spawn_blocking(move || {
            // A line may be long.
            let mut reader = BufReader::with_capacity(1 << 20, progress.meter(reader, &stopped));
            work.import(&mut reader)
        });
        let imported = imported.await;
        store.close().await;
        drop(store);
        let done = match imported? {
            Ok(done) => done,
            Err(error) => {
                target.clear();
                return Err(error).with_context(|| format!("{} was not imported", self.file.display()));
            }
        };
        let directory = config.store.directory.display();
        let sentence = format!(
            "imported {}\ninto {directory} ({engine}). {}\nServe it with `postern serve --data {directory} --engine {engine}`.",
            counts(&done),
            about_key(&config)?
        );
        self.format.object(&serde_json::to_value(done)?, Some(sentence))
    }

    fn open_file(&self) -> Result<(Box<dyn Read + Send>, Option<u64>)> {
        if self.file == Path::new("-") {
            return Ok((Box::new(io::stdin()), None));
        }
        let cannot = || format!("the export {} cannot be read", self.file.display());
        let file = File::open(&self.file).with_context(cannot)?;
        let length = file.metadata().with_context(cannot)?.len();
        Ok((Box::new(file), Some(length)))
    }
}

/// What is still to do about the master key.
fn about_key(config: &Config) -> Result<String> {
    let status = match status::read(&vault(config)) {
        Ok(status) => status,
        Err(VaultError::NoVault(_)) => return Ok("It has no vault: there were no secrets.".into()),
        Err(error) => return Err(error.into()),
    };
    Ok(match (&status.key, status.stage) {
        (_, Some(_)) => format!("The master key from {} opens its secrets.", status.source),
        (Some(_), None) => format!(
            "The master key from {} does NOT open its secrets: put there the one of the directory that was exported.",
            status.source
        ),
        (None, None) => format!(
            "Its secrets need the master key of the directory that was exported: copy that to {}, or pass it in \
             POSTERN_MASTER_KEY, before you serve it.",
            status.source
        ),
    })
}

/// A data directory that is to be filled.
struct Target {
    directory: PathBuf,
    existed: bool,
    /// What was in it, and may be.
    before: BTreeSet<OsString>,
}

impl Target {
    /// Checks that the directory is empty, or not there. The master key may be there already, and what a file system
    /// of its own begins with.
    fn prepare(config: &Config) -> Result<Self> {
        let directory = config.store.directory.clone();
        let key_file = config.path(&config.secrets.master_key_file, "master-key");
        let names = match names(&directory) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { directory, existed: false, before: BTreeSet::new() });
            }
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", directory.display())),
        };
        if names.contains(&OsString::from("lock")) && is_locked(&directory) {
            return Err(postern_store::Error::Locked(directory).into());
        }
        let may_be = |name: &OsString| name == "lost+found" || directory.join(name) == key_file;
        if let Some(name) = names.iter().find(|name| !may_be(name)) {
            bail!(
                "{} is not empty: it holds `{}`; name a new directory with --data. (If an import was cut off there, remove what it left.)",
                directory.display(),
                name.display()
            );
        }
        Ok(Self { directory, existed: true, before: names })
    }

    /// Removes what came since.
    fn clear(&self) {
        if let Err(error) = self.try_clear()
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(directory = %self.directory.display(), %error, "what the import made cannot be removed");
        }
    }

    fn try_clear(&self) -> io::Result<()> {
        for name in names(&self.directory)?.difference(&self.before) {
            let path = self.directory.join(name);
            if path.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
        }
        if self.existed { Ok(()) } else { fs::remove_dir(&self.directory) }
    }
}

fn names(directory: &Path) -> io::Result<BTreeSet<OsString>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
}

/// Whether a daemon has the directory.
fn is_locked(directory: &Path) -> bool {
    File::open(directory.join("lock")).is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}
