//! Deliveries that had to wait: as many as a long outage leaves behind are queued while their provider is paused, the daemon
//! is started anew, and they are worked off; at what rate, next to that of an empty queue in the same run.
//!
//! The restart puts the store's opening into the measurement, and nothing of what waits is in a cache then.

use super::cell::{Cell, SETTLING};
use super::daemon::{Daemon, TIMEOUT_MILLISECONDS};
use super::emitters::{self, Load, Plan};
use super::likely_events;
use super::setup::{Choice, Engine, Setup};
use super::usage::Meter;
use crate::Common;
use crate::receiver::{Receiver, distinct};
use crate::report::{Goal, Section};
use crate::statistics::{count, median};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// Deliveries for each event, so that queueing them is a short part of the run.
const FAN_OUT: u32 = 10;
/// How many emit at once: as many for the rate of the empty queue as where that has a row of its own, more to queue.
const EMITTERS: u32 = 16;
const QUEUEING_EMITTERS: u32 = 64;
/// How often the rate of the empty queue is measured; the median counts.
const EMPTY_QUEUE_RUNS: usize = 3;
/// How long queueing may take, in seconds.
const LONGEST_QUEUEING: u32 = 3600;
/// The rate at which a backlog is worked off, as a part of that of an empty queue.
const RATE_GOAL: Goal = Goal::AtLeast(0.8);
/// Resident memory in mebibytes.
const MEMORY_GOAL: Goal = Goal::Below(1024.0);

/// What to measure.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    choice: Choice,
    /// How many deliveries are queued; 1,000,000 unless set, 50,000 with --quick. The daemon takes 2,000,000.
    #[arg(long, value_parser = clap::value_parser!(u32).range(10..=2_000_000))]
    deliveries: Option<u32>,
}

/// What the run came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    engine: Engine,
    /// Deliveries that waited.
    deliveries: f64,
    /// Deliveries queued in a second, while none was made.
    queued_per_second: f64,
    /// With an empty queue: from the first emission to the last arrival.
    empty_queue_per_second: f64,
    /// From letting go to the last arrival.
    worked_off_per_second: f64,
    /// The latter as a part of the former.
    rate_ratio: f64,
    /// The daemon's processor time for 1,000 deliveries, while it worked off.
    cpu_seconds_per_thousand: f64,
    /// The most memory that was resident before the restart, in mebibytes.
    queueing_memory_mebibytes: f64,
    /// The most that was resident after it.
    working_off_memory_mebibytes: f64,
    /// From the start of the process until it serves, with next to nothing in the store.
    empty_start_seconds: f64,
    /// The same with everything that waits.
    start_seconds: f64,
    /// Processors that everything else on the machine used, with the empty queue or while it worked off, whichever was more.
    others_cores: f64,
    /// Deliveries that arrived more than once.
    duplicates: f64,
}

/// Runs each engine once.
pub(crate) async fn run(options: &Options, common: &Common, directory: &Path) -> Result<Section> {
    let deliveries = options.deliveries.unwrap_or(if common.quick { 50_000 } else { 1_000_000 });
    let events = deliveries / FAN_OUT;
    let setup = options.choice.setup(directory)?;
    let receiver = Receiver::start(1)?;
    let mut rows = Vec::new();
    for &engine in options.choice.engines() {
        let burst = likely_events(FAN_OUT, EMITTERS) / if common.quick { 4 } else { 1 };
        let cell = Cell { engine, fan_out: FAN_OUT, emitters: EMITTERS, events: burst.min(events), seconds: 60 };
        let figures = measure(&cell, events, &setup, &receiver).await.with_context(|| format!("backlog, {engine}"))?;
        eprintln!("backlog, {engine}: {:.0} deliveries/s", figures.worked_off_per_second);
        rows.push(figures);
    }
    let goals = json!({
        "rateRatio": RATE_GOAL, "queueingMemoryMebibytes": MEMORY_GOAL, "workingOffMemoryMebibytes": MEMORY_GOAL,
    });
    Ok(Section {
        name: "backlog",
        title: format!("A backlog of {} deliveries, fan-out {FAN_OUT}; one run", events * FAN_OUT),
        columns: Figures::COLUMNS.to_vec(),
        rows: rows.iter().map(Figures::row).collect(),
        notes: vec![format!(
            "The provider is disabled, {QUEUEING_EMITTERS} emitters queue, the daemon is stopped and started, the provider is enabled. The rate of the empty queue is the median of {EMPTY_QUEUE_RUNS} bursts of {EMITTERS} emitters before that, in the same data directory. Memory is the peak of the resident set of each of both processes. Every delivery arrived. In parentheses: what is to be reached."
        )],
        data: json!({ "goals": goals, "engines": rows }),
    })
}

async fn measure(cell: &Cell, events: u32, setup: &Setup, receiver: &Receiver) -> Result<Figures> {
    let mut daemon = Daemon::start(setup, cell.engine).await?;
    daemon.prepare(&cell.places(receiver), TIMEOUT_MILLISECONDS).await?;
    let empty_start = daemon.restart(setup).await?;
    cell.warm_up(&daemon, receiver).await?;
    let mut bursts = Vec::new();
    for _ in 0..EMPTY_QUEUE_RUNS {
        bursts.push(cell.measure(&daemon, receiver).await?);
    }
    let empty_queue_per_second = median(bursts.iter().map(|burst| burst.deliveries_per_second));
    let others_cores = median(bursts.iter().map(|burst| burst.others_cores));

    daemon.hold_back().await?;
    let plan = Plan { emitters: QUEUEING_EMITTERS, events, seconds: LONGEST_QUEUEING, fan_out: FAN_OUT, per_second: None };
    let load = emitters::emit(&daemon.target, plan).await?;
    let expected = load.acknowledgements.len() * FAN_OUT as usize;
    let queueing_memory_mebibytes = daemon.peak_memory_mebibytes()?;
    let queued_per_second = count(expected) / queueing_time(&load).as_secs_f64();
    eprintln!("backlog, {}: {expected} deliveries queued, {queued_per_second:.0} deliveries/s", cell.engine);
    let start = daemon.restart(setup).await?;
    if receiver.count() > 0 {
        bail!("{} deliveries were made while their provider was disabled", receiver.count());
    }

    let (began, meter) = (Instant::now(), Meter::start(&daemon)?);
    daemon.let_go().await?;
    receiver.wait_for(expected).await?;
    tokio::time::sleep(SETTLING).await;
    let usage = meter.stop(&daemon)?;
    let working_off_memory_mebibytes = daemon.peak_memory_mebibytes()?;
    daemon.stop().await?;
    let arrivals = receiver.take();
    let distinct = distinct(&arrivals);
    if distinct != expected {
        bail!("{expected} deliveries were acknowledged, but {distinct} arrived");
    }
    let last = arrivals.iter().map(|arrival| arrival.at).max().unwrap_or(began);
    let worked_off_per_second = count(expected) / (last - began).as_secs_f64();
    Ok(Figures {
        engine: cell.engine,
        deliveries: count(expected),
        queued_per_second,
        empty_queue_per_second,
        worked_off_per_second,
        rate_ratio: worked_off_per_second / empty_queue_per_second,
        cpu_seconds_per_thousand: usage.daemon_seconds / (count(expected) / 1e3),
        queueing_memory_mebibytes,
        working_off_memory_mebibytes,
        empty_start_seconds: empty_start.as_secs_f64(),
        start_seconds: start.as_secs_f64(),
        others_cores: others_cores.max(usage.others_cores),
        duplicates: count(arrivals.len() - distinct),
    })
}

/// From the first emission to the last acknowledgement.
fn queueing_time(load: &Load) -> Duration {
    load.acknowledgements.iter().map(|one| one.acknowledged - load.began).max().unwrap_or_default()
}

impl Figures {
    /// The table's columns.
    const COLUMNS: &'static [&'static str] = &[
        "engine",
        "deliveries",
        "queued/s",
        "empty queue/s",
        "worked off/s",
        "ratio",
        "CPU-s per 1,000",
        "RSS MiB queueing",
        "RSS MiB working off",
        "start s empty / full",
        "others' cores",
        "twice",
    ];

    fn row(&self) -> Vec<String> {
        let (queueing, working_off) = (self.queueing_memory_mebibytes, self.working_off_memory_mebibytes);
        vec![
            self.engine.to_string(),
            format!("{:.0}", self.deliveries),
            format!("{:.0}", self.queued_per_second),
            format!("{:.0}", self.empty_queue_per_second),
            format!("{:.0}", self.worked_off_per_second),
            RATE_GOAL.beside(self.rate_ratio, &format!("{:.2}", self.rate_ratio)),
            format!("{:.3}", self.cpu_seconds_per_thousand),
            MEMORY_GOAL.beside(queueing, &format!("{queueing:.0}")),
            MEMORY_GOAL.beside(working_off, &format!("{working_off:.0}")),
            format!("{:.2} / {:.2}", self.empty_start_seconds, self.start_seconds),
            format!("{:.2}", self.others_cores),
            format!("{:.0}", self.duplicates),
        ]
    }
}
