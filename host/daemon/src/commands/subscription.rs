//! `postern subscription`.

use super::json;
use crate::arguments::Remote;
use crate::output::{Format, print};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use postern_client::Client;
use postern_client::call::segment;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Subscribe a provider to event types.
    Create(Box<Create>),
    /// List the subscriptions.
    List {
        /// Only those of this provider.
        #[arg(long)]
        provider: Option<String>,
        /// Only those that are enabled, or are not: `true` or `false`.
        #[arg(long, value_name = "BOOL")]
        enabled: Option<bool>,
        /// Only those that name this event type, or a prefix of it.
        #[arg(long)]
        event: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 1000)]
        limit: usize,
        #[command(flatten)]
        format: Format,
    },
    /// Show a subscription; secrets are masked.
    Show {
        /// The subscription's id.
        id: String,
        #[command(flatten)]
        format: Format,
    },
    /// Change fields; the mark of a secret keeps it, null clears a field.
    Update {
        /// The subscription's id.
        id: String,
        /// A JSON merge patch: JSON, @FILE or - for standard input.
        #[arg(long)]
        change: String,
        #[command(flatten)]
        format: Format,
    },
    /// Send it a test event, through the whole real path, and show what came of it.
    Test {
        /// The subscription's id.
        id: String,
        /// The event type; none means the first that the subscription names.
        #[arg(long = "type")]
        event_type: Option<String>,
        /// The payload: JSON, @FILE or - for standard input. None: an example.
        #[arg(long)]
        payload: Option<String>,
        #[command(flatten)]
        format: Format,
    },
    /// Let it get new deliveries again.
    Enable {
        /// The subscription's id.
        id: String,
    },
    /// Stop its deliveries; those that are queued end as failed.
    Disable {
        /// The subscription's id.
        id: String,
    },
    /// Remove it; deliveries that are queued end as failed.
    Delete {
        /// The subscription's id.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What people call it.
    #[arg(long)]
    name: String,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
    /// The provider: `postern.webhook`.
    #[arg(long)]
    provider: String,
    /// The version of the provider that delivers, whatever is in force; `postern provider versions` shows those that are kept.
    #[arg(long, value_name = "VERSION")]
    provider_version: Option<String>,
    /// The connection's id, if the provider has connections.
    #[arg(long)]
    connection: Option<String>,
    /// The provider's settings: JSON, @FILE or - for standard input. `postern provider show` tells what it takes.
    #[arg(long)]
    config: String,
    /// An event type, or all under a prefix: `incident.*`. Give it several times for several.
    #[arg(long = "event", required = true)]
    events: Vec<String>,
    /// A jq program that yields whether an event is delivered: `.payload.severity == "critical"`.
    #[arg(long)]
    filter: Option<String>,
    /// A jq program that yields the key of what an event is about: `.payload.incidentId`.
    #[arg(long)]
    entity_key: Option<String>,
    /// When failed deliveries are tried again: delays, `1m,5m`; `none`; or JSON such as
    /// `{"initial":"30s","factor":2,"max":"1h","horizon":"3d"}`. Without it, when the operator's default says.
    #[arg(long)]
    retry: Option<String>,
    /// How many deliveries it gets in so much time: `10/1s`.
    #[arg(long, value_name = "DELIVERIES/TIME")]
    rate_limit: Option<String>,
    /// What becomes of the events about an entity when one of them finally failed: they are delivered all the same, or wait
    /// until that one is delivered after all or cancelled. Default: skip.
    #[arg(long, value_parser = ["skip", "hold"], requires = "entity_key")]
    entity_order: Option<String>,
    /// The tenant whose events it gets. Default: the token's, or `default`.
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    format: Format,
}

/// A schedule of retries; the server judges the delays.
fn schedule(text: &str) -> Result<Value> {
    let text = text.trim();
    match text {
        "none" => Ok(json!([])),
        _ if text.starts_with(['{', '[']) => serde_json::from_str(text).context("--retry is no JSON"),
        _ => Ok(text.split(',').map(str::trim).collect()),
    }
}

/// `10/1s`; the server judges the bounds.
fn rate_limit_of(text: &str) -> Result<Value> {
    let parts = text.split_once('/').and_then(|(deliveries, per)| Some((deliveries.trim().parse::<u32>().ok()?, per.trim())));
    let (deliveries, per) = parts.context("--rate-limit is a number and a time: `10/1s`")?;
    Ok(json!({ "deliveries": deliveries, "per": per }))
}

const COLUMNS: &[(&str, &str)] = &[
    ("SUBSCRIPTION", "/id"),
    ("NAME", "/name"),
    ("PROVIDER", "/providerId"),
    ("EVENTS", "/events"),
    ("ENABLED", "/enabled"),
    ("REASON", "/why"),
];

/// As a row of the table: in one cell why it does not deliver, whoever is the cause.
fn row(subscription: &Value) -> Value {
    let mut row = subscription.clone();
    row["why"] = ["disabledReason", "problem"].iter().map(|field| subscription[field].clone()).find(Value::is_string).into();
    row
}

pub(crate) async fn run(command: Command, remote: &Remote) -> Result<()> {
    let client = remote.client()?;
    let path = |id: &str| format!("/api/v1/subscriptions/{}", segment(id));
    match command {
        Command::Create(create) => self::create(*create, &client).await,
        Command::List { provider, enabled, event, limit, format } => {
            let filters = [("provider", provider), ("enabled", enabled.map(|enabled| enabled.to_string())), ("event", event)];
            let query: Vec<_> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            let items = client.list("/api/v1/subscriptions", &query, limit).await?;
            format.rows_as(&items, row, COLUMNS)
        }
        Command::Show { id, format } => format.object(&client.get(&path(&id)).await?, None),
        Command::Update { id, change, format } => {
            let updated = client.patch(&path(&id), json(&change)?).await?;
            format.object(&updated, Some(format!("updated {id}")))
        }
        Command::Test { id, event_type, payload, format } => {
            let mut body = json!({ "eventType": event_type });
            if let Some(payload) = payload {
                body["payload"] = json(&payload)?;
            }
            let result = client.post(&format!("{}/send-test", path(&id)), body).await?;
            let delivery = result["id"].as_str().unwrap_or_default().to_owned();
            let success = result["status"] == "success";
            format.object(&result, success.then(|| format!("delivered as {delivery}")))?;
            if success { Ok(()) } else { bail!("the test failed: {}", result["error"].as_str().unwrap_or_default()) }
        }
        Command::Enable { id } => {
            client.patch(&path(&id), json!({ "enabled": true })).await?;
            print(&format!("enabled {id}"))
        }
        Command::Disable { id } => {
            client.patch(&path(&id), json!({ "enabled": false })).await?;
            print(&format!("disabled {id}"))
        }
        Command::Delete { id } => {
            client.delete(&path(&id)).await?;
            print(&format!("deleted {id}"))
        }
    }
}

async fn create(create: Create, client: &Client) -> Result<()> {
    let mut body = json!({
        "name": create.name, "description": create.description, "providerId": create.provider,
        "providerVersion": create.provider_version, "connectionId": create.connection, "providerConfig": json(&create.config)?, "events": create.events,
        "filter": create.filter, "entityKey": create.entity_key, "tenant": create.tenant,
        "retry": create.retry.as_deref().map(schedule).transpose()?,
        "rateLimit": create.rate_limit.as_deref().map(rate_limit_of).transpose()?,
    });
    if let Some(order) = create.entity_order {
        body["entityOrder"] = json!(order);
    }
    let created = client.post("/api/v1/subscriptions", body).await?;
    let sentence = format!("created {}", created["id"].as_str().unwrap_or_default());
    create.format.object(&created, Some(sentence))
}
