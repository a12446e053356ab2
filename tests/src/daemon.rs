//! A running daemon.

use crate::launch::{Builder, Ended, postern, ready, serve, stderr};
use crate::wait::until;
use crate::{Api, Engine};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;
use tempfile::TempDir;

/// A `postern serve` with a directory of its own. It is killed when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    /// Calls with the first admin token.
    pub api: Api,
    child: Child,
    home: TempDir,
    address_space: Option<u64>,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Printed {
    /// Whether it exited with 0.
    pub success: bool,
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Daemon {
    /// One with other than the usual settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// One with the usual settings.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// One with the usual settings on this engine.
    pub async fn on(engine: Engine) -> Self {
        Self::builder().engine(engine).start().await
    }

    pub(crate) async fn launch(builder: Builder) -> Self {
        let home = tempfile::Builder::new().prefix("postern-test-").tempdir().expect("a temporary directory");
        builder.write(home.path());
        let address_space = builder.address_space;
        let started = Self::run(&home, address_space).await;
        let (child, api) = started.unwrap_or_else(|ended| panic!("the daemon does not start: {ended:?}"));
        Self { api, child, home, address_space }
    }

    async fn run(home: &TempDir, address_space: Option<u64>) -> Result<(Child, Api), Ended> {
        let mut child = serve(home, address_space);
        let address = ready(&mut child, home).await?;
        let token = fs::read_to_string(home.path().join("data/admin-token")).expect("the first admin token");
        Ok((child, Api::new(format!("http://{address}"), Some(token.trim().to_owned()))))
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Where machine code is kept, for all daemons.
    pub fn compile_cache(&self) -> PathBuf {
        crate::launch::compile_cache()
    }

    /// What it said so far.
    pub fn stderr(&self) -> String {
        stderr(&self.home)
    }

    /// Ends it as a crash of the machine's power supply would, as far as the process is concerned.
    pub fn kill_9(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end, without waiting.
    pub fn signal_terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal: `TERM`, `INT`.
    ///
    /// # Panics
    /// It cannot be sent.
    pub fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }

    /// The processes that it started and that run: those that compile for it.
    pub fn compilers(&self) -> BTreeSet<u32> {
        let own = self.child.id().to_string();
        let is_its = |process: &u32| {
            // The fields behind the name, which may hold anything: the state, and whose child it is (proc_pid_stat(5)).
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
            fields.next().is_some_and(|state| state != "Z") && fields.next() == Some(&own)
        };
        let names = fs::read_dir("/proc").expect("the processes").map(|entry| entry.expect("one").file_name());
        names.filter_map(|name| name.to_str()?.parse().ok()).filter(is_its).collect()
    }

    /// Waits until it ended.
    pub async fn ended(&mut self) -> Ended {
        let child = &mut self.child;
        let status = until("the daemon to end", || std::future::ready(child.try_wait().expect("it can be asked"))).await;
        Ended { status, stderr: self.stderr() }
    }

    /// Asks it to end, and waits.
    pub async fn terminate(&mut self) -> Ended {
        self.signal_terminate();
        self.ended().await
    }

    /// Starts it again after it ended, on the same data, with the same settings.
    ///
    /// # Panics
    /// It does not start.
    pub async fn restart(&mut self) {
        self.try_restart().await.unwrap_or_else(|ended| panic!("the daemon does not start again: {ended:?}"));
    }

    /// Likewise, where it may refuse to start.
    ///
    /// # Errors
    /// It ended.
    pub async fn try_restart(&mut self) -> Result<(), Ended> {
        (self.child, self.api) = Self::run(&self.home, self.address_space).await?;
        Ok(())
    }

    /// Starts it again and kills it this time later, wherever it is then.
    pub async fn restart_and_kill(&mut self, after: Duration) {
        self.child = serve(&self.home, self.address_space);
        tokio::time::sleep(after).await;
        self.kill_9();
    }

    /// Starts another daemon on the same data, which is to refuse.
    ///
    /// # Panics
    /// It serves.
    pub async fn refused_twin(&self, builder: Builder) -> Ended {
        let twin = tempfile::tempdir().expect("a temporary directory");
        builder.write(twin.path());
        std::os::unix::fs::symlink(self.data(), twin.path().join("data")).expect("a link to the data");
        let mut child = serve(&twin, builder.address_space);
        match ready(&mut child, &twin).await {
            Err(ended) => ended,
            Ok(_) => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("a second daemon serves the same data")
            }
        }
    }

    /// Runs a command of the command line against it.
    ///
    /// # Panics
    /// It cannot be run.
    pub async fn command(&self, arguments: &[&str]) -> Printed {
        let mut command = postern();
        command.args(arguments).env("POSTERN_URL", self.api.server()).env("POSTERN_TOKEN", self.api.token().unwrap_or_default());
        run(command).await
    }
}

/// Sends a process a signal.
///
/// # Panics
/// It cannot be sent.
pub fn signal(name: &str, process: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status().expect("sh runs");
    assert!(status.success(), "the signal could not be sent");
}

/// Runs a program to its end.
///
/// # Panics
/// It cannot be run.
pub async fn run(mut command: Command) -> Printed {
    let output =
        tokio::task::spawn_blocking(move || command.output()).await.expect("the command runs").expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Printed {
        success: output.status.success(),
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- what the daemon said\n{}", self.stderr());
        }
    }
}
