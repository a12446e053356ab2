//! What a guest writes: through the contract's `log`, or through WASI's stdout and stderr.

use crate::limits::Limits;
use postern_core::delivery::{Level, LogLine};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// The lines of one call. Cheap to clone; clones share the lines.
#[derive(Clone)]
pub struct Log(Arc<Mutex<Lines>>);

struct Lines {
    lines: Vec<LogLine>,
    most_lines: usize,
    most_bytes: usize,
    dropped: usize,
    /// What a guest said last before it trapped.
    last_words: Option<String>,
}

impl Log {
    /// An empty log with its bounds.
    pub fn new(limits: &Limits) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            lines: Vec::new(),
            most_lines: limits.log_lines,
            most_bytes: limits.log_line_bytes,
            dropped: 0,
            last_words: None,
        })))
    }

    /// Adds a line, cut at its bound; counts it as dropped when there are enough.
    pub fn write(&self, level: Level, message: &str) {
        let mut lines = self.lock();
        if lines.lines.len() >= lines.most_lines {
            lines.dropped += 1;
            return;
        }
        let message = cut(message, lines.most_bytes).to_owned();
        lines.lines.push(LogLine { level, message });
    }

    /// Adds a line of the host's own, unless it only says again what the last line says.
    pub(crate) fn note(&self, level: Level, message: &str) {
        let said = {
            let lines = self.lock();
            let message = cut(message, lines.most_bytes);
            lines.lines.last().is_some_and(|last| last.level == level && last.message == message)
        };
        if !said {
            self.write(level, message);
        }
    }

    /// Remembers why the guest is about to trap.
    pub fn fatal(&self, message: &str) {
        let mut lines = self.lock();
        lines.last_words = Some(cut(message, lines.most_bytes).to_owned());
    }

    /// The lines so far, with a last one that counts those which were dropped; and the last words.
    pub fn take(&self) -> (Vec<LogLine>, Option<String>) {
        let mut lines = self.lock();
        let mut taken = std::mem::take(&mut lines.lines);
        if lines.dropped > 0 {
            let message = format!("{} more lines were dropped: at most {} are kept", lines.dropped, lines.most_lines);
            taken.push(LogLine { level: Level::Warn, message });
        }
        (taken, lines.last_words.take())
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The longest beginning of a text that has at most so many bytes.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// WASI's stdout or stderr, each line of which becomes a line of the log.
#[derive(Clone)]
pub(crate) struct Stdio {
    log: Log,
    level: Level,
}

impl Stdio {
    pub(crate) fn new(log: Log, level: Level) -> Self {
        Self { log, level }
    }
}

impl IsTerminal for Stdio {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stdio {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(LineWriter { stdio: self.clone(), partial: Vec::new() })
    }
}

struct LineWriter {
    stdio: Stdio,
    partial: Vec<u8>,
}

impl LineWriter {
    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.partial).trim_end().to_owned();
        if !line.is_empty() {
            self.stdio.log.write(self.stdio.level, &line);
        }
        self.partial.clear();
    }
}

impl AsyncWrite for LineWriter {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(part);
            if part.ends_with(b"\n") || self.partial.len() > 64 * 1024 {
                self.end_line();
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.end_line();
        Poll::Ready(Ok(()))
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        self.end_line();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_counted() {
        let log = Log::new(&Limits { log_lines: 2, log_line_bytes: 5, ..Limits::default() });
        for _ in 0..5 {
            log.write(Level::Info, "abcdé");
        }
        let (lines, _) = log.take();
        assert_eq!(lines[0].message, "abcd");
        assert_eq!(lines.len(), 3);
        assert!(lines[2].message.contains("3 more lines"));
    }
}
