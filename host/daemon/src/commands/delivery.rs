//! `postern delivery`.

use super::chosen::{Chosen, Time};
use super::{history, replay};
use crate::arguments::Remote;
use crate::output::{Format, print};
use anyhow::Result;
use clap::{Args, Subcommand};
use postern_client::call::segment;
use postern_client::{Body, Client};
use postern_core::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List deliveries, newest first.
    List(Box<List>),
    /// Show a delivery with its runs, their attempts, requests and logs, and what it waits for.
    ///
    /// On a terminal as a text; into a pipe or a file as JSON.
    Show {
        /// The delivery's id.
        id: String,
        #[command(flatten)]
        format: Format,
    },
    /// Count failed deliveries by what they have in common, most first.
    ///
    /// `postern delivery list --status failed` lists them one by one; `postern delivery replay` tries them again.
    Failures {
        #[command(flatten)]
        chosen: Box<Chosen>,
        #[command(flatten)]
        format: Format,
    },
    /// Try one again that succeeded or failed; its attempts are added to its history.
    Retry {
        /// The delivery's id.
        id: String,
        #[command(flatten)]
        format: Format,
    },
    /// Give one up that waits; or let go on what a failed one holds of its entity.
    Cancel {
        /// The delivery's id.
        id: String,
        #[command(flatten)]
        format: Format,
    },
    /// Try all failed ones again that a filter names, paced; list, show and stop such replays.
    Replay(Box<replay::Replay>),
    /// List where deliveries go, and whether it works there.
    ///
    /// Nothing is sent to a destination whose breaker is open, until one delivery probes it; what waits meanwhile uses up no
    /// retries.
    Destinations {
        /// At most so many.
        #[arg(long, default_value_t = 1000)]
        limit: usize,
        #[command(flatten)]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this subscription: its id.
    #[arg(long)]
    subscription: Option<String>,
    /// Only those that are so far.
    #[arg(long, value_parser = ["pending", "retrying", "success", "failed"])]
    status: Option<String>,
    /// Only those of this event type.
    #[arg(long = "type", value_name = "EVENT_TYPE")]
    event_type: Option<String>,
    /// Only those of this event.
    #[arg(long)]
    event: Option<String>,
    /// Only those about the thing with this key.
    #[arg(long, value_name = "KEY")]
    entity: Option<String>,
    /// Only those of this provider.
    #[arg(long)]
    provider: Option<String>,
    #[command(flatten)]
    time: Time,
    /// Only those of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    format: Format,
}

const DELIVERIES: &[(&str, &str)] = &[
    ("DELIVERY", "/id"),
    ("TYPE", "/eventType"),
    ("PROVIDER", "/provider"),
    ("STATUS", "/status"),
    ("ATTEMPTS", "/attempts"),
    ("NEXT", "/nextAttemptAt"),
    ("ERROR", "/error"),
];

const FAILURES: &[(&str, &str)] = &[
    ("COUNT", "/count"),
    ("REASON", "/reason"),
    ("SUBSCRIPTION", "/subscription"),
    ("NAME", "/subscriptionName"),
    ("PROVIDER", "/provider"),
    ("FIRST", "/first"),
    ("LAST", "/last"),
    ("LATEST", "/latest"),
];

const DESTINATIONS: &[(&str, &str)] = &[
    ("DESTINATION", "/destination"),
    ("BREAKER", "/breaker"),
    ("FAILURES", "/failures"),
    ("NEXT PROBE", "/openUntil"),
    ("IN FLIGHT", "/inFlight"),
    ("AT MOST", "/window"),
    ("SLOW", "/slow"),
];

pub(crate) async fn run(command: Command, remote: &Remote) -> Result<()> {
    let client = remote.client()?;
    let path = |id: &str| format!("/api/v1/deliveries/{}", segment(id));
    match command {
        Command::List(list) => self::list(*list, &client).await,
        Command::Show { id, format } => {
            let shown = client.get(&path(&id)).await?;
            if format.is_text() { print(&history::text(&shown)) } else { format.object(&shown, None) }
        }
        Command::Failures { chosen, format } => failures(&chosen, &format, &client).await,
        Command::Retry { id, format } => {
            let begun = client.call(Method::POST, &format!("{}/retry", path(&id)), Body::Empty).await?;
            let sentence = match begun["waitsFor"].as_str() {
                Some(waits) => format!("{id} is queued again, and waits: {waits}"),
                None => format!("{id} is tried again; see what comes of it: postern delivery show {id}"),
            };
            format.object(&begun, Some(sentence))
        }
        Command::Cancel { id, format } => {
            let cancelled = client.call(Method::POST, &format!("{}/cancel", path(&id)), Body::Empty).await?;
            let sentence = if cancelled["reason"]["class"] == "cancelled" {
                format!("cancelled {id}")
            } else {
                format!("{id} stays failed; what it held of its entity goes on")
            };
            format.object(&cancelled, Some(sentence))
        }
        Command::Replay(replay) => replay::run(*replay, &client).await,
        Command::Destinations { limit, format } => {
            format.rows_as(&client.list("/api/v1/destinations", &[], limit).await?, destination, DESTINATIONS)
        }
    }
}

/// As a row of the table. What is not closed counts no failures, and a zero would be taken for none.
fn destination(destination: &Value) -> Value {
    let mut row = destination.clone();
    if row["breaker"] != "closed" {
        row["failures"] = Value::Null;
    }
    row
}

async fn list(list: List, client: &Client) -> Result<()> {
    let filters = [
        ("subscription", list.subscription),
        ("status", list.status),
        ("eventType", list.event_type),
        ("event", list.event),
        ("entity", list.entity),
        ("provider", list.provider),
        ("since", list.time.since.map(|moment| moment.to_string())),
        ("until", list.time.until.map(|moment| moment.to_string())),
        ("tenant", list.tenant),
    ];
    let query: Vec<_> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let now = Timestamp::now();
    let row = |delivery: &Value| listed(delivery, now);
    list.format.rows_as(&client.list("/api/v1/deliveries", &query, list.limit).await?, row, DELIVERIES)
}

/// As a row of the table. A moment that has passed is not when anything will happen: something keeps the attempt back, and
/// the delivery's own view says what.
fn listed(delivery: &Value, now: Timestamp) -> Value {
    let mut row = delivery.clone();
    let next = row["nextAttemptAt"].as_str().and_then(|next| next.parse::<Timestamp>().ok());
    if next.is_some_and(|next| next < now) {
        row["nextAttemptAt"] = json!("due");
    }
    row
}

async fn failures(chosen: &Chosen, format: &Format, client: &Client) -> Result<()> {
    let inbox = client.get(&format!("/api/v1/failures{}", chosen.query())).await?;
    let row = |group: &Value| {
        let mut row = group.clone();
        row["reason"] = json!(history::reason(&group["reason"]));
        row
    };
    format.rows_as(inbox["items"].as_array().map(Vec::as_slice).unwrap_or_default(), row, FAILURES)?;
    if inbox["cut"] == true {
        eprintln!("there are more failed deliveries than are counted; count the older ones with --until");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_has_passed_is_shown_as_due() {
        let row = |next: Value| {
            let now = "2026-01-02T03:04:05.678Z".parse().unwrap();
            listed(&json!({ "nextAttemptAt": next }), now)["nextAttemptAt"].clone()
        };
        assert_eq!(row(json!("2026-01-02T03:04:05.677Z")), "due");
        assert_eq!(row(json!("2026-01-02T03:05:00.000Z")), "2026-01-02T03:05:00.000Z");
        assert_eq!(row(Value::Null), Value::Null);
    }
}
