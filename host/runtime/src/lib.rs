//! Runs providers: WebAssembly components, each call in a fresh instance that can reach nothing but what is linked here.
//! The only crate that knows wasmtime.
//!
//! Invariants:
//! - A component is read before it is compiled: what it imports beyond the contract and an empty WASI is refused.
//! - Every call is bounded in memory, tables, instances, handles, computing, time, log and results; a bound that is hit
//!   ends the call with an error that names it.
//! - Nothing of one call is left for the next, and a call that ends early leaves nothing behind.
//! - Machine code is loaded only from a file that this host wrote, for this engine, from this component.
//!
//! | module | what it does |
//! |---|---|
//! | [`limits`] | the bounds and their defaults |
//! | `engine` | wasmtime's engine and the linkers |
//! | [`component`] | what a file is, what it needs, and making a component of it |
//! | `cache` | machine code on disk |
//! | [`log`] | what a guest writes |
//! | [`call`] | one call: its state, its bounds, its outcome |
//! | `wasi_http` | stock HTTP clients in components: their requests go to the broker |
//! | [`contract`] | the contract's versions, one module each |

pub mod call;
pub mod component;
pub mod contract;
pub mod limits;
pub mod log;

mod cache;
mod engine;
mod wasi_http;

pub use call::{CallError, Report};
pub use component::LoadError;
pub use contract::{Delivery, Entity, Failure, OptionItem, OptionsRequest, Receipt, Settings, SettingsKind};
pub use limits::Limits;

use contract::v0_1;
use metrics::{Counter, counter, describe_counter};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What a runtime is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where machine code is kept. None: it is compiled anew each time.
    pub cache: Option<PathBuf>,
    /// The bounds of each call.
    pub limits: Limits,
    /// How many calls may run at once; the pool of instances has this size.
    pub concurrency: u32,
}

/// Compiles components and runs them. Cheap to clone.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    engine: engine::Engine,
    cache: Option<cache::Cache>,
    limits: Limits,
    /// How often machine code was in the cache, and how often it had to be made.
    cache_hits: Counter,
    cache_misses: Counter,
    /// Compiling takes all the processor it gets: one at a time leaves the rest to deliveries.
    compiling: Semaphore,
}

/// The runtime does not start.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine does not start: {0}")]
pub struct StartError(String);

impl Runtime {
    /// Starts the engine.
    ///
    /// # Errors
    /// The machine cannot run it, or the cache's directory cannot be written.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let engine =
            engine::Engine::new(&options.limits, options.concurrency).map_err(|error| StartError(format!("{error:#}")))?;
        let cache = options
            .cache
            .map(|directory| cache::Cache::open(&directory, &engine.wasmtime))
            .transpose()
            .map_err(|error| StartError(format!("the compile cache: {error}")))?;
        describe_counter!("postern_compile_cache_total", "Components that were loaded: from the compile cache, or compiled.");
        let cache_hits = counter!("postern_compile_cache_total", "result" => "hit");
        let cache_misses = counter!("postern_compile_cache_total", "result" => "miss");
        let compiling = Semaphore::new(1);
        Ok(Self(Arc::new(Inner { engine, cache, limits: options.limits, cache_hits, cache_misses, compiling })))
    }

    /// The bounds of each call.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Makes a component of a file's bytes: reads what it is, refuses what does not fit, compiles it or takes the
    /// machine code from the cache.
    ///
    /// # Errors
    /// The file is no provider for this host; see [`LoadError`].
    pub async fn load(&self, bytes: Vec<u8>) -> Result<Component, LoadError> {
        let _permit = self.0.compiling.acquire().await.map_err(|_| LoadError::Host("the runtime is stopping".into()))?;
        let inner = self.0.clone();
        tokio::task::spawn_blocking(move || inner.load(&bytes))
            .await
            .map_err(|error| LoadError::Host(format!("the compiling thread failed: {error}")))?
    }
}

impl Inner {
    fn load(self: Arc<Self>, bytes: &[u8]) -> Result<Component, LoadError> {
        let digest = hex(&Sha256::digest(bytes));
        let started = std::time::Instant::now();
        let prepared = component::prepare(bytes, self.limits.component_bytes)?;
        let compile = || {
            wasmtime::component::Component::new(&self.engine.wasmtime, &prepared.bytes)
                .map_err(|error| LoadError::Compile(format!("{error:#}")))
        };
        let (code, cached) = match &self.cache {
            None => (compile()?, false),
            Some(cache) => match cache.load(&self.engine.wasmtime, &digest) {
                Some(code) => (code, true),
                None => {
                    let code = compile()?;
                    if let Err(error) = cache.store(&digest, &code) {
                        tracing::warn!(%digest, %error, "the compile cache could not be written; the next start compiles again");
                    }
                    (code, false)
                }
            },
        };
        if cached { &self.cache_hits } else { &self.cache_misses }.increment(1);
        let pre = self.engine.link(&code, prepared.needs).map_err(|error| LoadError::Link(format!("{error:#}")))?;
        tracing::debug!(%digest, cached, millis = started.elapsed().as_millis(), "component loaded");
        Ok(Component {
            runtime: self,
            shared: Arc::new(Shared { digest, size: bytes.len(), version: prepared.version, needs: prepared.needs, pre }),
        })
    }
}

/// A provider's component, ready to be called. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    runtime: Arc<Inner>,
    shared: Arc<Shared>,
}

struct Shared {
    digest: String,
    size: usize,
    version: semver::Version,
    needs: component::Needs,
    pre: v0_1::Pre,
}

impl Component {
    /// SHA-256 of the file that it was made of, in hex.
    pub fn digest(&self) -> &str {
        &self.shared.digest
    }

    /// The size of that file in bytes.
    pub fn size(&self) -> usize {
        self.shared.size
    }

    /// The version of the contract that it was built for.
    pub fn contract(&self) -> &semver::Version {
        &self.shared.version
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Component({})", &self.shared.digest[..12])
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
