//! One measurement: an engine, a fan-out, a number of emitters.

use super::daemon::{Daemon, Setup, machine_cpu_seconds};
use super::emitters::{self, Plan};
use super::figures::Figures;
use crate::receiver::Receiver;
use crate::statistics::count;
use anyhow::{Result, bail};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, Instant};

/// How long deliveries may take to arrive after the last acknowledgement.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait after the last arrival: for outcomes to be recorded, whose CPU time counts, and for duplicates.
const SETTLING: Duration = Duration::from_millis(200);
/// Events before the measurement: connections are made, pages are touched.
const WARM_UP: u32 = 64;

/// The store's engine.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Engine {
    Sled,
    Redb,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        })
    }
}

/// What is measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cell {
    pub(super) engine: Engine,
    /// Deliveries for each event.
    pub(super) fan_out: u32,
    /// How many emit at once, each on a connection of its own.
    pub(super) emitters: u32,
    /// Events at most.
    #[serde(skip)]
    pub(super) events: u32,
    /// Seconds of emitting at most.
    #[serde(skip)]
    pub(super) seconds: u32,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, fan-out {}, {} emitters", self.engine, self.fan_out, self.emitters)
    }
}

impl Cell {
    /// Runs it once.
    ///
    /// # Errors
    /// The daemon does not start or refuses something, or a delivery does not arrive.
    pub(super) async fn run(&self, setup: &Setup, receiver: &Receiver) -> Result<Figures> {
        let daemon = Daemon::start(setup, self.engine).await?;
        daemon.prepare(receiver.address, self.fan_out).await?;
        let plan = |events| Plan { emitters: self.emitters, events, seconds: self.seconds, fan_out: self.fan_out };
        let warm_up = emitters::emit(&daemon.target, plan(WARM_UP)).await?;
        self.wait_for(receiver, warm_up.acknowledgements.len()).await?;
        tokio::time::sleep(SETTLING).await;
        receiver.take();

        let connections = receiver.connections();
        let (began, machine) = (Instant::now(), machine_cpu_seconds()?);
        let (cpu, own) = (daemon.cpu_seconds()?, own_cpu_seconds());
        let load = emitters::emit(&daemon.target, plan(self.events)).await?;
        self.wait_for(receiver, load.acknowledgements.len()).await?;
        tokio::time::sleep(SETTLING).await;
        let (cpu, own) = (daemon.cpu_seconds()? - cpu, own_cpu_seconds() - own);
        let others = (machine_cpu_seconds()? - machine - cpu - own).max(0.0) / began.elapsed().as_secs_f64();
        let connections = receiver.connections() - connections;

        let memory = daemon.peak_memory_bytes()?;
        daemon.check_settled().await?;
        let arrivals = receiver.take();
        let distinct = arrivals.iter().map(|arrival| &*arrival.delivery).collect::<HashSet<_>>().len();
        let expected = self.deliveries(load.acknowledgements.len());
        if distinct != expected {
            bail!("{expected} deliveries were acknowledged, but {distinct} arrived");
        }
        daemon.stop().await?;
        let mut figures = Figures::of(&load, &arrivals)?;
        let thousands = count(expected) / 1e3;
        figures.cpu_seconds_per_thousand = cpu / thousands;
        figures.load_cpu_seconds_per_thousand = own / thousands;
        figures.peak_memory_mebibytes = memory / f64::from(1 << 20);
        figures.others_cores = others;
        figures.duplicates = count(arrivals.len() - distinct);
        figures.connections = count(connections);
        Ok(figures)
    }

    fn deliveries(&self, events: usize) -> usize {
        events * self.fan_out as usize
    }

    async fn wait_for(&self, receiver: &Receiver, events: usize) -> Result<()> {
        let expected = self.deliveries(events);
        let deadline = Instant::now() + PATIENCE;
        while receiver.count() < expected {
            if Instant::now() > deadline {
                bail!("{} of {expected} deliveries arrived within {} s", receiver.count(), PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }
}

/// The processor time of this process in seconds: emitters and receiver.
fn own_cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default()).as_secs_f64()
}
