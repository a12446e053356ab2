//! Processors that do not go idle while latencies are compared.
//!
//! A virtual machine's processor that has nothing to do is given to others, and comes back milliseconds late now and then: seen here
//! as a p99 of 20 ms of a load that has 2 ms when the machine is busy. What is compared would then be how busy the machine was.
//! So something runs on every processor that gives way at once to whatever else wants it.

use anyhow::{Context, Result};
use std::process::{Child, Command, Stdio};

/// For as long as it lives. It does not outlive this process.
pub(super) struct Awake(Vec<Child>);

impl Awake {
    /// Begins, with a process for each processor.
    ///
    /// # Errors
    /// There is no `chrt`, which is in util-linux, or no `sh`.
    pub(super) fn start() -> Result<Self> {
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
