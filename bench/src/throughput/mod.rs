//! The daemon under load.
//!
//! For each engine, fan-out and number of emitters: a fresh data directory, an event type, as many webhook subscriptions
//! as the fan-out, then a burst of emissions, each acknowledged when it is on the disk, until every delivery arrived.

mod cell;
mod daemon;
mod emitters;
mod figures;

use crate::Common;
use crate::receiver::Receiver;
use crate::report::Section;
use anyhow::{Context, Result};
use cell::{Cell, Engine};
use clap::Args;
use figures::Figures;
use std::path::{Path, PathBuf};

/// What to measure.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// The store's engine.
    #[arg(long, value_enum, default_value_t)]
    engine: Engines,
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
    /// The daemon; `postern` beside this program unless set.
    #[arg(long, value_name = "FILE")]
    daemon: Option<PathBuf>,
    /// The daemon's `[log] level`; `warn` unless set, so that no line is written for a delivery.
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Engines {
    Sled,
    Redb,
    #[default]
    Both,
}

/// Runs every cell as often as asked, all cells in turns.
pub(crate) async fn run(options: &Options, common: &Common, directory: &Path) -> Result<Section> {
    let cells = cells(options, common);
    let program = match &options.daemon {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name("postern"),
    };
    let compiled = tempfile::Builder::new().prefix("postern-bench-cache-").tempdir_in(directory)?;
    let setup = daemon::Setup {
        program,
        directory: directory.to_owned(),
        compile_cache: compiled.path().to_owned(),
        log: options.log.clone().unwrap_or_else(|| "warn".to_owned()),
    };
    let receiver = Receiver::start()?;
    let mut runs: Vec<Vec<Figures>> = cells.iter().map(|_| Vec::new()).collect();
    for number in 1..=common.runs {
        for (cell, runs) in cells.iter().zip(&mut runs) {
            let figures = cell.run(&setup, &receiver).await.with_context(|| cell.to_string())?;
            eprintln!("run {number} of {}, {cell}: {:.0} deliveries/s", common.runs, figures.deliveries_per_second);
            runs.push(figures);
        }
    }
    let medians: Vec<_> = runs.iter().map(|runs| Figures::median(runs)).collect();
    let mut data = Vec::new();
    for (cell, median) in cells.iter().zip(&medians) {
        let mut object = serde_json::to_value(cell)?;
        if let (Some(object), serde_json::Value::Object(figures)) = (object.as_object_mut(), serde_json::to_value(median)?) {
            object.extend(figures);
        }
        data.push(object);
    }
    Ok(Section {
        name: "throughput",
        title: format!("The daemon under load, payload {} bytes, every acknowledgement durable", emitters::PAYLOAD),
        columns: Figures::COLUMNS.to_vec(),
        rows: cells.iter().zip(&medians).map(|(cell, median)| median.row(cell)).collect(),
        notes: vec![
            "Load, daemon and receiver share the cores. CPU is the daemon's user and system time in seconds for 1,000 deliveries, and beside it that of load and receiver together; others' cores is what the rest of the machine used meanwhile. Deliveries/s count from the first emission to the last arrival; a delivery's latency from its acknowledgement to its arrival (0 if it came first).".into(),
            format!("Every delivery arrived in every run. Log level {}.", setup.log),
        ],
        data: data.into(),
    })
}

fn cells(options: &Options, common: &Common) -> Vec<Cell> {
    let or = |chosen: &[u32], usual: &[u32]| if chosen.is_empty() { usual.to_vec() } else { chosen.to_vec() };
    let engines: &[Engine] = match options.engine {
        Engines::Sled => &[Engine::Sled],
        Engines::Redb => &[Engine::Redb],
        Engines::Both => &[Engine::Sled, Engine::Redb],
    };
    let mut cells = Vec::new();
    for &engine in engines {
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
