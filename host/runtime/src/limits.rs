//! The bounds of each call.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The bounds of each call of a provider. The defaults stand well above what a JavaScript engine in a component needs
/// (8 MiB of code, 45 MiB with a large SDK) and well below what would hurt a small machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of linear memory, summed over all memories of the instance. Default: 64 MiB.
    pub memory_bytes: usize,
    /// How many tables, and how many elements each. Default: 16 of 65,536.
    pub tables: usize,
    /// See `tables`.
    pub table_elements: usize,
    /// How many core instances, which several tool chains make. Default: 16.
    pub instances: usize,
    /// How many component handles, and entries of the resource table. Default: 1,000.
    pub handles: usize,
    /// Bytes that one call into the host may carry: the largest request body and as much again. Default: 2 MiB.
    pub host_call_bytes: usize,
    /// Bytes of one set of headers that a component builds with `wasi:http`, about 70 more for each one counted in. The
    /// broker's own bounds of a request's headers are lower. Default: 32 KiB.
    pub header_bytes: usize,
    /// Bytes of stack. Default: 512 KiB.
    pub stack_bytes: usize,
    /// Computing, in milliseconds; waiting for answers does not count. Default: 1,000.
    pub compute_milliseconds: u64,
    /// The whole call, waiting included, in milliseconds. Default: 65,000, so that a request may use the longest timeout
    /// that a provider can ask for (60 s) and the provider can still tell what came of it.
    pub call_milliseconds: u64,
    /// How many log lines, and of how many bytes each. Default: 100 of 4,096.
    pub log_lines: usize,
    /// See `log_lines`.
    pub log_line_bytes: usize,
    /// Bytes of a file that is offered as a component. Default: 32 MiB.
    pub component_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            tables: 16,
            table_elements: 65_536,
            instances: 16,
            handles: 1_000,
            host_call_bytes: 2 << 20,
            header_bytes: 32 << 10,
            stack_bytes: 512 << 10,
            compute_milliseconds: 1_000,
            call_milliseconds: 65_000,
            log_lines: 100,
            log_line_bytes: 4_096,
            component_bytes: 32 << 20,
        }
    }
}

impl Limits {
    /// How long a call may take.
    pub fn call(&self) -> Duration {
        Duration::from_millis(self.call_milliseconds)
    }
}
