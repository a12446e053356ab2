//! Providers in WebAssembly's text, for what no tool chain emits.

use std::fmt::Write;

/// Where the exports' names begin.
const PREFIX: &str = "postern:provider/provider@0.1.0#";
/// Where the manifest lies.
const MANIFEST: usize = 4096;
/// The size of its record by the canonical ABI.
const RECORD: usize = 152;

/// A core module that is a provider, each part of which can be replaced. What is not replaced succeeds.
pub(crate) struct Raw {
    /// The provider's own part of its id.
    pub(crate) id: &'static str,
    /// What its manifest says in words.
    pub(crate) description: String,
    /// Bits: test-connection, list-options, migrate-config, reconcile, idempotent.
    pub(crate) implements: u8,
    /// Imports, which come first.
    pub(crate) imports: &'static str,
    /// Further tables, memories, functions, a start.
    pub(crate) more: String,
    /// `describe`, which answers with the manifest's address.
    pub(crate) describe: String,
    /// `deliver`: parameter 0 is the delivery's address.
    pub(crate) deliver: String,
    /// `cabi_realloc`: parameter 2 is the alignment, 3 the new size.
    pub(crate) realloc: &'static str,
    /// What runs after the answer of `deliver` was read.
    pub(crate) post: &'static str,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            id: "raw",
            description: "By hand".into(),
            implements: 0,
            imports: "",
            more: String::new(),
            describe: "i32.const 4096".into(),
            // There is nothing at this place: a success without an external id.
            deliver: "i32.const 512".into(),
            realloc: "(local $at i32)
                (local.tee $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))",
            post: "",
        }
    }
}

impl Raw {
    /// One that does this on `deliver`.
    pub(crate) fn delivering(deliver: impl Into<String>) -> Self {
        Self { deliver: deliver.into(), ..Self::default() }
    }

    /// Where its description lies.
    pub(crate) fn description_at(&self) -> usize {
        MANIFEST + RECORD + self.id.len() + "1.0.0".len() + "Raw".len()
    }

    /// The module's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self { imports, more, describe, deliver, realloc, post, .. } = self;
        let manifest = self.manifest().iter().fold(String::new(), |mut text, byte| {
            write!(text, "\\{byte:02x}").expect("a text takes it");
            text
        });
        let text = format!(
            r#"(module
                {imports}
                (memory (export "memory") 4)
                (global $next (mut i32) (i32.const 131072))
                (data (i32.const {MANIFEST}) "{manifest}")
                {more}
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {realloc})
                (func (export "{PREFIX}describe") (result i32) {describe})
                (func (export "{PREFIX}deliver") (param i32) (result i32) {deliver})
                (func (export "cabi_post_{PREFIX}deliver") (param i32) {post})
                (func (export "{PREFIX}test-connection")
                    (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
                (func (export "{PREFIX}list-options")
                    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
                (func (export "{PREFIX}migrate-config") (param i32 i32 i32 i32) (result i32) unreachable)
                (func (export "{PREFIX}reconcile") (param i32) (result i32) unreachable))"#
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The record, field by field as the contract has it, and the texts that it points to.
    fn manifest(&self) -> Vec<u8> {
        let mut bytes = vec![0; RECORD];
        let texts = [
            (0, self.id),
            (8, "1.0.0"),
            (16, "Raw"),
            (24, &self.description),
            // The config's version is at 56.
            (60, r#"{"type":"object"}"#),
        ];
        for (at, text) in texts {
            let place = MANIFEST + bytes.len();
            bytes.extend_from_slice(text.as_bytes());
            for (at, number) in [(at, place), (at + 4, text.len())] {
                bytes[at..at + 4].copy_from_slice(&u32::try_from(number).expect("a small number").to_le_bytes());
            }
        }
        bytes[56] = 1;
        bytes[92] = self.implements;
        bytes
    }
}
