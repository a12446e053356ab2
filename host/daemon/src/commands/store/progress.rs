//! What a long command shows on a terminal, and how it ends early. Off a terminal nothing is shown.

use crate::commands::serve::Stop;
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(200);

/// A line on stderr that changes; it is gone when this is dropped.
pub(in crate::commands) struct Progress(ProgressBar);

impl Progress {
    /// One that tells what is set with [`tell`](Self::tell).
    pub(super) fn of_text(doing: &'static str) -> Result<Self> {
        Self::new(ProgressBar::new_spinner(), "{prefix} {elapsed} {msg}", doing)
    }

    /// One that tells how many bytes went through, and of how many if that is known.
    pub(super) fn of_bytes(doing: &'static str, total: Option<u64>) -> Result<Self> {
        match total {
            Some(total) => Self::new(ProgressBar::new(total), "{prefix} {elapsed} {bytes} of {total_bytes} ({percent} %)", doing),
            None => Self::new(ProgressBar::new_spinner(), "{prefix} {elapsed} {bytes} ({bytes_per_sec})", doing),
        }
    }

    /// One that tells how many of a total there are so far, or only how many if the total is not known.
    pub(in crate::commands) fn of_count(doing: &'static str, total: Option<u64>) -> Result<Self> {
        match total {
            Some(total) => Self::new(ProgressBar::new(total), "{prefix} {elapsed} {pos} of {len} ({percent} %)", doing),
            None => Self::new(ProgressBar::new_spinner(), "{prefix} {elapsed} {pos}", doing),
        }
    }

    fn new(bar: ProgressBar, template: &str, doing: &'static str) -> Result<Self> {
        bar.set_style(ProgressStyle::with_template(template)?);
        bar.set_prefix(doing);
        bar.enable_steady_tick(INTERVAL);
        Ok(Self(bar))
    }

    pub(super) fn tell(&self, text: String) {
        self.0.set_message(text);
    }

    /// Tells how many there are by now.
    pub(in crate::commands) fn reach(&self, count: u64) {
        self.0.set_position(count);
    }

    /// Counts what is read or written.
    pub(super) fn meter<T>(&self, inner: T, stopped: &Stopped) -> Metered<T> {
        Metered { inner, bar: self.0.clone(), stopped: stopped.0.clone() }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Whether a signal asked to end; reading and writing then fails, so that what was begun is tidied up.
pub(super) struct Stopped(Arc<AtomicBool>);

impl Stopped {
    /// Listens to SIGTERM and SIGINT from now on.
    pub(super) fn listen() -> Result<Self> {
        let mut stop = Stop::new()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let setter = stopped.clone();
        tokio::spawn(async move {
            stop.asked().await;
            setter.store(true, Ordering::Relaxed);
        });
        Ok(Self(stopped))
    }
}

/// A reader or a writer whose bytes are counted.
pub(super) struct Metered<T> {
    inner: T,
    bar: ProgressBar,
    stopped: Arc<AtomicBool>,
}

impl<T> Metered<T> {
    fn count(&self, done: io::Result<usize>) -> io::Result<usize> {
        self.go_on()?;
        let bytes = done?;
        self.bar.inc(u64::try_from(bytes).unwrap_or(0));
        Ok(bytes)
    }

    fn go_on(&self) -> io::Result<()> {
        if self.stopped.load(Ordering::Relaxed) { Err(io::Error::other("it was ended by a signal")) } else { Ok(()) }
    }
}

impl<T: Read> Read for Metered<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let done = self.inner.read(buffer);
        self.count(done)
    }
}

impl<T: Write> Write for Metered<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.inner.write(bytes);
        self.count(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
