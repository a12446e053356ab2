//! `postern provider test`.

use super::{Operator, read, show};
use crate::output::Format;
use anyhow::{Context, Result, bail};
use clap::Args;
use postern_author::Script;
use postern_author::script::{self, EventInput};
use postern_author::trial::Targets;
use postern_core::grant::Grant;
use postern_egress::AllowRule;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How much of a body the record of a run keeps, so that it can be played again: all that is read by default.
const RECORDED: usize = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The component, or a core module built for the contract.
    file: PathBuf,
    /// The subscription's settings: JSON or YAML, @FILE or - for standard input.
    #[arg(long)]
    config: Option<String>,
    /// The connection's settings, likewise.
    #[arg(long)]
    connection: Option<String>,
    /// An event, likewise: its `type`, its `payload`, perhaps a `timestamp` and an `entity`. Give it several times for several.
    /// Default: an incident that begins.
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
    /// What the operator grants, likewise: `{"hosts": ["example.com"], "revealSecrets": true}`. Default: what the manifest asks for.
    #[arg(long)]
    grant: Option<String>,
    /// What the targets expect and answer, a YAML file; it may also hold config, connection, events and grant. Default: `{}` for
    /// every request.
    #[arg(long, value_name = "FILE", conflicts_with = "recording")]
    script: Option<PathBuf>,
    /// The exchanges of an attempt, played again: a file that --record or `postern delivery show` wrote.
    #[arg(long, value_name = "FILE")]
    recording: Option<PathBuf>,
    /// Play the standard set: what targets answer and fail with. The script's `answers` say what a good answer is.
    #[arg(long, conflicts_with_all = ["recording", "record", "live"])]
    conformance: bool,
    /// Send requests to the real targets, within the grant.
    #[arg(long, conflicts_with_all = ["recording", "script"])]
    live: bool,
    /// With --live: a special address or name that may be reached, as in `[egress] allow`: 127.0.0.1. Give it several times for several.
    #[arg(long, value_name = "ADDRESS", requires = "live")]
    allow: Vec<AllowRule>,
    /// Write the last attempt, with its exchanges, to this file.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Run again whenever the component or the script changes, until Control-C.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    format: Format,
}

pub(crate) async fn run(test: Test) -> Result<()> {
    if !test.watch {
        return once(&test).await;
    }
    loop {
        let before = test.seen();
        if let Err(error) = once(&test).await {
            eprintln!("error: {error:#}");
        }
        eprintln!("waiting for a change of {}", test.file.display());
        while test.seen() == before {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

async fn once(test: &Test) -> Result<()> {
    let component = read(&test.file)?;
    let script = test.script()?;
    let mut setup = test.operator.setup()?;
    setup.egress.allow.extend(test.allow.iter().cloned());
    if test.record.is_some() {
        setup.egress.limits.exchange_body_bytes = RECORDED;
    }
    let tools = postern_author::Tools::start(setup)?;
    if test.conformance {
        let found = tools.conformance(component, &script).await?;
        show(&test.format, &found)?;
        return if found.passed { Ok(()) } else { bail!("{} does not conform", test.file.display()) };
    }
    let targets = if test.live { Targets::Real } else { Targets::Played };
    let ran = tools.run(component, &script, targets).await?;
    show(&test.format, &ran)?;
    if let (Some(file), Some(last)) = (&test.record, ran.deliveries.last()) {
        let text = serde_json::to_string_pretty(&last.attempt)?;
        std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    if ran.problems.is_empty() { Ok(()) } else { bail!("the run was not as it should be") }
}

impl Test {
    fn script(&self) -> Result<Script> {
        let mut script = self.script.as_deref().map(Script::read).transpose()?.unwrap_or_default();
        if let Some(file) = &self.recording {
            script = script::recording(script, file)?;
        }
        if let Some(config) = &self.config {
            script.config = Some(value("--config", config)?);
        }
        if let Some(connection) = &self.connection {
            script.connection = Some(value("--connection", connection)?);
        }
        if let Some(grant) = &self.grant {
            let mut asked: Value = value("--grant", grant)?;
            if let Some(asked) = asked.as_object_mut() {
                asked.entry("hosts").or_insert_with(|| json!([]));
            }
            script.grant = Some(serde_json::from_value::<Grant>(asked).context("--grant is no grant")?);
        }
        if !self.events.is_empty() {
            script.events = self.events.iter().map(|event| value::<EventInput>("--event", event)).collect::<Result<_>>()?;
        }
        Ok(script)
    }

    /// When the files were last changed, and their sizes.
    fn seen(&self) -> Vec<Option<(SystemTime, u64)>> {
        let look = |file: &Path| {
            let found = std::fs::metadata(file).ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        let files = [Some(&self.file), self.script.as_ref(), self.recording.as_ref()];
        files.into_iter().flatten().map(|file| look(file)).collect()
    }
}

/// Reads an argument: the text itself, `@FILE`, or `-` for standard input.
fn value<T: DeserializeOwned>(name: &str, argument: &str) -> Result<T> {
    let (text, origin) = match argument.strip_prefix('@') {
        Some(file) => (std::fs::read_to_string(file).with_context(|| format!("{file} cannot be read"))?, file),
        None if argument == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
            (text, "standard input")
        }
        None => (argument.to_owned(), name),
    };
    Ok(script::yaml(&text, origin)?)
}
