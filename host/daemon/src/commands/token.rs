//! `postern token`.

use crate::arguments::Remote;
use crate::output::{Format, print};
use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token; it is shown once.
    Create {
        /// What it is for.
        #[arg(long)]
        name: String,
        /// `admin`, `read`, `emit` or `emit:PLUGIN`. Give it several times for several.
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        /// Limit it to one tenant.
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        format: Format,
    },
    /// List the tokens, without what they are.
    List {
        #[command(flatten)]
        format: Format,
    },
    /// Make a token invalid.
    Revoke {
        /// The token's id.
        id: String,
    },
}

pub(crate) async fn run(command: Command, remote: &Remote) -> Result<()> {
    let client = remote.client()?;
    match command {
        Command::Create { name, scopes, tenant, format } => {
            let created = client.post("/api/v1/tokens", json!({ "name": name, "scopes": scopes, "tenant": tenant })).await?;
            let sentence = created["token"].as_str().unwrap_or_default().to_owned();
            format.object(&created, Some(sentence))
        }
        Command::List { format } => {
            let items = client.list("/api/v1/tokens", &[], usize::MAX).await?;
            format.rows(&items, &[("TOKEN", "/id"), ("NAME", "/name"), ("SCOPES", "/scopes"), ("CREATED", "/createdAt")])
        }
        Command::Revoke { id } => {
            client.delete(&format!("/api/v1/tokens/{id}")).await?;
            print(&format!("revoked {id}"))
        }
    }
}
