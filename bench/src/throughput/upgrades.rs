//! Upgrades under load: the same steady load on a provider that nobody touches, on one that is upgraded again and again, and
//! beside a large component that is compiled all the time. Each upgrade is to a build that was never compiled before.

use super::awake::Idling;
use super::cell::WARM_UP;
use super::daemon::{Daemon, TIMEOUT_MILLISECONDS};
use super::setup::{Choice, Engine, Setup};
use super::steady::Steady;
use crate::builds::{heavy, variant};
use crate::receiver::Receiver;
use crate::report::{Goal, Section};
use crate::statistics::{count, median};
use crate::{Common, webhook};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Destinations, of which each gets every event.
const DESTINATIONS: usize = 4;
/// Functions of the large component unless a file is given: 17 MB.
const FUNCTIONS: usize = 19_500;
/// The plugin and the provider that is upgraded.
const PLUGIN: &str = "bench";
const PROVIDER: &str = "bench.webhook";
/// The p99 of deliveries meanwhile, as a multiple of what it is without.
const GOAL: Goal = Goal::AtMost(1.5);

/// What to measure.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    idling: Idling,
    /// Events a second, of which each makes four deliveries; 100 unless set.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: Option<u32>,
    /// How long a run lasts, in seconds; 15 unless set, 4 with --quick.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: Option<u32>,
    /// Upgrades in a run; 50 unless set.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    upgrades: Option<u32>,
    /// The large component: one of JavaScript, say. Unless set, one of 17 MB is made that does nothing.
    #[arg(long, value_name = "FILE")]
    large: Option<PathBuf>,
}

/// What happens to providers during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    Upgrades,
    Compiling,
}

/// How runs are made.
struct Terms {
    rate: u32,
    seconds: u32,
    upgrades: u32,
    large: Vec<u8>,
    /// Builds that were made so far, over all runs: none is in the compile cache.
    builds: AtomicU32,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    /// From sending an emission to the arrival. From the acknowledgement it would be 0 for half of them, which overtake it.
    p50_milliseconds: f64,
    p99_milliseconds: f64,
    /// Builds that were put in force meanwhile.
    builds: f64,
    /// How long the last of them took, from the upload until it was in force.
    last_build_milliseconds: f64,
    /// Deliveries that arrived more than once.
    duplicates: f64,
}

/// An engine's medians.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    engine: Engine,
    nothing: Run,
    upgrades: Run,
    compiling: Run,
    upgrades_p99_ratio: f64,
    compiling_p99_ratio: f64,
}

/// Runs each engine as often as asked, the three in turns.
pub(crate) async fn run(options: &Options, common: &Common, directory: &Path) -> Result<Section> {
    let webhook = webhook()?;
    let large = match &options.large {
        Some(file) => std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?,
        None => heavy(&webhook, FUNCTIONS),
    };
    let terms = Terms {
        rate: options.rate.unwrap_or(100),
        seconds: options.seconds.unwrap_or(if common.quick { 4 } else { 15 }),
        upgrades: options.upgrades.unwrap_or(50),
        large,
        builds: AtomicU32::new(0),
    };
    let setup = options.choice.setup(directory)?;
    let _awake = options.idling.begin()?;
    let receiver = Receiver::start(DESTINATIONS)?;
    let engines = options.choice.engines();
    let mut runs: Vec<[Vec<Run>; 3]> = engines.iter().map(|_| Default::default()).collect();
    for number in 1..=common.runs {
        for (&engine, runs) in engines.iter().zip(&mut runs) {
            for (runs, meanwhile) in runs.iter_mut().zip([Meanwhile::Nothing, Meanwhile::Upgrades, Meanwhile::Compiling]) {
                let what = format!("run {number} of {}, {engine}, {meanwhile:?}", common.runs);
                let run = terms.run(&setup, engine, &receiver, &webhook, meanwhile).await.with_context(|| what.clone())?;
                eprintln!("{what}: p99 {:.2} ms, {} builds", run.p99_milliseconds, run.builds);
                runs.push(run);
            }
        }
    }
    let row = |(&engine, runs): (&Engine, &[Vec<Run>; 3])| {
        let [nothing, upgrades, compiling] = [0, 1, 2].map(|index| Run::median(&runs[index]));
        let ratio = |run: &Run| run.p99_milliseconds / nothing.p99_milliseconds;
        let (upgrades_p99_ratio, compiling_p99_ratio) = (ratio(&upgrades), ratio(&compiling));
        Row { engine, nothing, upgrades, compiling, upgrades_p99_ratio, compiling_p99_ratio }
    };
    let rows: Vec<_> = engines.iter().zip(&runs).map(row).collect();
    Ok(Section {
        name: "upgrades",
        title: format!("{} upgrades under {} deliveries/s", terms.upgrades, terms.rate as usize * DESTINATIONS),
        columns: Row::COLUMNS.to_vec(),
        rows: rows.iter().map(Row::row).collect(),
        notes: vec![format!(
            "The same load for {} s, in turns and each on a fresh data directory: with a provider that nobody touches, with one that is upgraded {} times to builds that were never compiled before, and while a component of {:.1} MB is compiled all the time. Latency is from the emission to the arrival; every delivery arrived.{} In parentheses: what is to be reached.",
            terms.seconds,
            terms.upgrades,
            count(terms.large.len()) / 1e6,
            options.idling.note(),
        )],
        data: json!({ "goals": { "p99Ratio": GOAL }, "largeBytes": terms.large.len(), "engines": rows }),
    })
}

impl Terms {
    async fn run(&self, setup: &Setup, engine: Engine, receiver: &Receiver, webhook: &[u8], meanwhile: Meanwhile) -> Result<Run> {
        let daemon = Daemon::start(setup, engine).await?;
        daemon.add(PLUGIN, webhook.to_vec()).await?;
        daemon.prepare_for(PROVIDER, &receiver.addresses, TIMEOUT_MILLISECONDS).await?;
        let load = Steady { daemon: &daemon, receiver, rate: self.rate, fan_out: DESTINATIONS };
        load.arrived(WARM_UP).await?;
        let until = Instant::now() + Duration::from_secs(self.seconds.into());
        let load = load.arrived(self.rate * self.seconds);
        let (figures, (builds, last)) = match meanwhile {
            Meanwhile::Nothing => (load.await?, (0, Duration::ZERO)),
            Meanwhile::Upgrades => tokio::try_join!(load, self.upgrade(&daemon, webhook, until))?,
            Meanwhile::Compiling => tokio::try_join!(load, self.compile(&daemon, until))?,
        };
        daemon.check_settled().await?;
        daemon.stop().await?;
        Ok(Run {
            p50_milliseconds: figures.whole_p50_milliseconds,
            p99_milliseconds: figures.whole_p99_milliseconds,
            builds: f64::from(builds),
            last_build_milliseconds: last.as_secs_f64() * 1e3,
            duplicates: figures.duplicates,
        })
    }

    /// Upgrades at even moments until the time is over.
    async fn upgrade(&self, daemon: &Daemon, webhook: &[u8], until: Instant) -> Result<(u32, Duration)> {
        let began = Instant::now();
        let (step, mut took) = ((until - began) / self.upgrades, Duration::ZERO);
        for number in 0..self.upgrades {
            tokio::time::sleep_until((began + step * number).into()).await;
            let upgrade = Instant::now();
            daemon.add(PLUGIN, variant(webhook, self.next())).await?;
            took = upgrade.elapsed();
        }
        if Instant::now() > until + Duration::from_secs(self.seconds.into()) {
            bail!("the upgrades took longer than twice the load; there was none for the last of them");
        }
        Ok((self.upgrades, took))
    }

    /// Has the large component compiled, once after the other, until the time is over.
    async fn compile(&self, daemon: &Daemon, until: Instant) -> Result<(u32, Duration)> {
        let (mut builds, mut took) = (0, Duration::ZERO);
        while Instant::now() < until {
            let upgrade = Instant::now();
            daemon.add("large", variant(&self.large, self.next())).await?;
            (builds, took) = (builds + 1, upgrade.elapsed());
        }
        Ok((builds, took))
    }

    fn next(&self) -> u32 {
        self.builds.fetch_add(1, Ordering::Relaxed)
    }
}

impl Run {
    /// The median of each figure by itself; of duplicates the most.
    fn median(runs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(runs.iter().map(figure));
        Self {
            p50_milliseconds: of(|run| run.p50_milliseconds),
            p99_milliseconds: of(|run| run.p99_milliseconds),
            builds: of(|run| run.builds),
            last_build_milliseconds: of(|run| run.last_build_milliseconds),
            duplicates: runs.iter().map(|run| run.duplicates).fold(0.0, f64::max),
        }
    }
}

impl Row {
    /// The table's columns.
    const COLUMNS: &'static [&'static str] = &[
        "engine",
        "p50 ms: nothing",
        "upgrades",
        "compiling",
        "p99 ms: nothing",
        "upgrades",
        "compiling",
        "p99 ratio: upgrades",
        "compiling",
        "ms for an upgrade",
        "compiled",
        "twice",
    ];

    fn row(&self) -> Vec<String> {
        let runs = [&self.nothing, &self.upgrades, &self.compiling];
        let each = |figure: fn(&Run) -> f64| runs.map(|run| format!("{:.2}", figure(run)));
        let ratio = |ratio: f64| GOAL.beside(ratio, &format!("{ratio:.2}"));
        let most = |figure: fn(&Run) -> f64| runs.iter().map(|run| figure(run)).fold(0.0, f64::max);
        let mut cells = vec![self.engine.to_string()];
        cells.extend(each(|run| run.p50_milliseconds));
        cells.extend(each(|run| run.p99_milliseconds));
        cells.extend([ratio(self.upgrades_p99_ratio), ratio(self.compiling_p99_ratio)]);
        cells.push(format!("{:.0}", self.upgrades.last_build_milliseconds));
        cells.push(format!("{:.0}", self.compiling.builds));
        cells.push(format!("{:.0}", most(|run| run.duplicates)));
        cells
    }
}
