//! `postern event`.

use super::json;
use crate::arguments::Remote;
use crate::output::Format;
use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register a plugin's hook as an event type, or replace it.
    Register {
        /// The plugin: `incident`.
        plugin: String,
        /// The hook: `incident.created`.
        hook: String,
        /// The name that people read.
        #[arg(long)]
        name: String,
        /// When it is emitted.
        #[arg(long)]
        description: Option<String>,
        /// Groups event types where they are listed.
        #[arg(long)]
        category: Option<String>,
        /// The payload's JSON Schema: JSON, @FILE or - for standard input.
        #[arg(long)]
        schema: String,
        /// A jq program that makes what is delivered of the payload as it is emitted.
        #[arg(long)]
        transform: Option<String>,
        /// A payload as an example: JSON, @FILE or - for standard input.
        #[arg(long)]
        example: Option<String>,
        /// Replace it even if that breaks subscriptions.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        format: Format,
    },
    /// List the event types.
    Types {
        /// Only those of this plugin.
        #[arg(long)]
        plugin: Option<String>,
        #[command(flatten)]
        format: Format,
    },
    /// Emit an event.
    Emit {
        /// The plugin.
        plugin: String,
        /// The hook.
        hook: String,
        /// The payload: JSON, @FILE or - for standard input.
        #[arg(long)]
        payload: String,
        #[command(flatten)]
        format: Format,
    },
    /// List events, newest first.
    List {
        /// Only those of this type.
        #[arg(long = "type")]
        event_type: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        format: Format,
    },
    /// Show an event with its deliveries.
    Show {
        /// The event's id.
        id: String,
    },
}

pub(crate) async fn run(command: Command, remote: &Remote) -> Result<()> {
    let client = remote.client()?;
    match command {
        Command::Register { plugin, hook, name, description, category, schema, transform, example, force, format } => {
            let mut body = json!({ "displayName": name, "payloadSchema": json(&schema)? });
            for (key, value) in [("description", description), ("category", category), ("transform", transform)] {
                if let Some(value) = value {
                    body[key] = Value::String(value);
                }
            }
            if let Some(example) = example {
                body["example"] = json(&example)?;
            }
            let registered = client.put(&format!("/api/v1/plugins/{plugin}/events/{hook}?force={force}"), body).await?;
            let sentence = format!("registered {}", registered["id"].as_str().unwrap_or_default());
            format.object(&registered, Some(sentence))
        }
        Command::Types { plugin, format } => {
            let query: Vec<_> = plugin.map(|plugin| ("plugin", plugin)).into_iter().collect();
            let items = client.list("/api/v1/event-types", &query, usize::MAX).await?;
            format.rows(&items, &[("EVENT TYPE", "/id"), ("NAME", "/displayName"), ("CATEGORY", "/category")])
        }
        Command::Emit { plugin, hook, payload, format } => {
            let emitted = client.post(&format!("/api/v1/plugins/{plugin}/hooks/{hook}"), json(&payload)?).await?;
            let sentence = match emitted["deliveries"].as_u64().unwrap_or_default() {
                1 => format!("emitted {} with 1 delivery", emitted["event"].as_str().unwrap_or_default()),
                count => format!("emitted {} with {count} deliveries", emitted["event"].as_str().unwrap_or_default()),
            };
            format.object(&emitted, Some(sentence))
        }
        Command::List { event_type, limit, format } => {
            let query: Vec<_> = event_type.map(|event_type| ("eventType", event_type)).into_iter().collect();
            let items = client.list("/api/v1/events", &query, limit).await?;
            format.rows(&items, &[("EVENT", "/id"), ("TYPE", "/eventType"), ("TIME", "/timestamp"), ("TENANT", "/tenant")])
        }
        Command::Show { id } => {
            crate::output::print(&serde_json::to_string_pretty(&client.get(&format!("/api/v1/events/{id}")).await?)?)
        }
    }
}
