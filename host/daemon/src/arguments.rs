//! What the program takes on its command line.

use crate::commands::{
    apply, audit, author, compile, config, connection, delivery, event, secrets, serve, store, subscription, token,
};
use crate::demo;
use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};
use postern_client::Client;

/// Delivers a platform's events to external systems through sandboxed providers.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon.
    Serve(serve::Serve),
    /// Show one event on its whole way, on a fresh store with a receiver of its own.
    Demo(demo::Options),
    /// Bring a directory of event types, connections and subscriptions into force.
    Apply(apply::Apply),
    /// Event types and events: register, emit, list, show.
    #[command(subcommand)]
    Event(event::Command),
    /// Providers: list, show, add, approve, versions, rollback, grant, try, enable, disable, watched, remove; and for authors new,
    /// check, inspect, test.
    #[command(subcommand)]
    Provider(author::Provider),
    /// Subscriptions: create, list, show, update, test, enable, disable, delete.
    #[command(subcommand)]
    Subscription(subscription::Command),
    /// Connections, the settings that subscriptions share: create, list, show, update, test, delete.
    #[command(subcommand)]
    Connection(connection::Command),
    /// Deliveries: list, show, failures, retry, cancel, replay, destinations.
    #[command(subcommand)]
    Delivery(delivery::Command),
    /// Who changed what: list.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Tokens: create, list, revoke.
    #[command(subcommand)]
    Token(token::Command),
    /// The master key, which all secrets depend on: rotate, status.
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// A data directory that no daemon uses: check, export, import.
    #[command(subcommand)]
    Store(store::Command),
    /// The configuration that is in force, or all that there is to configure.
    #[command(subcommand)]
    Config(config::Command),
    /// Compile a component from standard input to standard output; the daemon's own.
    #[command(hide = true)]
    CompileComponent(compile::Options),
    /// Print a script that completes commands in a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Where the daemon is, for the commands that talk to one.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// The daemon's URL.
    #[arg(long, global = true, env = "POSTERN_URL", default_value = "http://127.0.0.1:7676")]
    server: String,
    /// A token; the first one is in the file admin-token of the data directory.
    #[arg(long, global = true, env = "POSTERN_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl Remote {
    /// A client for it.
    pub(crate) fn client(&self) -> Result<Client> {
        if !["http://", "https://"].iter().any(|scheme| self.server.starts_with(scheme)) {
            bail!("`{}` is no URL of a daemon; --server or POSTERN_URL is for example http://127.0.0.1:7676", self.server);
        }
        // A variable that is set to nothing is a token that is not there.
        let token = self.token.clone().filter(|token| !token.is_empty());
        Ok(Client::new(&self.server, token)?)
    }
}
