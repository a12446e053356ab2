//! Upgrades under load: the same steady load on a provider that nobody touches, beside processes of another program, on a provider
//! that is upgraded again and again, and beside a large component that is compiled all the time. Each upgrade is to a build that was
//! never compiled before, though the compiling process knows its functions from the build before.

use super::awake::Idling;
use super::bystander;
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
    /// How long a run lasts, in seconds; 60 unless set, 4 with --quick.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: Option<u32>,
    /// Upgrades in a run; 50 unless set.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    upgrades: Option<u32>,
    /// The large component: one of JavaScript, say. Unless set, one of 17 MB is made that does nothing.
    #[arg(long, value_name = "FILE")]
    large: Option<PathBuf>,
}

/// What happens during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    /// A process of another program starts whenever there would be an upgrade.
    Bystanders,
    Upgrades,
    Compiling,
}

impl Meanwhile {
    const ALL: [Self; 4] = [Self::Nothing, Self::Bystanders, Self::Upgrades, Self::Compiling];
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
    /// Builds that were put in force meanwhile, or processes that ran.
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
    bystanders: Run,
    upgrades: Run,
    compiling: Run,
    bystanders_p99_ratio: f64,
    upgrades_p99_ratio: f64,
    compiling_p99_ratio: f64,
}

/// Runs each engine as often as asked, the four in turns.
pub(crate) async fn run(options: &Options, common: &Common, directory: &Path) -> Result<Section> {
    let webhook = webhook()?;
    let large = match &options.large {
        Some(file) => std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?,
        None => heavy(&webhook, FUNCTIONS),
    };
    let terms = Terms {
        rate: options.rate.unwrap_or(100),
        seconds: options.seconds.unwrap_or(if common.quick { 4 } else { 60 }),
        upgrades: options.upgrades.unwrap_or(50),
        large,
        builds: AtomicU32::new(0),
    };
    let setup = options.choice.setup(directory)?;
    let _awake = options.idling.begin()?;
    let receiver = Receiver::start(DESTINATIONS)?;
    let engines = options.choice.engines();
    let mut runs: Vec<[Vec<Run>; 4]> = engines.iter().map(|_| Default::default()).collect();
    for number in 1..=common.runs {
        for (&engine, runs) in engines.iter().zip(&mut runs) {
            for (runs, meanwhile) in runs.iter_mut().zip(Meanwhile::ALL) {
                let what = format!("run {number} of {}, {engine}, {meanwhile:?}", common.runs);
                let run = terms.run(&setup, engine, &receiver, &webhook, meanwhile).await.with_context(|| what.clone())?;
                eprintln!("{what}: p99 {:.2} ms, {} times", run.p99_milliseconds, run.builds);
                runs.push(run);
            }
        }
    }
    let row = |(&engine, runs): (&Engine, &[Vec<Run>; 4])| {
        let [nothing, bystanders, upgrades, compiling] = [0, 1, 2, 3].map(|index| Run::median(&runs[index]));
        let ratio = |run: &Run| run.p99_milliseconds / nothing.p99_milliseconds;
        let [bystanders_p99_ratio, upgrades_p99_ratio, compiling_p99_ratio] = [&bystanders, &upgrades, &compiling].map(ratio);
        Row { engine, nothing, bystanders, upgrades, compiling, bystanders_p99_ratio, upgrades_p99_ratio, compiling_p99_ratio }
    };
    let rows: Vec<_> = engines.iter().zip(&runs).map(row).collect();
    Ok(Section {
        name: "upgrades",
        title: format!("{} upgrades under {} deliveries/s", terms.upgrades, terms.rate as usize * DESTINATIONS),
        columns: Row::COLUMNS.to_vec(),
        rows: rows.iter().map(Row::row).collect(),
        notes: vec![format!(
            "The same load for {} s, in turns and each on a fresh data directory: with a provider that nobody touches, with that beside {} processes of another program that give way as compiling does and compute as long, with a provider that is upgraded as often to builds that are in no cache and differ from those before by a few bytes, so that the compiler knows their functions, and while a component of {:.1} MB is compiled all the time. Latency is from the emission to the arrival; every delivery arrived.{} In parentheses: what is to be reached.",
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
            Meanwhile::Bystanders => tokio::try_join!(load, self.again_and_again(until, bystander::run))?,
            Meanwhile::Upgrades => {
                let upgrade = || daemon.add(PLUGIN, variant(webhook, self.next()));
                tokio::try_join!(load, self.again_and_again(until, upgrade))?
            }
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

    /// Does this at even moments, as often as there are upgrades. Answers with how often, and how long it took the last time.
    async fn again_and_again<F: Future<Output = Result<()>>>(
        &self,
        until: Instant,
        work: impl Fn() -> F,
    ) -> Result<(u32, Duration)> {
        let began = Instant::now();
        let (step, mut took) = ((until - began) / self.upgrades, Duration::ZERO);
        // Each a little later than even, so that they meet emissions in every phase of those.
        let phase = Duration::from_secs(1) / self.rate / self.upgrades;
        for number in 0..self.upgrades {
            tokio::time::sleep_until((began + (step + phase) * number).into()).await;
            let one = Instant::now();
            work().await?;
            took = one.elapsed();
        }
        if Instant::now() > until + Duration::from_secs(self.seconds.into()) {
            bail!("the upgrades, or what stands for them, took longer than twice the load; there was none for the last of them");
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
        "bystanders",
        "upgrades",
        "compiling",
        "p99 ms: nothing",
        "bystanders",
        "upgrades",
        "compiling",
        "p99 ratio: bystanders",
        "upgrades",
        "compiling",
        "ms for an upgrade",
        "compiled",
        "twice",
    ];

    fn row(&self) -> Vec<String> {
        let runs = [&self.nothing, &self.bystanders, &self.upgrades, &self.compiling];
        let each = |figure: fn(&Run) -> f64| runs.map(|run| format!("{:.2}", figure(run)));
        let ratio = |ratio: f64| GOAL.beside(ratio, &format!("{ratio:.2}"));
        let most = |figure: fn(&Run) -> f64| runs.iter().map(|run| figure(run)).fold(0.0, f64::max);
        let mut cells = vec![self.engine.to_string()];
        cells.extend(each(|run| run.p50_milliseconds));
        cells.extend(each(|run| run.p99_milliseconds));
        cells.push(format!("{:.2}", self.bystanders_p99_ratio));
        cells.extend([ratio(self.upgrades_p99_ratio), ratio(self.compiling_p99_ratio)]);
        cells.push(format!("{:.0}", self.upgrades.last_build_milliseconds));
        cells.push(format!("{:.0}", self.compiling.builds));
        cells.push(format!("{:.0}", most(|run| run.duplicates)));
        cells
    }
}
