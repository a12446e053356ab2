//! Letting others run.
//!
//! A thread that got a processor keeps it until the kernel's next tick, 4 ms on a server's usual kernel, though a delivery waits for
//! that processor and has the higher priority: the kernel looks at a tick, or when the thread gives the processor up. Seen with
//! traces of the scheduler; with the processor given up twice a millisecond, the p99 of deliveries beside 50 upgrades
//! in 15 s fell from 2.4 times what it is without to 1.5 times.

use std::io;
use std::ptr::null_mut;

/// How often a process that compiles gives its processor up, in microseconds: two thousand times a second. When nobody else wants it,
/// that costs less than a thousandth of the time.
const MICROSECONDS: libc::suseconds_t = 500;

/// How much is done at once of what goes byte by byte: 64 KiB, tens of microseconds.
pub(super) const PART: usize = 64 << 10;

/// To be called between the parts of long work.
pub(crate) fn let_others_run() {
    std::thread::yield_now();
}

/// The bytes, part by part, where others run in between.
pub(crate) fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(PART).inspect(|_| let_others_run())
}

/// As long as this is there, the first thread of this process gives its processor up again and again, whatever it does. Others that
/// compile beside it do so between two functions, and there are others only where there are more than two processors.
pub(super) struct Turns(());

impl Turns {
    pub(super) fn begin() -> io::Result<Self> {
        handle()?;
        alarm(MICROSECONDS)?;
        Ok(Self(()))
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        // It was possible to set it, so it is possible to stop it.
        let _ = alarm(0);
    }
}

/// What the alarm does.
extern "C" fn give_up(_: libc::c_int) {
    let_others_run();
}

#[expect(unsafe_code, reason = "the standard library sets no handler of a signal")]
fn handle() -> io::Result<()> {
    let handler: extern "C" fn(libc::c_int) = give_up;
    // SAFETY: all zeroes are a value of the structure: no flags, and no signal blocked. The handler makes one system call that
    // touches nothing of the process, not even `errno`, since it never fails (sched_yield(2)).
    let done = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGALRM, &raw const action, null_mut())
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends this process SIGALRM so often from now on; never, if it is 0.
#[expect(unsafe_code, reason = "the standard library has no timer that sends a signal")]
fn alarm(microseconds: libc::suseconds_t) -> io::Result<()> {
    let every = libc::timeval { tv_sec: 0, tv_usec: microseconds };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: the structure lives during the call, and the earlier value is not asked for.
    let done = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, null_mut()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_all_of_it_in_order() {
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * PART + 7).collect();
        assert_eq!(parts(&bytes).map(<[u8]>::len).collect::<Vec<_>>(), [PART, PART, PART, 7]);
        assert_eq!(parts(&bytes).flatten().copied().collect::<Vec<_>>(), bytes);
        assert_eq!(parts(&[]).count(), 0);
    }
}
