//! What a file is made of, whether it can be used or not: for who wants to look into it. Nothing of it is compiled or run.

use crate::contract::PACKAGE;
use crate::hex;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{Parser, Payload, ProducersSectionReader};

/// How many names and sections of each kind are listed; a strange file may have millions.
const MOST: usize = 1_000;

/// What a file is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Anatomy {
    /// What it is.
    pub kind: Kind,
    /// SHA-256 of the file, in hex: what it is named by once it is added.
    pub digest: String,
    /// In bytes.
    pub size: usize,
    /// The version of the contract that its export names, if it exports a provider.
    pub contract: Option<String>,
    /// What it imports, in order. A core module's are `MODULE NAME`.
    pub imports: Vec<String>,
    /// What it exports, in order.
    pub exports: Vec<String>,
    /// How many core modules it is made of.
    pub modules: usize,
    /// The languages that it was written in, by what their compilers noted, with versions.
    pub languages: BTreeSet<String>,
    /// The tools that it was made with, likewise.
    pub tools: BTreeSet<String>,
    /// How many bytes its sections have, by what they hold; custom ones by their names.
    pub sections: BTreeMap<String, usize>,
    /// Why it cannot be read further than this, if it cannot.
    pub broken: Option<String>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A component.
    Component,
    /// A core module, which the host makes a component of.
    Module,
    /// No WebAssembly.
    Foreign,
}

impl Anatomy {
    /// Reads a file as far as it can be read.
    pub fn of(bytes: &[u8]) -> Self {
        let kind = match () {
            () if Parser::is_component(bytes) => Kind::Component,
            () if Parser::is_core_wasm(bytes) => Kind::Module,
            () => Kind::Foreign,
        };
        let mut anatomy = Self {
            kind,
            digest: hex(&Sha256::digest(bytes)),
            size: bytes.len(),
            contract: None,
            imports: Vec::new(),
            exports: Vec::new(),
            modules: 0,
            languages: BTreeSet::new(),
            tools: BTreeSet::new(),
            sections: BTreeMap::new(),
            broken: None,
        };
        if kind != Kind::Foreign
            && let Err(error) = anatomy.read(bytes)
        {
            anatomy.broken = Some(error.to_string());
        }
        let provider = format!("{PACKAGE}/provider@");
        anatomy.contract = anatomy.exports.iter().find_map(|name| name.strip_prefix(&provider)).map(str::to_owned);
        anatomy
    }

    fn read(&mut self, bytes: &[u8]) -> wasmparser::Result<()> {
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            match &payload {
                // Its own sections follow.
                Payload::ModuleSection { .. } => {
                    self.modules += 1;
                    depth += 1;
                    continue;
                }
                Payload::ComponentSection { .. } => {
                    depth += 1;
                    continue;
                }
                Payload::Version { encoding: wasmparser::Encoding::Module, .. } if depth == 0 => self.modules += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section.clone() {
                        note(&mut self.imports, import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section.clone() {
                        note(&mut self.exports, export?.name.name.to_owned());
                    }
                }
                Payload::ImportSection(section) if depth == 0 => {
                    for import in section.clone().into_imports() {
                        let import = import?;
                        note(&mut self.imports, format!("{} {}", import.module, import.name));
                    }
                }
                Payload::ExportSection(section) if depth == 0 => {
                    for export in section.clone() {
                        note(&mut self.exports, export?.name.to_owned());
                    }
                }
                Payload::CustomSection(section) if section.name() == "producers" => {
                    for field in
                        ProducersSectionReader::new(wasmparser::BinaryReader::new(section.data(), section.data_offset()))?
                    {
                        let field = field?;
                        let into = if field.name == "language" { &mut self.languages } else { &mut self.tools };
                        for value in field.values {
                            let value = value?;
                            if into.len() < MOST {
                                into.insert(format!("{} {}", value.name, value.version).trim().to_owned());
                            }
                        }
                    }
                }
                _ => {}
            }
            self.count(&payload);
        }
        Ok(())
    }

    fn count(&mut self, payload: &Payload<'_>) {
        let name = match payload {
            Payload::CustomSection(section) => format!("custom `{}`", section.name().escape_debug()),
            Payload::CodeSectionStart { .. } => "code".to_owned(),
            Payload::DataSection(_) => "data".to_owned(),
            _ => "types, names and wiring".to_owned(),
        };
        if let Some((_, range)) = payload.as_section()
            && (self.sections.len() < MOST || self.sections.contains_key(&name))
        {
            *self.sections.entry(name).or_default() += range.len();
        }
    }
}

fn note(list: &mut Vec<String>, name: String) {
    if list.len() < MOST {
        list.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_tells_what_it_is_made_of() {
        let text = r#"(component
            (import "postern:provider/log@0.1.0" (instance))
            (core module (func (export "inner") unreachable) (memory 1) (data (i32.const 0) "some data")
                (@producers (language "Rust" "2024") (processed-by "rustc" "1.95.0")))
            (instance $i) (export "postern:provider/provider@0.1.0" (instance $i)))"#;
        let bytes = wat::parse_str(text).unwrap();
        let anatomy = Anatomy::of(&bytes);
        assert_eq!((anatomy.kind, anatomy.size, anatomy.modules), (Kind::Component, bytes.len(), 1));
        assert_eq!(anatomy.contract.as_deref(), Some("0.1.0"));
        assert_eq!(anatomy.imports, ["postern:provider/log@0.1.0"]);
        assert_eq!(anatomy.exports, ["postern:provider/provider@0.1.0"], "a module's own are not the component's");
        assert_eq!(anatomy.languages, BTreeSet::from(["Rust 2024".to_owned()]));
        assert_eq!(anatomy.tools, BTreeSet::from(["rustc 1.95.0".to_owned()]));
        assert!(anatomy.sections["code"] > 0 && anatomy.sections["data"] > 0 && anatomy.sections["custom `producers`"] > 0);
        assert_eq!((anatomy.digest.len(), anatomy.broken), (64, None));
    }

    #[test]
    fn what_is_broken_or_none_is_told_as_far_as_it_goes() {
        let mut cut = wat::parse_str("(module (import \"env\" \"f\" (func)) (func (export \"run\")))").unwrap();
        let module = Anatomy::of(&cut);
        assert_eq!(
            (module.kind, module.imports, module.exports),
            (Kind::Module, vec!["env f".to_owned()], vec!["run".to_owned()])
        );
        cut.truncate(cut.len() - 2);
        assert!(Anatomy::of(&cut).broken.is_some());
        assert_eq!(Anatomy::of(b"#!/bin/sh").kind, Kind::Foreign);
    }
}
