//! The commands, one file each.

pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod author;
mod chosen;
pub(crate) mod compile;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod delivery;
pub(crate) mod event;
mod history;
mod place;
mod provider;
mod replay;
pub(crate) mod secrets;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod subscription;
pub(crate) mod token;

use anyhow::{Context, Result};
use serde_json::Value;
use std::io::Read;

/// Reads JSON from an argument: the text itself, `@FILE`, or `-` for standard input.
fn json(argument: &str) -> Result<Value> {
    let (text, origin) = match argument.strip_prefix('@') {
        Some(path) => (std::fs::read_to_string(path).with_context(|| format!("{path} cannot be read"))?, path),
        None if argument == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
            (text, "standard input")
        }
        None => (argument.to_owned(), "the argument"),
    };
    serde_json::from_str(&text).with_context(|| format!("{origin} is no JSON"))
}
