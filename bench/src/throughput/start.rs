//! The start with ten providers that were added: how soon it serves and how soon they are all there, with their machine code in
//! the cache and without.

use super::daemon::Daemon;
use super::setup::{Choice, Engine, Setup};
use crate::builds::variant;
use crate::report::{Goal, Section};
use crate::statistics::median;
use crate::{Common, webhook};
use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many are added.
const PROVIDERS: u32 = 10;
/// From the start of the process until it serves and all of them are active, in milliseconds, with a warm cache.
const GOAL: Goal = Goal::Below(300.0);

/// What to measure.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    choice: Choice,
}

/// What a start came to, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    warm_serves: f64,
    /// Until all providers were seen to be active; the call that sees it included.
    warm_all_active: f64,
    cold_serves: f64,
    cold_all_active: f64,
}

/// An engine's medians.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    engine: Engine,
    #[serde(flatten)]
    run: Run,
}

/// Runs each engine as often as asked.
pub(crate) async fn run(options: &Options, common: &Common, directory: &Path) -> Result<Section> {
    let setup = options.choice.setup(directory)?;
    let mut rows = Vec::new();
    for &engine in options.choice.engines() {
        let mut daemon = Daemon::start(&setup, engine).await?;
        for number in 0..PROVIDERS {
            daemon.add(&format!("bench{number}"), variant(&webhook()?, number)).await?;
        }
        let mut runs = Vec::new();
        for _ in 0..common.runs {
            let (warm_serves, warm_all_active) = start(&mut daemon, &setup).await.context("with the cache")?;
            for file in std::fs::read_dir(setup.compile_cache.path())? {
                let path = file?.path();
                if path.extension().is_some_and(|extension| extension == "cwasm") {
                    std::fs::remove_file(path)?;
                }
            }
            let (cold_serves, cold_all_active) = start(&mut daemon, &setup).await.context("without the cache")?;
            runs.push(Run { warm_serves, warm_all_active, cold_serves, cold_all_active });
        }
        daemon.stop().await?;
        let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure));
        rows.push(Row {
            engine,
            run: Run {
                warm_serves: of(|run| run.warm_serves),
                warm_all_active: of(|run| run.warm_all_active),
                cold_serves: of(|run| run.cold_serves),
                cold_all_active: of(|run| run.cold_all_active),
            },
        });
    }
    Ok(Section {
        name: "start",
        title: format!("The start with {PROVIDERS} added providers"),
        columns: vec!["engine", "warm: serves ms", "all active ms", "cold: serves ms", "all active ms"],
        rows: rows.iter().map(Row::row).collect(),
        notes: vec![
            "From the start of the process, with their machine code in the cache and without it; those that come with the program are loaded besides. In parentheses: what is to be reached.".into(),
        ],
        data: json!({ "goals": { "warmAllActive": GOAL }, "engines": rows }),
    })
}

/// Starts the daemon again. Answers with how many milliseconds it took until it served and until all providers were active.
async fn start(daemon: &mut Daemon, setup: &Setup) -> Result<(f64, f64)> {
    let serves = daemon.restart(setup).await?;
    let served = Instant::now();
    daemon.all_active().await?;
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    Ok((milliseconds(serves), milliseconds(serves + served.elapsed())))
}

impl Row {
    fn row(&self) -> Vec<String> {
        let digits = |figure: f64| format!("{figure:.0}");
        let Run { warm_serves, warm_all_active, cold_serves, cold_all_active } = self.run;
        vec![
            self.engine.to_string(),
            digits(warm_serves),
            GOAL.beside(warm_all_active, &digits(warm_all_active)),
            digits(cold_serves),
            digits(cold_all_active),
        ]
    }
}
