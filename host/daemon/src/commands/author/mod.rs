//! What authors of providers use, under `postern provider`: no daemon is needed for any of it.

mod new;
mod test;

use super::{compile, provider};
use crate::arguments::Remote;
use crate::config::Config;
use crate::operator;
use crate::output::{Format, print};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use postern_author::{Setup, Tools};
use postern_core::PluginId;
use std::path::{Path, PathBuf};

/// All of `postern provider`.
#[derive(Debug, Subcommand)]
pub(crate) enum Provider {
    #[command(flatten)]
    Here(Command),
    #[command(flatten)]
    OnDaemon(provider::Command),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Begin a provider: a project that builds, with a test that passes.
    New(new::New),
    /// Check a component as a daemon would, and say what its operator would be asked.
    Check {
        /// The component, or a core module built for the contract.
        file: PathBuf,
        #[command(flatten)]
        operator: Operator,
        #[command(flatten)]
        format: Format,
    },
    /// Show what is in a component.
    Inspect {
        /// The component, or a core module built for the contract.
        file: PathBuf,
        #[command(flatten)]
        operator: Operator,
        #[command(flatten)]
        format: Format,
    },
    /// Run a component in the real sandbox and broker, against targets that a script plays.
    Test(Box<test::Test>),
}

/// The operator that is imagined.
#[derive(Debug, Args)]
pub(crate) struct Operator {
    /// The daemon's configuration, a postern.toml, whose bounds and rules hold. Default: what a daemon has without one.
    #[arg(long, value_name = "FILE")]
    daemon: Option<PathBuf>,
    /// The plugin that the provider is added for; its id begins with it.
    #[arg(long, default_value = "local")]
    plugin: PluginId,
    /// Where compiled components are kept. Default: postern/compiled in this user's cache.
    #[arg(long, value_name = "DIRECTORY")]
    cache: Option<PathBuf>,
}

impl Operator {
    fn setup(&self) -> Result<Setup> {
        let config = Config::load(self.daemon.as_deref(), std::env::vars())?;
        Ok(Setup {
            plugin: self.plugin.clone(),
            sandbox: config.sandbox.clone(),
            egress: operator::egress(&config),
            compiler: Some(compile::own()),
            cache: self.cache.clone().or_else(of_user),
        })
    }

    fn tools(&self) -> Result<Tools> {
        Ok(Tools::start(self.setup()?)?)
    }
}

/// This user's cache, as the XDG Base Directory Specification has it.
fn of_user() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("postern/compiled"))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// Prints a result: for people, or as JSON.
fn show<T: serde::Serialize + std::fmt::Display>(format: &Format, result: &T) -> Result<()> {
    if format.is_json() { print(&serde_json::to_string_pretty(result)?) } else { print(result.to_string().trim_end()) }
}

pub(crate) async fn run(command: Provider, remote: &Remote) -> Result<()> {
    let command = match command {
        Provider::OnDaemon(command) => return provider::run(command, remote).await,
        Provider::Here(command) => command,
    };
    match command {
        Command::New(new) => new::run(&new),
        Command::Check { file, operator, format } => {
            let checked = operator.tools()?.check(read(&file)?).await?;
            show(&format, &checked)?;
            if checked.accepted { Ok(()) } else { bail!("{} would be refused", file.display()) }
        }
        Command::Inspect { file, operator, format } => show(&format, &operator.tools()?.inspect(read(&file)?).await),
        Command::Test(test) => test::run(*test).await,
    }
}
