//! One measurement: an engine, a fan-out, a number of emitters.

use super::daemon::{Daemon, TIMEOUT_MILLISECONDS};
use super::emitters::{self, Load, Plan};
use super::figures::Figures;
use super::setup::{Engine, Setup};
use super::usage::Meter;
use crate::receiver::{Receiver, distinct};
use crate::statistics::count;
use anyhow::{Result, bail};
use serde::Serialize;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// How long to wait after the last arrival: for outcomes to be recorded, whose CPU time counts, and for duplicates.
pub(super) const SETTLING: Duration = Duration::from_millis(200);
/// Events before a measurement: connections are made, pages are touched.
pub(super) const WARM_UP: u32 = 64;

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
    /// Runs it once, on a daemon of its own.
    ///
    /// # Errors
    /// The daemon does not start or refuses something, or a delivery does not arrive.
    pub(super) async fn run(&self, setup: &Setup, receiver: &Receiver) -> Result<Figures> {
        let daemon = Daemon::start(setup, self.engine).await?;
        daemon.prepare(&self.places(receiver), TIMEOUT_MILLISECONDS).await?;
        self.warm_up(&daemon, receiver).await?;
        let figures = self.measure(&daemon, receiver).await?;
        daemon.stop().await?;
        Ok(figures)
    }

    /// Where the deliveries of an event go: all to one destination.
    pub(super) fn places(&self, receiver: &Receiver) -> Vec<SocketAddr> {
        vec![receiver.addresses[0]; self.fan_out as usize]
    }

    /// What is not measured.
    ///
    /// # Errors
    /// A delivery does not arrive.
    pub(super) async fn warm_up(&self, daemon: &Daemon, receiver: &Receiver) -> Result<()> {
        let load = self.emit(daemon, WARM_UP).await?;
        receiver.wait_for(self.deliveries(&load)).await?;
        tokio::time::sleep(SETTLING).await;
        receiver.take();
        Ok(())
    }

    /// One burst, on a daemon that has nothing else to do.
    ///
    /// # Errors
    /// A delivery does not arrive or fails.
    pub(super) async fn measure(&self, daemon: &Daemon, receiver: &Receiver) -> Result<Figures> {
        let (connections, meter) = (receiver.connections(), Meter::start(daemon)?);
        let load = self.emit(daemon, self.events).await?;
        let expected = self.deliveries(&load);
        receiver.wait_for(expected).await?;
        tokio::time::sleep(SETTLING).await;
        let usage = meter.stop(daemon)?;
        let connections = receiver.connections() - connections;

        let memory = daemon.peak_memory_mebibytes()?;
        daemon.check_settled().await?;
        let arrivals = receiver.take();
        let distinct = distinct(&arrivals);
        if distinct != expected {
            bail!("{expected} deliveries were acknowledged, but {distinct} arrived");
        }
        let mut figures = Figures::of(&load, &arrivals)?;
        let thousands = count(expected) / 1e3;
        figures.cpu_seconds_per_thousand = usage.daemon_seconds / thousands;
        figures.load_cpu_seconds_per_thousand = usage.own_seconds / thousands;
        figures.peak_memory_mebibytes = memory;
        figures.others_cores = usage.others_cores;
        figures.duplicates = count(arrivals.len() - distinct);
        figures.connections = count(connections);
        Ok(figures)
    }

    async fn emit(&self, daemon: &Daemon, events: u32) -> Result<Load> {
        let Self { fan_out, emitters, seconds, .. } = *self;
        emitters::emit(&daemon.target, Plan { emitters, events, seconds, fan_out, per_second: None }).await
    }

    fn deliveries(&self, load: &Load) -> usize {
        load.acknowledgements.len() * self.fan_out as usize
    }
}
