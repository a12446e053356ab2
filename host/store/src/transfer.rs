//! A whole data directory as JSON lines, out and in: a backup that any engine reads, the way from one engine to another,
//! and the repair, since damaged records are left out.
//!
//! The first line names the format, the last one counts what came before it, so that a file that was cut is noticed.
//! Between them each line is one object: a document with its revision, an idempotency key, an audit record, an entity's
//! external id, an event, behind each event its deliveries' steps, and at the end the entities that failed deliveries hold.
//! Bodies and payloads are JSON texts and stand as strings, because they are kept as they came, line breaks included. What
//! lies beside the store and belongs to it is there as well: the vault, and the components of providers that were added.
//! Secrets are ciphertext, and so is the data key in the vault: the importing host needs the same master key, which is never
//! in an export.
//!
//! An export holds up to 16 records in memory, an import one line and one commit; neither holds the store. Which events
//! are unfinished and which deliveries failed is not in the file, it follows from the steps. So a delivery whose last step was damaged is attempted
//! again after an import: at least once.

mod export;
mod files;
mod import;
mod line;

pub use files::{COMPONENTS, component_problem, components};
pub(crate) use import::undo_unfinished;

use serde::{Deserialize, Serialize};

/// The version of the file that this code writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// The longest line that an import reads: 256 MiB.
pub const LONGEST_LINE: u64 = 256 << 20;

/// How many objects an export wrote or an import stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transferred {
    /// Whether there is a vault.
    #[serde(default)]
    pub vault: bool,
    /// Components of providers.
    #[serde(default)]
    pub components: u64,
    /// Documents of all kinds.
    pub documents: u64,
    /// Idempotency keys.
    pub idempotency_keys: u64,
    /// Audit records.
    pub audit_entries: u64,
    /// Events.
    pub events: u64,
    /// Steps of deliveries.
    pub steps: u64,
    /// Entities that failed deliveries hold.
    #[serde(default)]
    pub holds: u64,
    /// External ids of entities.
    #[serde(default)]
    pub external_ids: u64,
    /// Records and files that could not be read when the store was exported, and were left out.
    pub damaged: u64,
}

/// Why a store could not be exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] crate::Error),
    /// The file could not be written or read.
    #[error("the export cannot be written or read: {0}")]
    File(#[from] std::io::Error),
    /// The file is no export, not all of it, or was changed.
    #[error("line {line} of the export: {reason}; nothing was imported")]
    Line {
        /// From 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// There is something in the store that is to be filled.
    #[error("the store is not empty; import into a new data directory")]
    NotEmpty,
}
