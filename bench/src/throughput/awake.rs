//! Processors that do not go idle while latencies are compared.
//!
//! Some virtual machines' processors are given to others when they have nothing to do, and come back milliseconds late: seen as a
//! p99 of 20 ms of a load that has 2 ms when the machine is busy. What is compared would then be how busy the machine was. There,
//! something can run on every processor that gives way to whatever else wants it. Elsewhere it must not: what wakes finds no
//! processor free then, and waits for the kernel's next tick now and then.

use anyhow::{Context, Result};
use clap::Args;
use std::process::{Child, Command, Stdio};

/// Whether processors may go idle.
#[derive(Debug, Default, Args)]
pub(super) struct Idling {
    /// Let no processor go idle, by something that gives way to all else: for virtual machines that are slow without any load.
    #[arg(long)]
    awake: bool,
}

impl Idling {
    /// Keeps processors awake for as long as what it returns lives, if that is wanted.
    ///
    /// # Errors
    /// As [`Awake::start`].
    pub(super) fn begin(&self) -> Result<Option<Awake>> {
        self.awake.then(Awake::start).transpose()
    }

    /// What a report says of it.
    pub(super) fn note(&self) -> &'static str {
        if self.awake { " Meanwhile no processor went idle: each had something to run that gave way to all else." } else { "" }
    }
}

/// For as long as it lives. It does not outlive this process.
pub(super) struct Awake(Vec<Child>);

impl Awake {
    /// Begins, with a process for each processor.
    ///
    /// # Errors
    /// There is no `chrt`, which is in util-linux, or no `sh`.
    fn start() -> Result<Self> {
        // SCHED_IDLE: preempted by any other process that wakes (sched(7)).
        let spin = || {
            Command::new("chrt")
                .args(["--idle", "0", "sh", "-c", "while kill -0 $PPID; do :; done"])
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
        };
        let processors = std::thread::available_parallelism()?.get();
        let mut awake = Self(Vec::with_capacity(processors));
        for _ in 0..processors {
            awake.0.push(spin().context("`chrt`, which keeps processors from going idle, cannot be run; install util-linux")?);
        }
        Ok(awake)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for process in &mut self.0 {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
