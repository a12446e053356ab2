//! What a guest writes: through the contract's `log`, or through WASI's stdout and stderr.

use crate::last_words;
use crate::limits::Limits;
use bytes::Bytes;
use postern_core::delivery::{Level, LogLine};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// How many of the last errors are kept to look for last words in, whether they found a place in the log or not.
const TAIL: usize = 50;
/// How many bytes a guest may hand over at once, and how long a line without an end may be.
const PIECE: usize = 64 * 1024;

/// The lines of one call. Cheap to clone; clones share the lines.
#[derive(Clone)]
pub struct Log(Arc<Mutex<Lines>>);

struct Lines {
    lines: Vec<LogLine>,
    most_lines: usize,
    most_bytes: usize,
    dropped: usize,
    cut: usize,
    /// What a guest said last before it trapped.
    last_words: Option<String>,
    /// The last errors.
    tail: VecDeque<String>,
}

impl Log {
    /// An empty log with its bounds.
    pub fn new(limits: &Limits) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            lines: Vec::new(),
            most_lines: limits.log_lines,
            most_bytes: limits.log_line_bytes,
            dropped: 0,
            cut: 0,
            last_words: None,
            tail: VecDeque::new(),
        })))
    }

    /// Adds a line, cut at its bound; counts it as dropped when there are enough.
    pub fn write(&self, level: Level, message: &str) {
        let mut lines = self.lock();
        let kept = cut(message, lines.most_bytes);
        if level == Level::Error {
            if lines.tail.len() == TAIL {
                lines.tail.pop_front();
            }
            lines.tail.push_back(kept.to_owned());
        }
        if lines.lines.len() >= lines.most_lines {
            lines.dropped += 1;
            return;
        }
        lines.cut += usize::from(kept.len() < message.len());
        lines.lines.push(LogLine { level, message: kept.to_owned() });
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

    /// The lines so far, with last ones that count those which were cut or dropped; and the last words, which are what the
    /// guest called them, or what its language's runtime wrote as an error.
    pub fn take(&self) -> (Vec<LogLine>, Option<String>) {
        let mut lines = self.lock();
        let mut taken = std::mem::take(&mut lines.lines);
        let mut note = |message: String| taken.push(LogLine { level: Level::Warn, message });
        if lines.cut > 0 {
            note(format!("{} of these lines were cut at {} bytes ([sandbox] log-line-bytes)", lines.cut, lines.most_bytes));
        }
        if lines.dropped > 0 {
            let Lines { dropped, most_lines, .. } = *lines;
            note(format!("{dropped} more lines were dropped: at most {most_lines} are kept ([sandbox] log-lines)"));
        }
        let tail = std::mem::take(&mut lines.tail);
        (taken, lines.last_words.take().or_else(|| last_words::among(&tail.into_iter().collect::<Vec<_>>())))
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

    fn lines(&self) -> LineWriter {
        LineWriter { stdio: self.clone(), partial: Vec::new() }
    }
}

impl IsTerminal for Stdio {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stdio {
    /// Written at once, not by a task of its own: what a guest says right before it traps must be there.
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.lines())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.lines())
    }
}

struct LineWriter {
    stdio: Stdio,
    partial: Vec<u8>,
}

impl LineWriter {
    fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(part);
            if part.ends_with(b"\n") || self.partial.len() > PIECE {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.partial).trim_end().to_owned();
        if !line.is_empty() {
            self.stdio.log.write(self.stdio.level, &line);
        }
        self.partial.clear();
    }
}

impl OutputStream for LineWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PIECE)
    }
}

#[async_trait]
impl Pollable for LineWriter {
    async fn ready(&mut self) {}
}

impl AsyncWrite for LineWriter {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
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
        assert_eq!(lines.len(), 4);
        assert!(lines[2].message.contains("2 of these lines were cut at 5 bytes ([sandbox] log-line-bytes)"));
        assert!(lines[3].message.contains("3 more lines"));
    }

    #[test]
    fn last_words_are_found_behind_a_flood() {
        let log = Log::new(&Limits { log_lines: 1, ..Limits::default() });
        let stderr = Stdio::new(log.clone(), Level::Error);
        let mut stream = stderr.p2_stream();
        stream.write("line\n".repeat(100).into()).unwrap();
        stream.write("panic: boom\n\ngoroutine 1 [running]:\nmain.main()".into()).unwrap();
        drop(stream);
        assert_eq!(log.take().1.as_deref(), Some("panic: boom"));
        log.write(Level::Error, "a complaint");
        log.fatal("the end");
        assert_eq!(log.take().1.as_deref(), Some("the end"));
    }
}
