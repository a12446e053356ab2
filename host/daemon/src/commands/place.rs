//! Which configuration and which data directory a command works on.

use crate::config::Config;
use anyhow::Result;
use clap::Args;
use postern_store::vault::Location;
use std::path::PathBuf;

/// Which configuration and which data directory.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The configuration file.
    #[arg(long, value_name = "FILE", env = "POSTERN_CONFIG")]
    config: Option<PathBuf>,
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Place {
    /// The configuration that is in force.
    pub(crate) fn load(&self) -> Result<Config> {
        let mut config = Config::load(self.config.as_deref(), std::env::vars())?;
        if let Some(directory) = &self.data {
            config.store.directory.clone_from(directory);
        }
        Ok(config)
    }
}

/// Where the vault and its master key are.
pub(crate) fn vault(config: &Config) -> Location {
    let key_file = config.path(&config.secrets.master_key_file, "master-key");
    Location::new(&config.store.directory, &key_file, std::env::var("POSTERN_MASTER_KEY").ok())
}
