//! `postern serve`.

use super::place::Place;
use crate::config::Config;
use crate::host::Host;
use crate::telemetry::{self, Traces};
use anyhow::{Context, Result, bail};
use clap::Args;
use postern_store::Engine;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    source: Source,
    /// Write the bound address to this file once the API serves.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Serve what is left though acknowledged data is missing or damaged.
    ///
    /// Without this the daemon does not start then, and changes nothing. What cannot be read is cut off for good: copy the
    /// data directory before. The next start needs the option no more.
    #[arg(long)]
    accept_loss: bool,
}

/// Where the configuration comes from.
#[derive(Debug, Args)]
pub(crate) struct Source {
    #[command(flatten)]
    place: Place,
    /// Where the API listens; port 0 takes any that is free.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// What keeps the data: sled or redb.
    #[arg(long, value_name = "ENGINE")]
    engine: Option<Engine>,
}

impl Source {
    /// The configuration that is in force.
    pub(crate) fn load(&self) -> Result<Config> {
        let mut config = self.place.load()?;
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        if let Some(engine) = self.engine {
            config.store.engine = engine;
        }
        Ok(config)
    }
}

pub(crate) async fn run(serve: Serve) -> Result<()> {
    let config = serve.source.load()?;
    let traces = telemetry::start(&config)?;
    if let Some(path) = &serve.ready_file {
        // One of an earlier run would name an address that nobody serves.
        std::fs::remove_file(path).ok();
    }
    // Handlers first: a signal during a long start must end it too.
    let mut stop = Stop::new()?;
    let host = tokio::select! {
        host = Host::start(&config, serve.accept_loss) => host?,
        () = stop.asked() => return Ok(()),
    };
    tracing::info!(address = %host.address, engine = %config.store.engine, directory = %config.store.directory.display(), unfinished = host.unfinished, "postern serves");
    if let Some(path) = &host.admin_token {
        tracing::info!(path = %path.display(), "the first admin token was made; it is in this file");
    }
    if let Some(path) = &serve.ready_file {
        write_ready(path, host.address)?;
    }
    tokio::select! {
        () = stop.asked() => {}
        reason = host.broken() => {
            // Nobody knows what is on the disk now; the next start reads it anew.
            bail!("the store failed and the daemon stops: {reason}");
        }
    }
    tracing::info!("stopping; a second signal ends at once");
    tokio::select! {
        result = stop_all(host, traces) => result?,
        () = stop.asked() => bail!("ended by a second signal; what was in flight is delivered after the next start"),
    }
    tracing::info!("stopped");
    Ok(())
}

/// Traces end last: what is in flight is traced as well.
async fn stop_all(host: Host, traces: Traces) -> Result<()> {
    let stopped = host.stop().await;
    traces.stop().await;
    stopped
}

/// SIGTERM and SIGINT.
pub(crate) struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A reader of the file never sees half an address.
fn write_ready(path: &Path, address: SocketAddr) -> Result<()> {
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, format!("{address}\n"))
        .and_then(|()| std::fs::rename(&temporary, path))
        .with_context(|| format!("the ready file {} cannot be written", path.display()))
}
