//! `postern-bench`: what a sandboxed delivery costs next to the same code called natively, what the host itself does with an
//! event, and how many deliveries a second the real daemon makes.
//!
//! Invariants:
//! - Everything is on this machine: the load, the daemon and the receiver talk over loopback addresses only.
//! - Every run is bounded in events and in time, and starts on a fresh data directory that it removes.
//! - Every figure is the median of the runs, unless its table says that there was one; what is compared runs in turns, so that a noisy moment meets both.
//! - Counts are exact: a delivery that does not arrive ends the benchmark with an error, one that arrives twice is reported.
//!
//! | module | what it does |
//! |---|---|
//! | `machine` | what it runs on |
//! | `sandbox` | one delivery: sandboxed and native |
//! | `matching` | finding an event's subscriptions among few and among many |
//! | `preparation` | validation, jq programs and templates |
//! | `floor` | the parts of a delivery by themselves |
//! | `throughput` | the daemon under load, with a backlog, beside destinations that hang, while providers change, at its start |
//! | `builds` | builds of a provider to upgrade to |
//! | `turns` | times short pieces of work in turns |
//! | `receiver` | takes what is delivered and notes when it came |
//! | `statistics` | medians and percentiles |
//! | `report` | tables and JSON |

#[path = "../../tests/src/builds.rs"]
#[expect(unreachable_pub, reason = "the tests' library, whose file it is, shows it to others")]
mod builds;
mod floor;
mod machine;
mod matching;
mod preparation;
mod receiver;
mod report;
mod sandbox;
mod statistics;
mod throughput;
mod turns;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use machine::Machine;
use std::path::PathBuf;

/// The daemon's, so that what is measured in this process allocates as it does there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Postern on this machine. Without a subcommand: everything.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// Print JSON instead of tables.
    #[arg(long, global = true)]
    json: bool,
    /// Fewer events; the figures are rougher.
    #[arg(long, global = true)]
    quick: bool,
    /// How many runs each figure is the median of.
    #[arg(long, global = true, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Where data directories are made; the system's temporary directory unless set. Its file system is part of the result.
    #[arg(long, global = true, value_name = "DIR")]
    directory: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The cost of one sandboxed delivery next to the same code called natively.
    Sandbox(sandbox::Options),
    /// The cost of finding the ten subscriptions of an event among a hundred and among a hundred thousand.
    Matching,
    /// The cost of what the host does with an event and a config: validation, jq programs, templates.
    Preparation,
    /// The parts of a delivery by themselves: an exchange, a call, a durable append.
    Floor,
    /// The daemon under load: deliveries a second, latencies, processor time.
    Throughput(throughput::Options),
    /// A million deliveries that had to wait: the rate at which they are worked off, memory, the start with them.
    Backlog(throughput::backlog::Options),
    /// The latency of deliveries beside destinations that never answer, and without those.
    Hanging(throughput::hanging::Options),
    /// The latency of deliveries while their provider is upgraded again and again, and while a large component is compiled.
    Upgrades(throughput::upgrades::Options),
    /// The start with ten providers: with their machine code in the cache, and without.
    Start(throughput::start::Options),
    /// What upgrades are compared with: computes for a third of a second.
    #[command(hide = true)]
    Bystander,
}

impl What {
    /// Every part, as it is without options.
    fn all() -> Vec<Self> {
        vec![
            Self::Sandbox(sandbox::Options::default()),
            Self::Matching,
            Self::Preparation,
            Self::Floor,
            Self::Throughput(throughput::Options::default()),
            Self::Hanging(throughput::hanging::Options::default()),
            Self::Upgrades(throughput::upgrades::Options::default()),
            Self::Start(throughput::start::Options::default()),
            Self::Backlog(throughput::backlog::Options::default()),
        ]
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Arguments { what, common } = Arguments::parse();
    let directory = common.directory.clone().unwrap_or_else(std::env::temp_dir);
    let mut report = report::Report::new(Machine::read(&directory)?, common.runs);
    let what = what.map_or_else(What::all, |what| vec![what]);
    for part in what {
        report.add(match part {
            What::Sandbox(options) => sandbox::run(&options, &common).await?,
            What::Matching => matching::run(&common)?,
            What::Preparation => preparation::run(&common)?,
            What::Floor => floor::run(&common, &directory).await?,
            What::Throughput(options) => throughput::run(&options, &common, &directory).await?,
            What::Backlog(options) => throughput::backlog::run(&options, &common, &directory).await?,
            What::Hanging(options) => throughput::hanging::run(&options, &common, &directory).await?,
            What::Upgrades(options) => throughput::upgrades::run(&options, &common, &directory).await?,
            What::Start(options) => throughput::start::run(&options, &common, &directory).await?,
            What::Bystander => return throughput::bystander::work(),
        });
    }
    report.print(common.json)
}

/// The webhook provider's component as it comes with the daemon.
fn webhook() -> Result<Vec<u8>> {
    Ok(postern_bundle::component("webhook").context("no webhook provider")?.to_vec())
}
