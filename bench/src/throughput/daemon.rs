//! The real daemon, as a client and an operator see it.

use super::emitters::Target;
use super::process::Process;
use super::setup::{Engine, Setup};
use super::usage::ticks_per_second;
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use postern_client::{Body, Client};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long it may take to settle.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long all providers may take to be there: most of it is compiling.
const COMPILING: Duration = Duration::from_secs(120);
/// How long to wait for the answer of a receiver unless a measurement needs less, in milliseconds: the provider's default.
pub(super) const TIMEOUT_MILLISECONDS: u32 = 10_000;

/// The provider that delivers, unless a measurement adds another.
const WEBHOOK: &str = "postern.webhook";

/// A daemon that serves on a data directory of its own. Dropping it ends the process and removes the directory.
pub(super) struct Daemon {
    // Ends before its directory is removed: fields are dropped in this order.
    process: Process,
    directory: TempDir,
    client: Client,
    signed: bool,
    /// Where it takes emissions.
    pub(super) target: Target,
}

impl Daemon {
    /// Starts it on a fresh data directory and waits until it serves with all providers.
    ///
    /// # Errors
    /// It does not start.
    pub(super) async fn start(setup: &Setup, engine: Engine) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("postern-bench-").tempdir_in(&setup.directory)?;
        let config = format!(
            "[store]\nengine = \"{engine}\"\n[egress]\nallow = [\"127.0.0.1/32\"]\n[providers]\ncompile-cache = {:?}\n[log]\nlevel = {:?}\n",
            setup.compile_cache.path(),
            setup.log
        );
        std::fs::write(directory.path().join("postern.toml"), config)?;
        let (process, address) = Process::start(setup, directory.path()).await?;
        let token = std::fs::read_to_string(directory.path().join("data/admin-token"))?.trim().to_owned();
        let client = client(address, &token)?;
        let daemon = Self { process, directory, client, signed: setup.signed, target: Target { address, token } };
        // The first start compiles, which must not be part of what is measured.
        daemon.all_active().await?;
        Ok(daemon)
    }

    /// Stops it as an operator would and starts it again on the same data directory. Answers with how long it took from the
    /// start of the process until it served.
    ///
    /// # Errors
    /// It does not stop or does not start.
    pub(super) async fn restart(&mut self, setup: &Setup) -> Result<Duration> {
        self.process.stop().await?;
        let began = Instant::now();
        let (process, address) = Process::start(setup, self.directory.path()).await?;
        let took = began.elapsed();
        self.process = process;
        self.client = client(address, &self.target.token)?;
        self.target.address = address;
        Ok(took)
    }

    /// Registers the event type and makes one webhook subscription for each place.
    ///
    /// # Errors
    /// The daemon refuses something.
    pub(super) async fn prepare(&self, places: &[SocketAddr], timeout_milliseconds: u32) -> Result<()> {
        self.prepare_for(WEBHOOK, places, timeout_milliseconds).await
    }

    /// The same for another provider that takes the settings of the webhook provider.
    ///
    /// # Errors
    /// The daemon refuses something.
    pub(super) async fn prepare_for(&self, provider: &str, places: &[SocketAddr], timeout_milliseconds: u32) -> Result<()> {
        let schema = json!({
            "type": "object",
            "required": ["sequence", "sentMicros", "padding"],
            "properties": {
                "sequence": { "type": "integer" },
                "sentMicros": { "type": "integer" },
                "padding": { "type": "string" },
            },
        });
        let event_type = json!({ "displayName": "Tick", "payloadSchema": schema });
        self.client.put("/api/v1/plugins/bench/events/tick", event_type).await?;
        let hosts: BTreeSet<_> = places.iter().map(|place| format!("http://{place}")).collect();
        self.client.put(&format!("/api/v1/providers/{provider}/grant"), json!({ "hosts": hosts })).await?;
        for (place, number) in places.iter().zip(1..) {
            let mut subscription = json!({
                "name": format!("Receiver {number}"),
                "providerId": provider,
                "events": ["bench.tick"],
                "providerConfig": { "url": format!("http://{place}/hooks/{number}"), "timeout": timeout_milliseconds },
            });
            if self.signed {
                let key: [u8; 32] = rand::random();
                subscription["providerConfig"]["signingSecret"] = format!("whsec_{}", STANDARD.encode(key)).into();
            }
            self.client.post("/api/v1/subscriptions", subscription).await?;
        }
        Ok(())
    }

    /// Adds a component as a provider of this plugin, or upgrades the one that it is, and approves it if it is new.
    ///
    /// # Errors
    /// The daemon refuses it, or does not put it in force.
    pub(super) async fn add(&self, plugin: &str, component: Vec<u8>) -> Result<()> {
        let body = Body::Component { bytes: component, signature: None };
        let mut added = self.client.call(Method::POST, &format!("/api/v1/providers?plugin={plugin}"), body).await?;
        if added["state"] == "awaiting-approval" {
            let id = added["id"].as_str().context("a provider without an id")?;
            added = self.client.post(&format!("/api/v1/providers/{id}/approve"), json!({})).await?;
        }
        if added["state"] != "active" {
            bail!("a provider that was added is not active: {added}");
        }
        Ok(())
    }

    /// Waits until every provider is active.
    ///
    /// # Errors
    /// One is not after two minutes, or the daemon does not answer.
    pub(super) async fn all_active(&self) -> Result<()> {
        let deadline = Instant::now() + COMPILING;
        loop {
            let all = self.client.list("/api/v1/providers", &[], usize::MAX).await?;
            let active = all.iter().filter(|one| one["state"] == "active").count();
            if active == all.len() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("only {active} of {} providers are active", all.len());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Makes all deliveries wait.
    ///
    /// # Errors
    /// The daemon refuses to.
    pub(super) async fn hold_back(&self) -> Result<()> {
        self.client.post(&format!("/api/v1/providers/{WEBHOOK}/disable"), json!({})).await?;
        Ok(())
    }

    /// Lets deliveries go that wait since [`hold_back`](Self::hold_back).
    ///
    /// # Errors
    /// The daemon refuses to.
    pub(super) async fn let_go(&self) -> Result<()> {
        self.client.post(&format!("/api/v1/providers/{WEBHOOK}/enable"), json!({})).await?;
        Ok(())
    }

    /// Its user and system time so far, in seconds, to a hundredth.
    ///
    /// # Errors
    /// It ended.
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        let stat = self.proc("stat")?;
        // Behind the name, which is in parentheses and may hold anything: state, then the fields from the 4th on.
        let fields: Vec<_> = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        let ticks = |index: usize| -> Option<u32> { fields.get(index)?.parse().ok() };
        let used = ticks(11).zip(ticks(12)).context("the daemon's processor time cannot be read")?;
        Ok(f64::from(used.0 + used.1) / ticks_per_second())
    }

    /// The most memory that was resident since the process started, in mebibytes.
    ///
    /// # Errors
    /// It ended.
    pub(super) fn peak_memory_mebibytes(&self) -> Result<f64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in the daemon's status")?;
        let kibibytes: u32 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(f64::from(kibibytes) / 1024.0)
    }

    fn proc(&self, name: &str) -> Result<String> {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.process.id())).context("the daemon ended")
    }

    /// Waits until no delivery is pending, and makes sure that none failed. Reads every delivery: not for large stores.
    ///
    /// # Errors
    /// One failed, or stays pending.
    pub(super) async fn check_settled(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.client.list("/api/v1/deliveries", &[("status", "pending".into())], 1).await?.is_empty() {
            if Instant::now() > deadline {
                bail!("deliveries arrived whose outcome is not recorded");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for status in ["retrying", "failed"] {
            if let Some(found) = self.client.list("/api/v1/deliveries", &[("status", status.into())], 1).await?.first() {
                bail!("a delivery is {status}: {found}");
            }
        }
        Ok(())
    }

    /// Stops it as an operator would, and waits for its end.
    ///
    /// # Errors
    /// It does not stop, or says that something went wrong.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.process.stop().await
    }
}

fn client(address: SocketAddr, token: &str) -> Result<Client> {
    Ok(Client::new(&format!("http://{address}"), Some(token.to_owned()))?)
}
