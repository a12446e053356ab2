//! What commands print: tables for people, JSON for programs.

use anyhow::Result;
use clap::Args;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// How a command prints.
#[derive(Debug, Args)]
pub(crate) struct Format {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Format {
    /// Prints objects: each as a row of a table whose columns are a title and a pointer.
    pub(crate) fn rows(&self, items: &[Value], columns: &[(&str, &str)]) -> Result<()> {
        self.rows_as(items, Value::clone, columns)
    }

    /// The same, where a row shows other fields than the JSON has.
    pub(crate) fn rows_as(&self, items: &[Value], row: impl Fn(&Value) -> Value, columns: &[(&str, &str)]) -> Result<()> {
        if self.json {
            return print(&serde_json::to_string_pretty(items)?);
        }
        if items.is_empty() {
            return print("(none)");
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(columns.iter().map(|(title, _)| *title));
        for item in items.iter().map(row) {
            table.add_row(columns.iter().map(|(_, pointer)| cell(item.pointer(pointer))));
        }
        print(&table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n"))
    }

    /// Whether a text for people is printed: on a terminal, unless JSON is asked for.
    pub(crate) fn is_text(&self) -> bool {
        !self.json && std::io::IsTerminal::is_terminal(&std::io::stdout())
    }

    /// Whether JSON was asked for.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints one object: as JSON either way, or as the sentence that says what happened.
    pub(crate) fn object(&self, value: &Value, sentence: Option<String>) -> Result<()> {
        match sentence.filter(|_| !self.json) {
            Some(sentence) => print(&sentence),
            None => print(&serde_json::to_string_pretty(value)?),
        }
    }
}

/// Prints a text; a reader that went away is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    use std::io::Write;
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// A text on one line. What somebody else wrote must not steer the terminal.
pub(crate) fn line(text: &str) -> String {
    let shown = |character: char| match character {
        character if character.is_whitespace() => ' ',
        character if character.is_control() => '\u{fffd}',
        character => character,
    };
    text.chars().map(shown).collect()
}

fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(flag)) => if *flag { "yes" } else { "no" }.to_owned(),
        Some(Value::Array(items)) => items.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
    };
    let text = line(&text);
    if text.chars().count() > 80 { text.chars().take(79).chain(['…']).collect() } else { text }
}
