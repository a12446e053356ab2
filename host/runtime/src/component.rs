//! What a file is, what it needs, and making a component of it.

use crate::compile::let_others_run;
use crate::contract::{PACKAGE, SUPPORTED, WIT};
use crate::features::{FEATURES, explain};
use crate::limits::Limits;
use semver::Version;
use wasi_preview1_component_adapter_provider::{WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER};
use wasmparser::{FuncValidatorAllocations, Parser, Payload, ValidPayload, Validator};

/// Why a file cannot be used as a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The file is larger than [`crate::Limits::component_bytes`].
    #[error("the file has {size} bytes; at most {limit} are allowed ([sandbox] component-bytes)")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The bound.
        limit: usize,
    },
    /// It is no WebAssembly at all.
    #[error("this is no WebAssembly: {0}")]
    NotWebAssembly(String),
    /// It is WebAssembly, but no valid one.
    #[error("the WebAssembly is not valid: {0}")]
    Invalid(String),
    /// It does not export a provider.
    #[error(
        "this is no provider: it does not export `{PACKAGE}/provider@{SUPPORTED}`; it exports {0}. Build it against the world `integration-provider` of that package"
    )]
    NotAProvider(String),
    /// It was built for another version of the contract.
    #[error("the component was built for contract {component}, and this host speaks {host}: {advice}")]
    Version {
        /// The version that it was built for.
        component: String,
        /// The versions that this host speaks.
        host: String,
        /// Which side is too old.
        advice: &'static str,
    },
    /// It imports something that the host does not offer.
    #[error(
        "the component needs what the host does not offer: {0}. A provider may import {PACKAGE}/{{http, log, secrets}}@{SUPPORTED} and WASI 0.2: io, cli, clocks, random, filesystem and sockets (these two without any content), and of wasi:http `types` and `outgoing-handler`"
    )]
    Imports(String),
    /// It needs more than any provider may have.
    #[error("the component needs more than the sandbox allows: {what}, at most {most} ([sandbox] {setting})")]
    Limit {
        /// In words.
        what: &'static str,
        /// The bound, with its unit.
        most: String,
        /// The configuration key.
        setting: &'static str,
    },
    /// It does not compile.
    #[error("the component does not compile: {0}")]
    Compile(String),
    /// Its imports or exports have other types than the contract's.
    #[error("the component does not fit the contract {SUPPORTED}: {0}")]
    Link(String),
    /// The host's own fault.
    #[error("the host failed: {0}")]
    Host(String),
}

/// A component that was read and fits.
pub(crate) struct Prepared {
    pub(crate) bytes: Vec<u8>,
    pub(crate) version: Version,
    pub(crate) needs: Needs,
}

/// What a component imports beyond the contract. Each includes what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Needs {
    /// Nothing.
    Contract,
    /// WASI, of which it gets an empty one.
    Wasi,
    /// `wasi:http` for requests of its own.
    Http,
}

/// A bound of loading that was hit.
pub(crate) fn limit(what: &'static str, setting: &'static str, limits: &Limits) -> LoadError {
    LoadError::Limit { what, most: limits.in_words(setting), setting }
}

/// Reads a file and makes a component of it if it is a core module. What was compiled before is known to be valid.
pub(crate) fn prepare(bytes: &[u8], limits: &Limits, valid: bool) -> Result<Prepared, LoadError> {
    if bytes.len() > limits.component_bytes {
        return Err(LoadError::TooLarge { size: bytes.len(), limit: limits.component_bytes });
    }
    let component = if Parser::is_component(bytes) {
        bytes.to_vec()
    } else if Parser::is_core_wasm(bytes) {
        encode(bytes)?
    } else {
        return Err(LoadError::NotWebAssembly(match bytes {
            [] => "the file is empty".into(),
            _ if bytes.starts_with(b"\0asm") => "its version is unknown".into(),
            _ => "it does not begin with \\0asm".into(),
        }));
    };
    if !valid {
        validate(&component)?;
    }
    check_sizes(&component, limits)?;
    let names = top_level(&component)?;
    let version = check_exports(&names.exports)?;
    let needs = check_imports(&names.imports)?;
    Ok(Prepared { bytes: component, version, needs })
}

fn validate(component: &[u8]) -> Result<(), LoadError> {
    let mut validator = Validator::new_with_features(FEATURES);
    let mut validate = || -> wasmparser::Result<()> {
        let mut allocations = FuncValidatorAllocations::default();
        for payload in Parser::new(0).parse_all(component) {
            if let ValidPayload::Func(function, body) = validator.payload(&payload?)? {
                let mut function = function.into_validator(allocations);
                function.validate(&body)?;
                allocations = function.into_allocations();
                let_others_run();
            }
        }
        Ok(())
    };
    validate().map_err(|error| LoadError::Invalid(explain(&error)))
}

/// Refuses what could never be instantiated, before anything is compiled of it.
fn check_sizes(component: &[u8], limits: &Limits) -> Result<(), LoadError> {
    let invalid = |error: wasmparser::BinaryReaderError| LoadError::Invalid(error.to_string());
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(invalid)? {
            Payload::MemorySection(memories) if memories.count() as usize > limits.memories => {
                return Err(limit("memories", "memories", limits));
            }
            Payload::TableSection(tables) => {
                if tables.count() as usize > limits.tables {
                    return Err(limit("tables", "tables", limits));
                }
                for table in tables {
                    if table.map_err(invalid)?.ty.initial > limits.table_elements as u64 {
                        return Err(limit("the size of a table", "table-elements", limits));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
}

fn top_level(component: &[u8]) -> Result<Names, LoadError> {
    let invalid = |error: wasmparser::BinaryReaderError| LoadError::Invalid(error.to_string());
    let mut names = Names { imports: Vec::new(), exports: Vec::new() };
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(invalid)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.imports.push(import.map_err(invalid)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    names.exports.push(export.map_err(invalid)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

/// `postern:provider/http@0.1.0` → (`postern:provider`, `http`, `0.1.0`).
fn split(name: &str) -> Option<(&str, &str, &str)> {
    let (package, rest) = name.split_once('/')?;
    let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
    Some((package, interface, version))
}

fn check_exports(exports: &[String]) -> Result<Version, LoadError> {
    let ours = exports
        .iter()
        .filter_map(|name| split(name))
        .find(|(package, interface, _)| *package == PACKAGE && *interface == "provider");
    let Some((_, _, version)) = ours else {
        let listed = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        return Err(LoadError::NotAProvider(listed.chars().take(500).collect()));
    };
    let parsed =
        version.parse::<Version>().map_err(|_| LoadError::Invalid(format!("`{version}` is no version of the contract")))?;
    let supported: Version = SUPPORTED.parse().expect("a constant that parses");
    if parsed == supported {
        return Ok(parsed);
    }
    let advice = if parsed > supported {
        "the host is too old for it; upgrade postern, or build the component with an older SDK"
    } else {
        "the component is too old; build it again with the present SDK"
    };
    Err(LoadError::Version { component: version.to_owned(), host: SUPPORTED.to_owned(), advice })
}

fn check_imports(imports: &[String]) -> Result<Needs, LoadError> {
    let mut needs = Needs::Contract;
    let mut refused = Vec::new();
    for name in imports {
        match split(name) {
            Some((PACKAGE, "types" | "http" | "log" | "secrets", SUPPORTED)) => {}
            Some(("wasi:io" | "wasi:cli" | "wasi:clocks" | "wasi:random" | "wasi:filesystem" | "wasi:sockets", _, version))
                if version.starts_with("0.2.") =>
            {
                needs = needs.max(Needs::Wasi);
            }
            Some(("wasi:http", "types" | "outgoing-handler", version)) if version.starts_with("0.2.") => {
                needs = needs.max(Needs::Http);
            }
            _ => refused.push(name.as_str()),
        }
    }
    if refused.is_empty() { Ok(needs) } else { Err(LoadError::Imports(refused.join(", ").chars().take(500).collect())) }
}

/// What a core module becomes a component with: its machine code is of no use where these are others.
pub(crate) const MADE_WITH: [&[u8]; 2] = [WIT.as_bytes(), WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER];

/// Makes a component of a core module: with the contract where the module carries no types of its own, and with the
/// adapter where it was built for WASI preview 1.
fn encode(module: &[u8]) -> Result<Vec<u8>, LoadError> {
    let invalid = |error: wasmparser::BinaryReaderError| LoadError::Invalid(error.to_string());
    let (mut typed, mut preview1, mut exports) = (false, false, Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(invalid)? {
            Payload::CustomSection(section) if section.name().starts_with("component-type") => typed = true,
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    preview1 |= import.map_err(invalid)?.module == WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    exports.push(export.map_err(invalid)?.name.to_owned());
                }
            }
            _ => {}
        }
    }
    let mut module = module.to_vec();
    if !typed {
        // Without types of its own, only the exports' names can tell whether it means to be a provider.
        if !exports.iter().any(|name| name.starts_with(PACKAGE)) {
            let listed = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
            return Err(LoadError::NotAProvider(listed.chars().take(500).collect()));
        }
        embed_contract(&mut module)?;
    }
    let failed = |error: anyhow::Error| LoadError::Invalid(format!("{error:#}"));
    let mut encoder = wit_component::ComponentEncoder::default().validate(true).module(&module).map_err(failed)?;
    if preview1 {
        encoder = encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER).map_err(failed)?;
    }
    encoder.encode().map_err(failed)
}

fn embed_contract(module: &mut Vec<u8>) -> Result<(), LoadError> {
    let host = |error: anyhow::Error| LoadError::Host(format!("{error:#}"));
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("provider.wit", WIT).map_err(host)?;
    let world = resolve.select_world(&[package], Some("integration-provider")).map_err(host)?;
    wit_component::embed_component_metadata(module, &resolve, world, wit_component::StringEncoding::UTF8).map_err(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Limits {
        Limits { component_bytes: 1 << 20, ..Limits::default() }
    }

    fn refused(bytes: &[u8]) -> String {
        match prepare(bytes, &small(), false) {
            Ok(_) => panic!("it should have been refused"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_no_webassembly_is_told_apart_from_what_is_no_provider() {
        assert!(refused(b"").contains("empty"));
        assert!(refused(b"#!/bin/sh").contains("no WebAssembly"));
        assert!(refused(&[0; 2 << 20]).contains("at most 1048576"));
        assert!(refused(&wat::parse_str("(module (func (export \"run\")))").unwrap()).contains("it exports run"));
        assert!(refused(&wat::parse_str("(component)").unwrap()).contains("it exports nothing"));
        let mut cut = wat::parse_str("(component (core module (func)))").unwrap();
        cut.truncate(cut.len() - 3);
        assert!(matches!(prepare(&cut, &small(), false), Err(LoadError::Invalid(_))));
    }

    #[test]
    fn another_version_of_the_contract_is_refused_with_both_versions() {
        let component = |version: &str| {
            let text = format!("(component (instance $i) (export \"postern:provider/provider@{version}\" (instance $i)))");
            refused(&wat::parse_str(text).unwrap())
        };
        let newer = component("9.0.0");
        assert!(newer.contains("9.0.0") && newer.contains(SUPPORTED) && newer.contains("host is too old"), "{newer}");
        let older = component("0.0.9");
        assert!(older.contains("component is too old"), "{older}");
    }

    #[test]
    fn a_component_gets_no_more_than_it_imports() {
        let needs = |imports: &[&str]| check_imports(&imports.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        assert_eq!(needs(&["postern:provider/http@0.1.0"]), Needs::Contract);
        assert_eq!(needs(&["wasi:io/poll@0.2.6"]), Needs::Wasi);
        assert_eq!(needs(&["wasi:http/outgoing-handler@0.2.12", "wasi:http/types@0.2.12", "wasi:io/poll@0.2.12"]), Needs::Http);
    }

    #[test]
    fn imports_beyond_the_contract_are_listed() {
        let text = r#"(component
            (import "wasi:http/incoming-handler@0.2.0" (instance))
            (import "wasi:http/client@0.3.0" (instance))
            (import "evil:host/shell" (instance))
            (import "postern:provider/log@0.1.0" (instance))
            (instance $i) (export "postern:provider/provider@0.1.0" (instance $i)))"#;
        let message = refused(&wat::parse_str(text).unwrap());
        assert!(message.contains("wasi:http/incoming-handler@0.2.0, wasi:http/client@0.3.0, evil:host/shell."), "{message}");
    }

    #[test]
    fn features_that_are_off_are_refused_by_name() {
        let table = [
            ("(memory 1 1 shared)", "threads"),
            ("(memory i64 1)", "memory64"),
            ("(tag)", "exceptions"),
            ("(type (struct))", "gc"),
            ("(func return_call 0)", "tail calls"),
            ("(func (param externref))", "gc types"),
            ("(func (result v128) v128.const i64x2 0 0 v128.const i64x2 0 0 i8x16.relaxed_swizzle)", "relaxed SIMD"),
        ];
        for (text, name) in table {
            let message = refused(&wat::parse_str(format!("(component (core module {text}))")).unwrap());
            assert!(message.contains(name) && message.contains("build it without"), "{name}: {message}");
        }
    }

    #[test]
    fn what_no_instance_could_have_is_refused_before_it_is_compiled() {
        let table = [
            ("(table 10000000 funcref)".to_owned(), "the size of a table, at most 65536 ([sandbox] table-elements)"),
            ("(table 0 funcref)".repeat(17), "tables, at most 16 ([sandbox] tables)"),
            ("(memory 0)".repeat(5), "memories, at most 4 ([sandbox] memories)"),
        ];
        for (text, told) in table {
            let message = refused(&wat::parse_str(format!("(component (core module {text}))")).unwrap());
            assert!(message.contains(told), "{message}");
        }
    }
}
