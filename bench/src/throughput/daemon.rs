//! The real daemon as a process of its own.

use super::cell::Engine;
use super::emitters::Target;
use anyhow::{Context, Result, bail};
use postern_client::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long it may take to start, to settle and to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// What every daemon is started with.
pub(super) struct Setup {
    /// The program.
    pub(super) program: PathBuf,
    /// Where data directories are made.
    pub(super) directory: PathBuf,
    /// Machine code is kept here, so that only the first start compiles.
    pub(super) compile_cache: PathBuf,
    /// `[log] level`.
    pub(super) log: String,
}

/// A daemon that serves on a fresh data directory. Dropping it ends the process and removes the directory.
pub(super) struct Daemon {
    process: Process,
    client: Client,
    /// Where it takes emissions.
    pub(super) target: Target,
}

impl Daemon {
    /// Starts it and waits until it serves.
    pub(super) async fn start(setup: &Setup, engine: Engine) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("postern-bench-").tempdir_in(&setup.directory)?;
        let root = directory.path().to_owned();
        let path = |name: &str| root.join(name);
        let config = format!(
            "[store]\nengine = \"{engine}\"\n[egress]\nallow = [\"127.0.0.1/32\"]\n[providers]\ncompile-cache = {:?}\n[log]\nlevel = {:?}\n",
            setup.compile_cache, setup.log
        );
        std::fs::write(path("postern.toml"), config)?;
        let mut command = Command::new(&setup.program);
        // What is set for this shell is not meant for what is measured: a backtrace for each error costs much.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("POSTERN_") || text == "RUST_BACKTRACE" || text == "RUST_LIB_BACKTRACE" {
                command.env_remove(&name);
            }
        }
        let child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(path("postern.toml"))
            .arg("--data")
            .arg(path("data"))
            .arg("--ready-file")
            .arg(path("ready"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(path("log"))?)
            .spawn()
            .with_context(|| {
                format!("{} cannot be started; build it: cargo build --release -p postern", setup.program.display())
            })?;
        let mut process = Process { child, _directory: directory };
        let deadline = Instant::now() + PATIENCE;
        let address: SocketAddr = loop {
            if let Ok(text) = std::fs::read_to_string(path("ready")) {
                break text.trim().parse()?;
            }
            if process.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("the daemon did not start: {}", std::fs::read_to_string(path("log"))?.trim());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let token = std::fs::read_to_string(path("data/admin-token"))?.trim().to_owned();
        let client = Client::new(&format!("http://{address}"), Some(token.clone()))?;
        Ok(Self { process, client, target: Target { address, token } })
    }

    /// Registers the event type and makes as many subscriptions as the fan-out, all to one receiver.
    pub(super) async fn prepare(&self, receiver: SocketAddr, fan_out: u32) -> Result<()> {
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
        let grant = json!({ "hosts": [format!("http://{receiver}")] });
        self.client.put("/api/v1/providers/postern.webhook/grant", grant).await?;
        for number in 1..=fan_out {
            let subscription = json!({
                "name": format!("Receiver {number}"),
                "providerId": "postern.webhook",
                "events": ["bench.tick"],
                "providerConfig": { "url": format!("http://{receiver}/hooks/{number}") },
            });
            self.client.post("/api/v1/subscriptions", subscription).await?;
        }
        Ok(())
    }

    /// Its user and system time so far, in seconds, to a hundredth.
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        let stat = self.proc("stat")?;
        // Behind the name, which is in parentheses and may hold anything: state, then the fields from the 4th on.
        let fields: Vec<_> = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        let ticks = |index: usize| -> Option<u32> { fields.get(index)?.parse().ok() };
        let used = ticks(11).zip(ticks(12)).context("the daemon's processor time cannot be read")?;
        Ok(f64::from(used.0 + used.1) / ticks_per_second())
    }

    /// The most memory that was resident, in bytes.
    pub(super) fn peak_memory_bytes(&self) -> Result<f64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in the daemon's status")?;
        let kibibytes: u32 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(f64::from(kibibytes) * 1024.0)
    }

    fn proc(&self, name: &str) -> Result<String> {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.process.child.id())).context("the daemon ended")
    }

    /// Waits until no delivery is pending, and makes sure that none failed.
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
    pub(super) async fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.process.child), Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.process.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the daemon ended with {status}"),
                None if Instant::now() > deadline => bail!("the daemon does not stop"),
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

/// The processor time of everything on the machine so far, in seconds: user, nice, system, interrupts.
pub(super) fn machine_cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    // user nice system idle iowait irq softirq …
    let used = line.split_whitespace().skip(1).enumerate().filter(|(index, _)| [0, 1, 2, 5, 6].contains(index));
    Ok(used.filter_map(|(_, ticks)| ticks.parse::<f64>().ok()).sum::<f64>() / ticks_per_second())
}

fn ticks_per_second() -> f64 {
    u32::try_from(rustix::param::clock_ticks_per_second()).map_or(100.0, f64::from)
}

/// A process that ends before its directory is removed.
struct Process {
    child: Child,
    _directory: TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
