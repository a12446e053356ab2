//! `postern config`.

use super::serve::Source;
use crate::config::DEFAULTS;
use crate::output::print;
use anyhow::Result;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the configuration that is in force with these flags, this file and this environment.
    Show {
        #[command(flatten)]
        source: Source,
        /// Print every key with its default and its meaning instead.
        #[arg(long)]
        defaults: bool,
    },
}

pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::Show { defaults: true, .. } => print(DEFAULTS.trim_end()),
        // It holds paths of secrets, but no secret.
        Command::Show { source, .. } => print(toml::to_string_pretty(&source.load()?)?.trim_end()),
    }
}
