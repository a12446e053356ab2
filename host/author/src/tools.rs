//! What runs providers here.

use crate::Error;
use postern_core::PluginId;
use postern_runtime::{Compiler, Limits, Runtime};
use std::path::PathBuf;

/// How many calls run at once: one, and what asks for the manifest.
const CONCURRENCY: u32 = 2;

/// How many bytes of machine code are kept.
const CACHE_BYTES: u64 = 1 << 30;

/// The operator that is imagined: what the daemon would be configured with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The plugin that the provider is added for; its id begins with it.
    pub plugin: PluginId,
    /// The bounds of each call.
    pub sandbox: Limits,
    /// What is allowed outside. In a scripted run, everything ends at the stage.
    pub egress: postern_egress::Options,
    /// What compiles. None: this process itself, as tests may.
    pub compiler: Option<Compiler>,
    /// Where machine code is kept from run to run. Only its owner may be able to write there. None: for this run only.
    pub cache: Option<PathBuf>,
}

/// Runs providers.
pub struct Tools {
    pub(crate) setup: Setup,
    pub(crate) runtime: Runtime,
    /// Until the end of the run.
    _cache: Option<tempfile::TempDir>,
}

impl Tools {
    /// Starts the runtime.
    ///
    /// # Errors
    /// This machine cannot run it, or the cache cannot be written.
    pub fn start(setup: Setup) -> Result<Self, Error> {
        let (temporary, cache) = match &setup.cache {
            Some(directory) => (None, directory.clone()),
            None => {
                let made = directory()?;
                let path = made.path().to_owned();
                (Some(made), path)
            }
        };
        let runtime = Runtime::start(postern_runtime::Options {
            cache: Some((cache, CACHE_BYTES)),
            limits: setup.sandbox.clone(),
            concurrency: CONCURRENCY,
            compiler: setup.compiler.clone(),
        });
        let runtime = runtime.map_err(|error| Error::Machine(error.to_string()))?;
        Ok(Self { setup, runtime, _cache: temporary })
    }
}

/// A directory that goes with its value, readable for this user only.
pub(crate) fn directory() -> Result<tempfile::TempDir, Error> {
    let made = tempfile::Builder::new().prefix("postern-author-").tempdir();
    made.map_err(|error| Error::machine("no temporary directory can be made", error))
}
