//! The daemon under load.
//!
//! For each engine, fan-out and number of emitters: a fresh data directory, an event type, as many webhook subscriptions
//! as the fan-out, then a burst of emissions, each acknowledged when it is on the disk, until every delivery arrived.
//!
//! | module | what it does |
//! |---|---|
//! | [`backlog`] | many deliveries that waited are worked off |
//! | [`hanging`] | what destinations that never answer cost those that do |
//! | `awake` | whether processors may go idle while latencies are compared |
//! | `cell`, `figures`, `goals` | one burst on an empty queue, what it came to, what it is meant to come to |
//! | `emitters`, `steady` | the load; one that leaves the machine room |
//! | [`upgrades`] | what upgrades, and compiling a large component, cost deliveries |
//! | [`bystander`] | a process of another program, to compare them with |
//! | [`start`] | how soon providers are there |
//! | `setup`, `daemon`, `process`, `usage` | the daemon, and who used the processors |

mod awake;
pub(crate) mod backlog;
pub(crate) mod bystander;
mod cell;
mod daemon;
pub(crate) mod emitters;
mod figures;
mod goals;
pub(crate) mod hanging;
mod process;
mod setup;
pub(crate) mod start;
mod steady;
pub(crate) mod upgrades;
pub(crate) mod usage;

use crate::Common;
use crate::receiver::Receiver;
use crate::report::Section;
use anyhow::{Context, Result};
use cell::Cell;
use clap::Args;
use figures::Figures;
use goals::Goals;
use serde::Serialize;
use std::path::Path;

/// What to measure.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    choice: setup::Choice,
    /// Deliveries for each event: 1 and 10 unless set.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=100))]
    fan_out: Vec<u32>,
    /// How many emit at once: 1, 16 and 64 unless set.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1000))]
    emitters: Vec<u32>,
    /// Events of each run at most; unless set, as many as two seconds are likely to take.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    events: Option<u32>,
    /// How long a run emits at most, in seconds; 3 unless set, 1 with --quick.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: Option<u32>,
}

/// A cell as programs read it.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    cell: &'a Cell,
    #[serde(flatten)]
    figures: &'a Figures,
    goals: Goals,
}

/// Runs every cell as often as asked, all cells in turns.
pub(crate) async fn run(options: &Options, common: &Common, directory: &Path) -> Result<Section> {
    let cells = cells(options, common);
    let setup = options.choice.setup(directory)?;
    let receiver = Receiver::start(1)?;
    let mut runs: Vec<Vec<Figures>> = cells.iter().map(|_| Vec::new()).collect();
    for number in 1..=common.runs {
        for (cell, runs) in cells.iter().zip(&mut runs) {
            let figures = cell.run(&setup, &receiver).await.with_context(|| cell.to_string())?;
            eprintln!("run {number} of {}, {cell}: {:.0} deliveries/s", common.runs, figures.deliveries_per_second);
            runs.push(figures);
        }
    }
    let medians: Vec<_> = runs.iter().map(|runs| Figures::median(runs)).collect();
    let data = cells.iter().zip(&medians).map(|(cell, figures)| Row { cell, figures, goals: Goals::of(cell) });
    Ok(Section {
        name: "throughput",
        title: format!("The daemon under load, payload {} bytes, every acknowledgement durable", emitters::PAYLOAD),
        columns: Figures::COLUMNS.to_vec(),
        rows: cells.iter().zip(&medians).map(|(cell, median)| median.row(cell)).collect(),
        notes: vec![
            "Load, daemon and receiver share the cores. CPU is the daemon's user and system time in seconds for 1,000 deliveries, and beside it that of load and receiver together; others' cores is what the rest of the machine used meanwhile. Deliveries/s count from the first emission to the last arrival; a delivery's latency from its acknowledgement to its arrival (0 if it came first). In parentheses: what a quiet machine with two cores is meant to reach.".into(),
            format!("Every delivery arrived in every run. Log level {}{}.", setup.log, if setup.signed { "; each delivery is signed with a secret" } else { "" }),
        ],
        data: serde_json::to_value(data.collect::<Vec<_>>())?,
    })
}

fn cells(options: &Options, common: &Common) -> Vec<Cell> {
    let or = |chosen: &[u32], usual: &[u32]| if chosen.is_empty() { usual.to_vec() } else { chosen.to_vec() };
    let mut cells = Vec::new();
    for &engine in options.choice.engines() {
        for &fan_out in &or(&options.fan_out, &[1, 10]) {
            for &emitters in &or(&options.emitters, &[1, 16, 64]) {
                let events =
                    options.events.unwrap_or_else(|| likely_events(fan_out, emitters) / if common.quick { 4 } else { 1 });
                let seconds = options.seconds.unwrap_or(if common.quick { 1 } else { 3 });
                cells.push(Cell { engine, fan_out, emitters, events, seconds });
            }
        }
    }
    cells
}

/// As many events as about two seconds take at 4,000 (fan-out 1) to 8,000 deliveries a second, fewer with few emitters.
fn likely_events(fan_out: u32, emitters: u32) -> u32 {
    (8_000 / fan_out.div_ceil(2)).min(emitters * 3_000).max(100)
}
