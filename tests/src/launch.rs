//! Where the binary is, and the configuration that tests run with.

use crate::wait::until;
use crate::{Daemon, EXPLORER, STOCK};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// What keeps the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The default.
    #[default]
    Sled,
    /// The alternative.
    Redb,
}

/// A daemon that is to be started.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    engine: Engine,
    changes: Vec<toml::Table>,
    pub(crate) address_space: Option<u64>,
    data: Option<PathBuf>,
}

/// A process that ended.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// What it said.
    pub stderr: String,
}

/// Few and quick retries, small pools, and receivers on this machine may be reached. Of the bundled providers the webhook alone
/// is loaded, since reading all of them takes most of a start; who wants them says [`ALL_BUNDLED`].
const CONFIG: &str = r#"
[store]
cache-mib = 8
reserve-mib = 1
[egress]
allow = ["127.0.0.1/32"]
[delivery]
retry = ["50ms", "50ms", "50ms"]
jitter = 0.0
concurrency = 32
[providers]
bundled = ["webhook"]
"#;

/// Loads every provider that comes with the program.
pub const ALL_BUNDLED: &str = "[providers]\nbundled = [\"*\"]";

impl Builder {
    /// Chooses the engine.
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Changes keys of the configuration: TOML, section by section.
    ///
    /// # Panics
    /// It is no TOML.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        self.changes.push(toml.parse().expect("the test's TOML"));
        self
    }

    /// Bounds the process's address space, in KiB, as `ulimit -v` does.
    #[must_use]
    pub fn address_space(mut self, kibibytes: u64) -> Self {
        self.address_space = Some(kibibytes);
        self
    }

    /// Keeps the data in this directory, which may be on another file system.
    #[must_use]
    pub fn data(mut self, directory: &Path) -> Self {
        self.data = Some(directory.to_owned());
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// It does not serve.
    pub async fn start(self) -> Daemon {
        static WARM: OnceCell<()> = OnceCell::const_new();
        // The first daemon alone compiles what all others find in the cache.
        WARM.get_or_init(|| async {
            let daemon = Daemon::launch(Self::default().config(ALL_BUNDLED)).await;
            daemon.loaded().await;
            daemon.add_hostile().await;
            daemon.add_connected().await;
            daemon.add_tracker().await;
            daemon.add_provider("test.explorer", EXPLORER).await;
            daemon.add_provider("test.stock", STOCK).await;
        })
        .await;
        Daemon::launch(self).await
    }

    /// Writes the configuration.
    pub(crate) fn write(&self, home: &Path) {
        let mut table: toml::Table = CONFIG.parse().expect("the tests' own TOML");
        let engine = match self.engine {
            Engine::Sled => "sled",
            Engine::Redb => "redb",
        };
        let cache = compile_cache();
        let own = format!("[store]\nengine = {engine:?}\n[providers]\ncompile-cache = {:?}", cache.display().to_string());
        for change in std::iter::once(own.parse().expect("the tests' own TOML")).chain(self.changes.iter().cloned()) {
            merge(&mut table, change);
        }
        fs::write(home.join("postern.toml"), table.to_string()).expect("the configuration can be written");
        if let Some(data) = &self.data {
            std::os::unix::fs::symlink(data, home.join("data")).expect("a link to the data");
        }
    }
}

fn merge(target: &mut toml::Table, change: toml::Table) {
    for (key, value) in change {
        match (target.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(value)) => merge(inner, value),
            (_, value) => {
                target.insert(key, value);
            }
        }
    }
}

/// Where all daemons, and the commands for authors, keep machine code.
pub fn compile_cache() -> PathBuf {
    temporary().join("compile-cache")
}

/// `target/{profile}`, from where this test itself is: `target/{profile}/deps/it-…`.
pub fn build_directory() -> PathBuf {
    let own = std::env::current_exe().expect("a program has a path");
    own.ancestors().nth(2).expect("a test is in target/{profile}/deps").to_owned()
}

/// The folder in the build's own for what tests may find again in another run.
pub fn temporary() -> PathBuf {
    build_directory().join("../tmp")
}

/// The `postern` program, without what the environment would tell it.
///
/// # Panics
/// It was not built.
pub fn postern() -> Command {
    let program = build_directory().join("postern");
    assert!(program.is_file(), "{} is not there: run `make test`, or `cargo build -p postern` first", program.display());
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("POSTERN_")) {
        command.env_remove(name);
    }
    command
}

/// Starts `postern serve` on the directory's configuration and data, with at most so many KiB of address space.
pub(crate) fn serve(home: &TempDir, address_space: Option<u64>) -> Child {
    let path = |name: &str| home.path().join(name);
    // A reader must not take the last run's address for this one's.
    let _ = fs::remove_file(path("ready"));
    let stderr = File::create(path("stderr")).expect("a file for what it says");
    let mut command = postern();
    if let Some(kibibytes) = address_space {
        let mut shell = Command::new("sh");
        // The shell becomes the program, so that signals reach it.
        shell.args(["-c", &format!("ulimit -v {kibibytes} && exec \"$0\" \"$@\"")]).arg(command.get_program());
        for (name, _) in command.get_envs() {
            shell.env_remove(name);
        }
        command = shell;
    }
    command
        .arg("serve")
        .args([c("--config"), path("postern.toml"), c("--data"), path("data"), c("--ready-file"), path("ready")])
        .args(["--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .expect("postern starts")
}

fn c(flag: &str) -> PathBuf {
    flag.into()
}

/// Waits until the process serves, and answers with its address; or until it ended.
pub(crate) async fn ready(child: &mut Child, home: &TempDir) -> Result<String, Ended> {
    until("the daemon to serve or to end", || {
        let address = fs::read_to_string(home.path().join("ready")).ok();
        let ended = child.try_wait().expect("the process can be asked");
        let outcome = match (address, ended) {
            (_, Some(status)) => Some(Err(Ended { status, stderr: stderr(home) })),
            (Some(address), None) => Some(Ok(address.trim().to_owned())),
            (None, None) => None,
        };
        std::future::ready(outcome)
    })
    .await
}

/// What the process said so far.
pub(crate) fn stderr(home: &TempDir) -> String {
    String::from_utf8_lossy(&fs::read(home.path().join("stderr")).unwrap_or_default()).into_owned()
}
