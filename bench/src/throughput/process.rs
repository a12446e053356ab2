//! The daemon's process.

use super::setup::Setup;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to start and to stop. A store with a million deliveries in it is read at the start.
const LONGEST: Duration = Duration::from_secs(300);

/// A process that does not outlive this.
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// Starts the daemon in a directory that holds its configuration, and waits until it serves.
    ///
    /// # Errors
    /// It does not start; with what it wrote to its log.
    pub(super) async fn start(setup: &Setup, directory: &Path) -> Result<(Self, SocketAddr)> {
        let path = |name: &str| directory.join(name);
        let ready = path("ready");
        // One of an earlier process would be believed.
        if ready.exists() {
            std::fs::remove_file(&ready)?;
        }
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
            .arg(&ready)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(path("log"))?)
            .spawn()
            .with_context(|| {
                format!("{} cannot be started; build it: cargo build --release -p postern", setup.program.display())
            })?;
        let mut process = Self { child };
        let deadline = Instant::now() + LONGEST;
        loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                return Ok((process, text.trim().parse()?));
            }
            if process.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("the daemon did not start: {}", std::fs::read_to_string(path("log"))?.trim());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Its number.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Stops it as an operator would, and waits for its end.
    ///
    /// # Errors
    /// It does not stop, or says that something went wrong.
    pub(super) async fn stop(&mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let deadline = Instant::now() + LONGEST;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the daemon ended with {status}"),
                None if Instant::now() > deadline => bail!("the daemon does not stop"),
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
