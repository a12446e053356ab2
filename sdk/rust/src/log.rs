//! Lines that administrators read beside an attempt. At most 100 lines of 4 KiB are kept for one call.

use crate::host;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Writes a line.
pub fn write(level: Level, message: impl AsRef<str>) {
    host::write(level, message.as_ref());
}

/// What helps to find a fault.
pub fn debug(message: impl AsRef<str>) {
    write(Level::Debug, message);
}

/// What went as it should.
pub fn info(message: impl AsRef<str>) {
    write(Level::Info, message);
}

/// What is odd but did no harm.
pub fn warn(message: impl AsRef<str>) {
    write(Level::Warn, message);
}

/// What went wrong. A returned [`Failure`](crate::Failure) needs no such line: the host shows its message.
pub fn error(message: impl AsRef<str>) {
    write(Level::Error, message);
}

/// The last words before a trap. The SDK calls this for a panic; the host shows them as the attempt's error.
pub fn fatal(message: impl AsRef<str>) {
    host::fatal(message.as_ref());
}
