//! `postern delivery`.

use crate::arguments::Remote;
use crate::output::{Format, print};
use anyhow::Result;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List deliveries, newest first.
    List(List),
    /// Show a delivery with its attempts, their exchanges and logs.
    Show {
        /// The delivery's id.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this subscription.
    #[arg(long)]
    subscription: Option<String>,
    /// Only those that are pending, retrying, success or failed.
    #[arg(long)]
    status: Option<String>,
    /// Only those of this event type.
    #[arg(long = "type")]
    event_type: Option<String>,
    /// Only those of this event.
    #[arg(long)]
    event: Option<String>,
    /// Only those about the thing with this key.
    #[arg(long)]
    entity: Option<String>,
    /// Only those of this provider.
    #[arg(long)]
    provider: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    format: Format,
}

const COLUMNS: &[(&str, &str)] = &[
    ("DELIVERY", "/id"),
    ("TYPE", "/eventType"),
    ("PROVIDER", "/provider"),
    ("STATUS", "/status"),
    ("ATTEMPTS", "/attempts"),
    ("NEXT", "/nextAttemptAt"),
    ("ERROR", "/error"),
];

pub(crate) async fn run(command: Command, remote: &Remote) -> Result<()> {
    let client = remote.client()?;
    match command {
        Command::List(list) => {
            let filters = [
                ("subscription", list.subscription),
                ("status", list.status),
                ("eventType", list.event_type),
                ("event", list.event),
                ("entity", list.entity),
                ("provider", list.provider),
            ];
            let query: Vec<_> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            list.format.rows(&client.list("/api/v1/deliveries", &query, list.limit).await?, COLUMNS)
        }
        Command::Show { id } => print(&serde_json::to_string_pretty(&client.get(&format!("/api/v1/deliveries/{id}")).await?)?),
    }
}
