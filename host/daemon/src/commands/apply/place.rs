//! Where something stands in a file, and the mistakes that were found there.

use anyhow::{Result, bail};
use std::fmt;
use std::sync::Arc;

/// A place in a file. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: Arc<str>,
    pub(super) line: u64,
    pub(super) column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// How many mistakes are told at once.
const MOST_TOLD: usize = 50;

/// What is wrong, found before anything was changed.
#[derive(Debug, Default)]
pub(super) struct Mistakes(Vec<(Place, String)>);

impl Mistakes {
    /// Notes one.
    pub(super) fn add(&mut self, place: Place, message: impl Into<String>) {
        self.0.push((place, message.into()));
    }

    /// Takes those of another over.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fails with all of them, in the order of files and lines, if there are any.
    pub(super) fn check(mut self) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        self.0.sort();
        self.0.dedup();
        let count = self.0.len();
        let what = if count == 1 { "one mistake".to_owned() } else { format!("{count} mistakes") };
        let mut text = format!("{what}; nothing was changed");
        for (place, message) in self.0.iter().take(MOST_TOLD) {
            text.push_str(&format!("\n  {place}: {message}"));
        }
        if count > MOST_TOLD {
            text.push_str(&format!("\n  … and {} more", count - MOST_TOLD));
        }
        bail!(text)
    }
}
