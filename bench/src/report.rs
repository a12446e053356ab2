//! What is printed: the machine, then one table for each part; or the same as JSON.

use crate::machine::Machine;
use anyhow::Result;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde_json::{Map, Value, json};
use std::io::Write;

/// A finished part of the benchmark.
pub(crate) struct Section {
    /// Its key in JSON.
    pub(crate) name: &'static str,
    /// What the table shows, in a line.
    pub(crate) title: String,
    /// The table's columns.
    pub(crate) columns: Vec<&'static str>,
    /// The table's cells, row by row.
    pub(crate) rows: Vec<Vec<String>>,
    /// What is to be known to read it, a sentence or two each.
    pub(crate) notes: Vec<String>,
    /// The figures for programs.
    pub(crate) data: Value,
}

/// Everything that is printed.
pub(crate) struct Report {
    machine: Machine,
    runs: u32,
    sections: Vec<Section>,
}

impl Report {
    /// An empty report.
    pub(crate) fn new(machine: Machine, runs: u32) -> Self {
        Self { machine, runs, sections: Vec::new() }
    }

    /// Adds a part.
    pub(crate) fn add(&mut self, section: Section) {
        self.sections.push(section);
    }

    /// Prints it to the standard output.
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            let mut all = Map::new();
            all.insert("machine".into(), serde_json::to_value(&self.machine)?);
            all.insert("runs".into(), json!(self.runs));
            all.extend(self.sections.iter().map(|section| (section.name.to_owned(), section.data.clone())));
            writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
            return Ok(());
        }
        let Machine { cores, processor, kernel, file_system, load_before } = &self.machine;
        writeln!(
            out,
            "{cores} cores of {processor}, Linux {kernel}, {file_system}, load {load_before} before; medians of {} runs",
            self.runs
        )?;
        for section in &self.sections {
            writeln!(out, "\n{}\n{}", section.title, table(section))?;
            for note in &section.notes {
                writeln!(out, "{note}")?;
            }
        }
        Ok(())
    }
}

fn table(section: &Section) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(&section.columns);
    for row in &section.rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
