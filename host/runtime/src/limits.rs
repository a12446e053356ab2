//! The bounds of each call, and of making a component of a file.

use postern_core::grant;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The bounds of each call of a provider, and of loading it. The defaults stand well above what a JavaScript engine in a
/// component needs (8 MiB of code, 45 MiB with a large SDK) and well below what would hurt a small machine.
///
/// A grant may set those of calls for one provider; see [`grant::Limits`]. Those of loading hold for all, and so does the
/// stack's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of linear memory, summed over all memories of the instance. Default: 64 MiB.
    pub memory_bytes: usize,
    /// How many memories. Default: 4; a component has one for each component that it is composed of.
    pub memories: usize,
    /// How many tables, and how many elements each. Default: 16 of 65,536.
    pub tables: usize,
    /// See `tables`.
    pub table_elements: usize,
    /// How many core instances, which several tool chains make. Default: 16.
    pub instances: usize,
    /// How many component handles, and entries of the resource table. Default: 1,000.
    pub handles: usize,
    /// Bytes that one call into the host, or an answer, may carry: the largest request body and as much again. Default: 2 MiB.
    pub host_call_bytes: usize,
    /// Bytes of one set of headers that a component builds with `wasi:http`, about 70 more for each one counted in. The
    /// broker's own bounds of a request's headers are lower. Default: 32 KiB.
    pub header_bytes: usize,
    /// Bytes of stack. Default: 512 KiB.
    pub stack_bytes: usize,
    /// Computing, in milliseconds; waiting for answers does not count. Default: 1,000.
    pub compute_milliseconds: usize,
    /// The whole call, waiting included, in milliseconds. Default: 65,000, so that a request may use the longest timeout
    /// that a provider can ask for (60 s) and the provider can still tell what came of it.
    pub call_milliseconds: usize,
    /// How many log lines, and of how many bytes each. Default: 100 of 4,096.
    pub log_lines: usize,
    /// See `log_lines`.
    pub log_line_bytes: usize,
    /// Bytes of a message that a provider answers with; what is longer is cut. Default: 4 KiB, as the contract says.
    pub message_bytes: usize,
    /// How many entries a drop-down may have. Default: 1,000, as the contract says.
    pub options: usize,
    /// Bytes of each text of such an entry. Default: 1 KiB.
    pub option_bytes: usize,
    /// Bytes of a file that is offered as a component. Default: 32 MiB.
    pub component_bytes: usize,
    /// Processor time to compile it, in seconds. Default: 120; a JavaScript engine of 12 MB takes 16.
    pub compile_seconds: usize,
    /// Bytes of memory to compile it. Default: 1 GiB; a JavaScript engine of 12 MB takes 410 MiB.
    pub compile_memory_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 * MIB,
            memories: 4,
            tables: 16,
            table_elements: 65_536,
            instances: 16,
            handles: 1_000,
            host_call_bytes: 2 * MIB,
            header_bytes: 32 * KIB,
            stack_bytes: 512 * KIB,
            compute_milliseconds: 1_000,
            call_milliseconds: 65_000,
            log_lines: 100,
            log_line_bytes: 4 * KIB,
            message_bytes: 4 * KIB,
            options: 1_000,
            option_bytes: KIB,
            component_bytes: 32 * MIB,
            compile_seconds: 120,
            compile_memory_bytes: 1_024 * MIB,
        }
    }
}

/// A bound that cannot be what somebody wants it to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value}; it must be from {least} to {most}")]
pub struct OutOfRange {
    /// Its key in the configuration.
    pub key: &'static str,
    /// What it is to be.
    pub value: usize,
    /// The least that it may be.
    pub least: usize,
    /// The most that it may be.
    pub most: usize,
}

impl OutOfRange {
    /// Its name in a grant: `memoryBytes`.
    pub fn name(&self) -> String {
        grant::limit_name(self.key)
    }
}

/// A bound's key and place, and the least and most that it may be.
type Row<'a> = (&'static str, &'a mut usize, usize, usize);

impl Limits {
    /// Every bound. The most are what wasm32 (4 GiB), the API's own bounds or plain sense set.
    fn rows(&mut self) -> [Row<'_>; 19] {
        [
            ("memory-bytes", &mut self.memory_bytes, 64 * KIB, 4_096 * MIB),
            ("memories", &mut self.memories, 1, 100),
            ("tables", &mut self.tables, 1, 1_000),
            ("table-elements", &mut self.table_elements, 1, 10_000_000),
            ("instances", &mut self.instances, 1, 1_000),
            ("handles", &mut self.handles, 10, 1_000_000),
            ("host-call-bytes", &mut self.host_call_bytes, 64 * KIB, 256 * MIB),
            ("header-bytes", &mut self.header_bytes, KIB, MIB),
            ("stack-bytes", &mut self.stack_bytes, 64 * KIB, 16 * MIB),
            ("compute-milliseconds", &mut self.compute_milliseconds, 10, 600_000),
            ("call-milliseconds", &mut self.call_milliseconds, 10, 600_000),
            ("log-lines", &mut self.log_lines, 0, 10_000),
            ("log-line-bytes", &mut self.log_line_bytes, 100, 64 * KIB),
            ("message-bytes", &mut self.message_bytes, 100, 64 * KIB),
            ("options", &mut self.options, 1, 100_000),
            ("option-bytes", &mut self.option_bytes, 100, 64 * KIB),
            ("component-bytes", &mut self.component_bytes, KIB, 64 * MIB),
            ("compile-seconds", &mut self.compile_seconds, 1, 3_600),
            ("compile-memory-bytes", &mut self.compile_memory_bytes, 64 * MIB, 64 * 1_024 * MIB),
        ]
    }

    /// Whether each bound can be as it is.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let mut limits = self.clone();
        let wrong = limits.rows().into_iter().find(|(_, value, least, most)| !(*least..=*most).contains(&**value));
        wrong.map_or(Ok(()), |(key, value, least, most)| Err(OutOfRange { key, value: *value, least, most }))
    }

    /// The most that a grant may give. The pool of instances is laid out for four of them as they are configured.
    fn most(&self, key: &str, most: usize) -> usize {
        match key {
            "memories" => self.memories,
            "tables" => self.tables,
            "table-elements" => self.table_elements,
            "instances" => self.instances,
            _ => most,
        }
    }

    /// Whether a grant may set these.
    ///
    /// # Errors
    /// Those that are out of range.
    pub fn check_granted(&self, granted: &grant::Limits) -> Result<(), Vec<OutOfRange>> {
        let mut limits = self.clone();
        let rows = limits.rows();
        let range = |key: &'static str| match rows.iter().find(|(name, ..)| *name == key) {
            Some((_, _, least, most)) => (*least, self.most(key, *most)),
            // The broker's, which has no bound of its own for it.
            None => (1, 1_000),
        };
        let wrong: Vec<_> = granted
            .set()
            .map(|(key, value)| (key, value, range(key)))
            .filter(|(_, value, (least, most))| !(*least..=*most).contains(value))
            .map(|(key, value, (least, most))| OutOfRange { key, value, least, most })
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// These, with those that a grant sets in their places; each within what is possible now.
    pub(crate) fn granted(&self, granted: &grant::Limits) -> Self {
        let mut limits = self.clone();
        for (key, value) in granted.set() {
            if let Some((_, place, least, most)) = limits.rows().into_iter().find(|(name, ..)| *name == key) {
                *place = value.min(self.most(key, most)).max(least);
            }
        }
        limits
    }

    /// A bound in words: `64 MiB`, `300 ms`, `16`.
    pub(crate) fn in_words(&self, key: &str) -> String {
        let value = self.clone().rows().into_iter().find(|(name, ..)| *name == key).map_or(0, |(_, value, ..)| *value);
        match key.rsplit('-').next() {
            Some("bytes") if value % MIB == 0 => format!("{} MiB", value / MIB),
            Some("bytes") if value % KIB == 0 => format!("{} KiB", value / KIB),
            Some("bytes") => format!("{value} bytes"),
            Some("milliseconds") => format!("{value} ms"),
            Some("seconds") => format!("{value} s"),
            _ => value.to_string(),
        }
    }

    /// How long a call may take.
    pub fn call(&self) -> Duration {
        Duration::from_millis(self.call_milliseconds as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_has_its_row_and_the_defaults_are_in_range() {
        let mut limits = Limits::default();
        let written = serde_json::to_value(&limits).unwrap();
        let keys: Vec<_> = limits.rows().iter().map(|(key, ..)| *key).collect();
        assert_eq!(written.as_object().unwrap().keys().collect::<Vec<_>>(), keys);
        for (key, value, ..) in limits.rows() {
            assert_eq!(written[key], *value, "{key}");
        }
        assert_eq!(limits.check(), Ok(()));
        let error = Limits { memory_bytes: 0, ..limits }.check().unwrap_err().to_string();
        assert_eq!(error, "memory-bytes is 0; it must be from 65536 to 4294967296");
    }

    #[test]
    fn a_grant_replaces_what_it_names_within_what_the_pool_was_made_for() {
        let limits = Limits::default();
        let granted = grant::Limits { memory_bytes: Some(128 * MIB), tables: Some(20), ..Default::default() };
        let both = limits.granted(&granted);
        assert_eq!((both.memory_bytes, both.tables, both.instances), (128 * MIB, 16, 16));
        let wrong = limits.check_granted(&granted).unwrap_err();
        assert_eq!(wrong, [OutOfRange { key: "tables", value: 20, least: 1, most: 16 }]);
        let requests = grant::Limits { requests_per_call: Some(0), ..Default::default() };
        assert_eq!(limits.check_granted(&requests).unwrap_err()[0].name(), "requestsPerCall");
        assert_eq!(limits.check_granted(&grant::Limits { memory_bytes: Some(128 * MIB), ..Default::default() }), Ok(()));
    }

    #[test]
    fn every_limit_of_a_grant_is_one_of_these_or_the_brokers() {
        let all: grant::Limits = serde_json::from_value(serde_json::json!({
            "memoryBytes": 1, "memories": 1, "tables": 1, "tableElements": 1, "instances": 1, "handles": 1, "hostCallBytes": 1,
            "headerBytes": 1, "computeMilliseconds": 1, "callMilliseconds": 1, "logLines": 1, "logLineBytes": 1,
            "messageBytes": 1, "options": 1, "optionBytes": 1, "requestsPerCall": 1,
        }))
        .unwrap();
        let mut limits = Limits::default();
        let rows = limits.rows();
        let unknown: Vec<_> = all.set().map(|(key, _)| key).filter(|key| !rows.iter().any(|(name, ..)| name == key)).collect();
        assert_eq!(unknown, ["requests-per-call"]);
        assert_eq!(all.set().count(), 16);
    }

    #[test]
    fn a_bound_is_told_in_the_unit_that_fits() {
        let limits = Limits { header_bytes: 1_500, ..Limits::default() };
        let words = ["memory-bytes", "stack-bytes", "header-bytes", "call-milliseconds", "compile-seconds", "handles"];
        assert_eq!(words.map(|key| limits.in_words(key)), ["64 MiB", "512 KiB", "1500 bytes", "65000 ms", "120 s", "1000"]);
    }
}
