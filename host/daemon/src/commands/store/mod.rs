//! `postern store`.

mod check;
mod export;
mod import;
pub(super) mod progress;

use crate::config::Config;
use crate::telemetry::log_to_stderr;
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use postern_store::check::Problem;
use postern_store::transfer::Transferred;
use postern_store::{Embedded, Engine};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read everything that is stored, and verify it.
    ///
    /// Verifies the checksum of each record, that each can be read, that they refer to each other as they must, that the
    /// components of providers are there and are what their names say, and that the master key opens the vault. Changes
    /// nothing; exits with 1 if there are problems. The daemon must be stopped.
    Check(check::Check),
    /// Write a whole data directory as JSON lines.
    ///
    /// The export holds the event types, subscriptions, connections, providers with their components, tokens (as hashes),
    /// events, deliveries with their history, the audit log, and the vault. Secrets stay encrypted: whoever imports it needs
    /// the master key besides, which is in the file `master-key` of the data directory, or where you put it. Keep the two
    /// apart. Payloads of events are in clear.
    ///
    /// What is damaged is left out; the exit code is 1 then. The daemon must be stopped.
    Export(export::Export),
    /// Fill a new data directory from an export, on any engine
    ///
    /// All or nothing: an export with a wrong line leaves the directory empty. Three steps move a data directory:
    ///
    ///   postern store export all.jsonl --data OLD
    ///   postern store import all.jsonl --data NEW --engine redb
    ///   cp -p OLD/master-key NEW/master-key
    ///
    /// The last is not needed if the master key is in POSTERN_MASTER_KEY or in a file elsewhere.
    /// Name the engine to `postern serve` as well, or set it in the configuration. Deliveries that
    /// were pending are made, and tokens are valid as before.
    #[command(verbatim_doc_comment)]
    Import(import::Import),
}

pub(crate) async fn run(command: Command) -> Result<()> {
    match command {
        Command::Check(check) => check.run().await,
        Command::Export(export) => export.run().await,
        Command::Import(import) => import.run().await,
    }
}

/// Lets what the store has to say appear on stderr.
fn log(config: &Config) -> Result<()> {
    let mut config = config.clone();
    "warn".clone_into(&mut config.log.level);
    log_to_stderr(&config)
}

/// Opens a store, alone; with `accept_loss` also what is left of a damaged one.
async fn open(config: &Config, engine: Engine, accept_loss: bool) -> Result<Embedded> {
    let options = postern_store::Options {
        accept_loss,
        engine,
        cache_bytes: config.store.cache_mib << 20,
        reserve_bytes: config.store.reserve_mib << 20,
        ..postern_store::Options::new(&config.store.directory)
    };
    let opened = tokio::task::spawn_blocking(move || Embedded::open(options)).await?;
    opened.with_context(|| format!("the store in {} cannot be opened", config.store.directory.display()))
}

/// The engine that a data directory was made with, and what is wrong with its files.
async fn look(config: &Config) -> Result<(Engine, Vec<Problem>)> {
    let directory = config.store.directory.display();
    let Some(engine) = Engine::of_directory(&config.store.directory)? else {
        bail!("{directory} is no data directory: it has no file `engine`; name one with --data");
    };
    let path = config.store.directory.clone();
    let problems = tokio::task::spawn_blocking(move || Embedded::check_files(&path, engine)).await?;
    Ok((engine, problems.with_context(|| format!("the store in {directory} cannot be read"))?))
}

/// What was exported or imported, for people.
fn counts(counts: &Transferred) -> String {
    let Transferred { vault, components, documents, idempotency_keys, audit_entries, events, steps, .. } = counts;
    let (holds, external_ids) = (counts.holds, counts.external_ids);
    let vault = if *vault { "the vault" } else { "no vault" };
    format!(
        "{documents} documents, {events} events with {steps} steps of deliveries, {components} components, \
         {idempotency_keys} idempotency keys, {audit_entries} audit records, {external_ids} external ids, {holds} held \
         entities, {vault}"
    )
}
