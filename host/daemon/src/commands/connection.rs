//! `postern connection`.

use super::json;
use crate::arguments::Remote;
use crate::output::{Format, print};
use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Save settings and credentials that several subscriptions share.
    Create {
        /// What people call it.
        #[arg(long)]
        name: String,
        /// What it is for.
        #[arg(long)]
        description: Option<String>,
        /// The provider that it is for.
        #[arg(long)]
        provider: String,
        /// What the provider's connection schema asks for: JSON, @FILE or - for standard input.
        #[arg(long)]
        settings: String,
        #[command(flatten)]
        format: Format,
    },
    /// List the connections.
    List {
        /// Only those of this provider.
        #[arg(long)]
        provider: Option<String>,
        #[command(flatten)]
        format: Format,
    },
    /// Show a connection and who uses it; secrets are masked.
    Show {
        /// The connection's id.
        id: String,
    },
    /// Change fields; the mark of a secret keeps it, null clears a field.
    Update {
        /// The connection's id.
        id: String,
        /// A JSON merge patch: JSON, @FILE or - for standard input.
        #[arg(long)]
        change: String,
        #[command(flatten)]
        format: Format,
    },
    /// Try a connection.
    Test {
        /// The connection's id.
        id: String,
        #[command(flatten)]
        format: Format,
    },
    /// Remove a connection that nobody uses.
    Delete {
        /// The connection's id.
        id: String,
        /// Remove it all the same; the deliveries of its subscriptions then fail.
        #[arg(long)]
        force: bool,
    },
}

pub(crate) async fn run(command: Command, remote: &Remote) -> Result<()> {
    let client = remote.client()?;
    let path = |id: &str| format!("/api/v1/connections/{id}");
    match command {
        Command::Create { name, description, provider, settings, format } => {
            let body = json!({ "name": name, "description": description, "providerId": provider, "settings": json(&settings)? });
            let created = client.post("/api/v1/connections", body).await?;
            let sentence = format!("created {}", created["id"].as_str().unwrap_or_default());
            format.object(&created, Some(sentence))
        }
        Command::List { provider, format } => {
            let query: Vec<_> = provider.map(|provider| ("provider", provider)).into_iter().collect();
            let items = client.list("/api/v1/connections", &query, usize::MAX).await?;
            format.rows(&items, &[("CONNECTION", "/id"), ("NAME", "/name"), ("PROVIDER", "/providerId"), ("PROBLEM", "/problem")])
        }
        Command::Show { id } => print(&serde_json::to_string_pretty(&client.get(&path(&id)).await?)?),
        Command::Update { id, change, format } => {
            let updated = client.patch(&path(&id), json(&change)?).await?;
            format.object(&updated, Some(format!("updated {id}")))
        }
        Command::Test { id, format } => {
            let result = client.post(&format!("{}/test", path(&id)), json!({})).await?;
            let message = result["message"].as_str().unwrap_or_default().to_owned();
            let success = result["success"] == true;
            format.object(&result, success.then_some(message.clone()))?;
            if success { Ok(()) } else { bail!("the test failed: {message}") }
        }
        Command::Delete { id, force } => {
            client.delete(&format!("{}?force={force}", path(&id))).await?;
            print(&format!("deleted {id}"))
        }
    }
}
