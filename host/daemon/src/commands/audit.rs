//! `postern audit`.

use crate::arguments::Remote;
use crate::output::Format;
use anyhow::Result;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List what was changed, and by whom, newest first.
    List(List),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only what was done by this one: a token's name or id, or `postern` for the daemon itself.
    #[arg(long)]
    actor: Option<String>,
    /// Only what was done to the object with this id.
    #[arg(long)]
    object: Option<String>,
    /// Only what belongs to this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Only what was done at this time or later: `2026-01-02T03:04:05Z`.
    #[arg(long)]
    since: Option<String>,
    /// Only what was done before this time.
    #[arg(long)]
    until: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    format: Format,
}

const COLUMNS: &[(&str, &str)] = &[
    ("AT", "/at"),
    ("ACTOR", "/actor"),
    ("FROM", "/address"),
    ("ACTION", "/action"),
    ("OBJECT", "/object"),
    ("TENANT", "/tenant"),
    ("CHANGED", "/changed"),
];

pub(crate) async fn run(command: Command, remote: &Remote) -> Result<()> {
    let Command::List(list) = command;
    let filters =
        [("actor", list.actor), ("object", list.object), ("tenant", list.tenant), ("since", list.since), ("until", list.until)];
    let query: Vec<_> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    list.format.rows(&remote.client()?.list("/api/v1/audit", &query, list.limit).await?, COLUMNS)
}
