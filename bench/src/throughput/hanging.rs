//! Neighbours that hang: each event goes to ten destinations, of which two go on answering like the rest, or stop. What the
//! eight healthy ones notice of it, at a steady rate that leaves the machine room.
//!
//! They hang only after the warm-up: a destination that was quick so far has more deliveries on their way to it than one of
//! which nothing is known.

use super::awake::Idling;
use super::cell::WARM_UP;
use super::daemon::{Daemon, TIMEOUT_MILLISECONDS};
use super::setup::{Choice, Engine, Setup};
use super::steady::Steady;
use crate::Common;
use crate::receiver::Receiver;
use crate::report::{Goal, Section};
use crate::statistics::{count, median};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;

/// Destinations that always answer, and those that may hang.
const HEALTHY: usize = 8;
const OTHERS: usize = 2;
/// The p99 of healthy deliveries beside hanging ones, as a multiple of what it is without.
const GOAL: Goal = Goal::AtMost(1.5);

/// What to measure.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    idling: Idling,
    /// Events a second, of which each makes ten deliveries; 100 unless set.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: Option<u32>,
    /// How long a run lasts, in seconds; 15 unless set, 4 with --quick.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: Option<u32>,
    /// How long the provider waits for an answer, in milliseconds; 10,000 unless set, 1,000 with --quick.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1_000..=60_000))]
    timeout: Option<u32>,
}

/// How a run is made.
struct Terms {
    rate: u32,
    seconds: u32,
    timeout_milliseconds: u32,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    /// Events that were acknowledged in a second.
    events_per_second: f64,
    /// Healthy deliveries, from sending an emission to the arrival. From the acknowledgement it would be 0 for those that overtake
    /// it.
    p50_milliseconds: f64,
    p99_milliseconds: f64,
    /// Requests that the two others received after the warm-up.
    others_requests: f64,
}

/// An engine's medians.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    engine: Engine,
    answering: Run,
    hanging: Run,
    p99_ratio: f64,
}

/// Runs each engine as often as asked, with and without hanging destinations in turns.
pub(crate) async fn run(options: &Options, common: &Common, directory: &Path) -> Result<Section> {
    let or = |chosen: Option<u32>, usual: u32, quick: u32| chosen.unwrap_or(if common.quick { quick } else { usual });
    let terms = Terms {
        rate: options.rate.unwrap_or(100),
        seconds: or(options.seconds, 15, 4),
        timeout_milliseconds: or(options.timeout, TIMEOUT_MILLISECONDS, 1_000),
    };
    let setup = options.choice.setup(directory)?;
    let _awake = options.idling.begin()?;
    let healthy = Receiver::start(HEALTHY)?;
    let others = Receiver::start(OTHERS)?;
    let engines = options.choice.engines();
    let mut runs: Vec<[Vec<Run>; 2]> = engines.iter().map(|_| Default::default()).collect();
    for number in 1..=common.runs {
        for (&engine, runs) in engines.iter().zip(&mut runs) {
            for (runs, hang) in runs.iter_mut().zip([false, true]) {
                let what = format!("run {number} of {}, {engine}, {}", common.runs, if hang { "two hang" } else { "all answer" });
                let run = terms.run(&setup, engine, [&healthy, &others], hang).await.with_context(|| what.clone())?;
                eprintln!("{what}: p99 {:.2} ms", run.p99_milliseconds);
                runs.push(run);
            }
        }
    }
    let row = |(&engine, runs): (&Engine, &[Vec<Run>; 2])| {
        let [answering, hanging] = [0, 1].map(|index| Run::median(&runs[index]));
        Row { engine, answering, hanging, p99_ratio: hanging.p99_milliseconds / answering.p99_milliseconds }
    };
    let rows: Vec<_> = engines.iter().zip(&runs).map(row).collect();
    Ok(Section {
        name: "hanging",
        title: format!("Beside destinations that hang: {HEALTHY} healthy ones, {} events/s", terms.rate),
        columns: Row::COLUMNS.to_vec(),
        rows: rows.iter().map(Row::row).collect(),
        notes: vec![format!(
            "Each event goes to ten destinations. After a warm-up two of them go on like the rest, or take requests and never answer, until the provider gives up after {} s; in turns, each on a fresh data directory, {} s long. Latency is that of the eight healthy ones, from the emission to the arrival. Every one of their deliveries arrived.{} In parentheses: what is to be reached.",
            f64::from(terms.timeout_milliseconds) / 1e3,
            terms.seconds,
            options.idling.note(),
        )],
        data: json!({ "goals": { "p99Ratio": GOAL }, "engines": rows }),
    })
}

impl Terms {
    async fn run(&self, setup: &Setup, engine: Engine, [healthy, others]: [&Receiver; 2], hang: bool) -> Result<Run> {
        let daemon = Daemon::start(setup, engine).await?;
        let places: Vec<SocketAddr> = healthy.addresses.iter().chain(&others.addresses).copied().collect();
        daemon.prepare(&places, self.timeout_milliseconds).await?;
        others.hang(false);
        let load = Steady { daemon: &daemon, receiver: healthy, rate: self.rate, fan_out: HEALTHY + OTHERS };
        load.arrived(WARM_UP).await?;
        others.wait_for(WARM_UP as usize * OTHERS).await?;
        others.take();
        others.hang(hang);
        let figures = load.arrived(self.rate * self.seconds).await?;
        // With requests that hang there is no orderly stop before their timeout.
        drop(daemon);
        let requests = others.take().len();
        if requests == 0 {
            bail!("nothing was sent to two of the destinations");
        }
        Ok(Run {
            events_per_second: figures.events_per_second,
            p50_milliseconds: figures.whole_p50_milliseconds,
            p99_milliseconds: figures.whole_p99_milliseconds,
            others_requests: count(requests),
        })
    }
}

impl Run {
    /// The median of each figure by itself.
    fn median(runs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(runs.iter().map(figure));
        Self {
            events_per_second: of(|run| run.events_per_second),
            p50_milliseconds: of(|run| run.p50_milliseconds),
            p99_milliseconds: of(|run| run.p99_milliseconds),
            others_requests: of(|run| run.others_requests),
        }
    }
}

impl Row {
    /// The table's columns.
    const COLUMNS: &'static [&'static str] = &[
        "engine",
        "acked/s",
        "p50 ms: all answer",
        "two hang",
        "p99 ms: all answer",
        "two hang",
        "p99 ratio",
        "requests that hung",
    ];

    fn row(&self) -> Vec<String> {
        let Self { engine, answering, hanging, p99_ratio } = self;
        vec![
            engine.to_string(),
            format!("{:.0}", hanging.events_per_second),
            format!("{:.2}", answering.p50_milliseconds),
            format!("{:.2}", hanging.p50_milliseconds),
            format!("{:.2}", answering.p99_milliseconds),
            format!("{:.2}", hanging.p99_milliseconds),
            GOAL.beside(*p99_ratio, &format!("{p99_ratio:.2}")),
            format!("{:.0}", hanging.others_requests),
        ]
    }
}
