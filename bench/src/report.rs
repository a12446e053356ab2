//! What is printed: the machine, then one table for each part; or the same as JSON.

use crate::machine::Machine;
use anyhow::Result;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io::Write;

/// What a figure is meant to reach, on a quiet machine with two cores.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Goal {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Less than this.
    Below(f64),
}

impl Goal {
    /// A figure's cell, with the goal beside the text: `0.93 (≥ 0.8)`, or `0.71 (≥ 0.8 missed)`.
    pub(crate) fn beside(self, figure: f64, text: &str) -> String {
        let (sign, goal, met) = match self {
            Self::AtLeast(goal) => ('≥', goal, figure >= goal),
            Self::AtMost(goal) => ('≤', goal, figure <= goal),
            Self::Below(goal) => ('<', goal, figure < goal),
        };
        format!("{text} ({sign} {goal}{})", if met { "" } else { " missed" })
    }
}

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

#[cfg(test)]
mod tests {
    use super::Goal;

    #[test]
    fn a_goal_stands_beside_the_figure_and_says_if_it_was_missed() {
        assert_eq!(Goal::AtLeast(0.8).beside(0.8, "0.80"), "0.80 (≥ 0.8)");
        assert_eq!(Goal::AtMost(1.5).beside(1.51, "1.51"), "1.51 (≤ 1.5 missed)");
        assert_eq!(Goal::Below(1024.0).beside(1024.0, "1024"), "1024 (< 1024 missed)");
    }
}
