//! `postern delivery replay`.

use super::chosen::Chosen;
use super::serve::Stop;
use super::store::progress::Progress;
use crate::output::Format;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use postern_client::call::segment;
use postern_client::{Body, Client};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// How often it is asked how far a replay is.
const INTERVAL: Duration = Duration::from_millis(300);

/// Orders a replay, without a command of its own.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Replay {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    order: Order,
}

#[derive(Debug, Args)]
struct Order {
    #[command(flatten)]
    chosen: Chosen,
    /// Every one there is; needed if no other choice is made.
    #[arg(long)]
    all: bool,
    /// Those that failed, or those that succeeded: what a receiver took and lost.
    #[arg(long, value_parser = ["failed", "success"], default_value = "failed")]
    status: String,
    /// How many are begun in a second, 1 to 5000. Default: 50.
    #[arg(long, value_name = "N")]
    per_second: Option<u32>,
    /// Wait until the last one was begun, and show how far it is. Control-C ends the waiting, not the replay.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the replays, newest first.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        format: Format,
    },
    /// Show how far a replay is.
    Show {
        /// The replay's id.
        id: String,
        /// Wait until it ends. Control-C ends the waiting, not the replay.
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        format: Format,
    },
    /// Stop a replay; the deliveries that it began go on.
    Stop {
        /// The replay's id.
        id: String,
        #[command(flatten)]
        format: Format,
    },
}

const COLUMNS: &[(&str, &str)] = &[
    ("REPLAY", "/id"),
    ("STATE", "/state"),
    ("BEGUN", "/replayed"),
    ("OF", "/total"),
    ("STARTED", "/startedAt"),
    ("ENDED", "/endedAt"),
    ("CHOSEN", "/chosen"),
];

pub(super) async fn run(replay: Replay, client: &Client) -> Result<()> {
    match replay.command {
        None => order(replay.order, client).await,
        Some(Command::List { limit, format }) => {
            let mut replays = client.list("/api/v1/replays", &[], usize::MAX).await?;
            // The host remembers some hundred; their ids begin with the time.
            replays.sort_by(|a, b| text(&b["id"]).cmp(text(&a["id"])));
            replays.truncate(limit);
            format.rows_as(&replays, row, COLUMNS)
        }
        Some(Command::Show { id, wait, format }) => {
            let shown = client.get(&path(&id)).await?;
            let shown = if wait { watch(client, &id, shown).await? } else { shown };
            format.object(&shown, Some(sentence(&shown)))
        }
        Some(Command::Stop { id, format }) => {
            let stopped = client.call(Method::POST, &format!("{}/stop", path(&id)), Body::Empty).await?;
            format.object(&stopped, Some(sentence(&stopped)))
        }
    }
}

async fn order(order: Order, client: &Client) -> Result<()> {
    let mut body = order.chosen.fields();
    match (body.is_empty(), order.all) {
        (true, false) => bail!(
            "nothing says which deliveries to replay: choose some (--subscription, --provider, --type, --entity, --reason, \
             --http-status, --since, --until, --tenant), or take every one with --all"
        ),
        (false, true) => bail!("--all takes every delivery; leave it away where others choose some"),
        _ => {}
    }
    body.insert("status".to_owned(), json!(order.status));
    if let Some(rate) = order.per_second {
        body.insert("perSecond".to_owned(), json!(rate));
    }
    let ordered = client.post("/api/v1/deliveries/replay", Value::Object(body)).await?;
    let id = text(&ordered["id"]).to_owned();
    if !order.wait {
        let sentence = format!("{}\n  see how far it is: postern delivery replay show {id}", sentence(&ordered));
        return order.format.object(&ordered, Some(sentence));
    }
    let ended = watch(client, &id, ordered).await?;
    order.format.object(&ended, Some(sentence(&ended)))
}

/// Asks how far a replay is until it ended.
async fn watch(client: &Client, id: &str, mut shown: Value) -> Result<Value> {
    let mut stop = Stop::new()?;
    let progress = Progress::of_count("replaying", shown["total"].as_u64())?;
    while shown["state"] == "running" {
        progress.reach(shown["replayed"].as_u64().unwrap_or_default());
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.asked() => bail!(
                "no longer watched; the replay {id} goes on.\n  watch it: postern delivery replay show {id} --wait\n  stop it:  \
                 postern delivery replay stop {id}"
            ),
        }
        shown = client.get(&path(id)).await?;
    }
    Ok(shown)
}

fn path(id: &str) -> String {
    format!("/api/v1/replays/{}", segment(id))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// How far it is, for people.
fn sentence(replay: &Value) -> String {
    let id = text(&replay["id"]);
    let begun = replay["replayed"].as_u64().unwrap_or_default();
    let status = replay["order"]["status"].as_str().unwrap_or("failed");
    let kind = if status == "success" { "successful" } else { status };
    let some = |count: u64| match count {
        1 => format!("1 {kind} delivery was"),
        _ => format!("{count} {kind} deliveries were"),
    };
    match (text(&replay["state"]), replay["total"].as_u64()) {
        ("done", _) if begun == 0 => format!("the replay {id} is done: no {kind} delivery was found"),
        ("done", _) => format!("the replay {id} is done: {} begun again", some(begun)),
        ("stopped", _) => format!("the replay {id} is stopped: {} begun again", some(begun)),
        (_, Some(0)) => format!("the replay {id} finds no {kind} delivery"),
        (_, Some(total)) => format!("the replay {id} goes on: {begun} of {} begun again so far", some(total)),
        (_, None) => format!("the replay {id} goes on: {} begun again so far", some(begun)),
    }
}

/// As a row of the table: what was chosen in one cell.
fn row(replay: &Value) -> Value {
    let chosen = replay["order"].as_object().into_iter().flatten();
    let chosen: Vec<_> = chosen
        .map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    let mut row = replay.clone();
    row["chosen"] = json!(if chosen.is_empty() { "all failed".to_owned() } else { chosen.join(" ") });
    row
}
