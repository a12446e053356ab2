//! Who used the processors meanwhile.

use super::daemon::Daemon;
use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// What was used when the measurement began.
pub(super) struct Meter {
    began: Instant,
    machine: f64,
    daemon: f64,
    own: f64,
}

/// What was used during a measurement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// The daemon's processor time, in seconds.
    pub(super) daemon_seconds: f64,
    /// That of this process in seconds: emitters and receivers.
    pub(super) own_seconds: f64,
    /// How many processors everything else on the machine used, the kernel's own threads included. Above about 0.2 the
    /// measurement was disturbed.
    pub(super) others_cores: f64,
}

impl Meter {
    /// Begins.
    ///
    /// # Errors
    /// The daemon ended.
    pub(super) fn start(daemon: &Daemon) -> Result<Self> {
        let (began, machine) = (Instant::now(), machine_seconds()?);
        Ok(Self { began, machine, daemon: daemon.cpu_seconds()?, own: own_seconds() })
    }

    /// Ends, with the same process of the daemon.
    ///
    /// # Errors
    /// The daemon ended.
    pub(super) fn stop(self, daemon: &Daemon) -> Result<Usage> {
        let (daemon, own) = (daemon.cpu_seconds()? - self.daemon, own_seconds() - self.own);
        let others = (machine_seconds()? - self.machine - daemon - own).max(0.0);
        let others_cores = others / self.began.elapsed().as_secs_f64();
        Ok(Usage { daemon_seconds: daemon, own_seconds: own, others_cores })
    }
}

/// How many ticks of `/proc` are a second.
pub(super) fn ticks_per_second() -> f64 {
    u32::try_from(rustix::param::clock_ticks_per_second()).map_or(100.0, f64::from)
}

/// The processor time of everything on the machine so far, in seconds: user, nice, system, interrupts.
fn machine_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    // user nice system idle iowait irq softirq …
    let used = line.split_whitespace().skip(1).enumerate().filter(|(index, _)| [0, 1, 2, 5, 6].contains(index));
    Ok(used.filter_map(|(_, ticks)| ticks.parse::<f64>().ok()).sum::<f64>() / ticks_per_second())
}

/// The processor time of this process so far, in seconds.
pub(crate) fn own_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default()).as_secs_f64()
}
