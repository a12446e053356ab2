//! Which daemon is measured, and on what.

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Options of everything that starts the daemon.
#[derive(Debug, Default, Args)]
pub(crate) struct Choice {
    /// The store's engine.
    #[arg(long, value_enum, default_value_t)]
    engine: Engines,
    /// The daemon; `postern` beside this program unless set.
    #[arg(long, value_name = "FILE")]
    daemon: Option<PathBuf>,
    /// The daemon's `[log] level`; `warn` unless set, so that no line is written for a delivery.
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// Each subscription has a secret of its own, which signs its deliveries.
    #[arg(long)]
    signed: bool,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Engines {
    Sled,
    Redb,
    #[default]
    Both,
}

/// The store's engine.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Engine {
    Sled,
    Redb,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        })
    }
}

/// What every daemon is started with.
pub(super) struct Setup {
    /// The program.
    pub(super) program: PathBuf,
    /// Where data directories are made.
    pub(super) directory: PathBuf,
    /// Machine code is kept here, so that only the first start compiles.
    pub(super) compile_cache: TempDir,
    /// `[log] level`.
    pub(super) log: String,
    /// Whether deliveries are signed.
    pub(super) signed: bool,
}

impl Choice {
    /// The engines to measure, one after the other.
    pub(super) fn engines(&self) -> &'static [Engine] {
        match self.engine {
            Engines::Sled => &[Engine::Sled],
            Engines::Redb => &[Engine::Redb],
            Engines::Both => &[Engine::Sled, Engine::Redb],
        }
    }

    /// What the daemons are started with, with data directories in `directory`.
    ///
    /// # Errors
    /// No directory can be made in it.
    pub(super) fn setup(&self, directory: &Path) -> Result<Setup> {
        let program = match &self.daemon {
            Some(program) => program.clone(),
            None => std::env::current_exe()?.with_file_name("postern"),
        };
        Ok(Setup {
            program,
            directory: directory.to_owned(),
            compile_cache: tempfile::Builder::new().prefix("postern-bench-cache-").tempdir_in(directory)?,
            log: self.log.clone().unwrap_or_else(|| "warn".to_owned()),
            signed: self.signed,
        })
    }
}
