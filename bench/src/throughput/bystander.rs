//! A process of another program that gives way as compiling does: it starts, fills memory, computes for a while and ends. What
//! deliveries suffer beside it is the machine's and its kernel's doing, and tells how much of what they suffer beside an upgrade is
//! the daemon's.

use anyhow::{Context, Result};
use rustix::process::setpriority_process;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The command of this program that is one.
const COMMAND: &str = "bystander";
/// That of compiling.
const NICENESS: i32 = 15;
/// About what compiling the webhook provider takes: 0.34 s with one thread on 2 cores of a Sapphire Rapids, and 36 MiB.
const COMPUTING: Duration = Duration::from_millis(340);
const BYTES: usize = 36 << 20;

/// Starts one and waits for its end.
///
/// # Errors
/// It cannot be started, or fails.
pub(super) async fn run() -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(COMMAND).stdin(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || command.status()).await?;
    let status = ended.context("a second process cannot be started")?;
    anyhow::ensure!(status.success(), "the process beside the daemon ended with {status}");
    Ok(())
}

/// What the process does.
///
/// # Errors
/// Its priority cannot be lowered.
pub(crate) fn work() -> Result<()> {
    setpriority_process(None, NICENESS)?;
    let mut memory = black_box(vec![1_u8; BYTES]);
    let mut place = 1_usize;
    while Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))? < COMPUTING {
        for _ in 0..1000 {
            // A linear congruential generator, so that no place is in a cache (Numerical Recipes, 7.1).
            place = place.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            memory[place % BYTES] ^= 1;
        }
    }
    black_box(memory);
    Ok(())
}
