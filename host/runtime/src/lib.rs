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
//! | `compile` | compiling behind whatever else wants the processors |
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
mod compile;
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
use std::time::Instant;

/// What a runtime is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where machine code is kept. None: it is compiled anew each time.
    pub cache: Option<PathBuf>,
    /// How many bytes of machine code are kept there; what was not used for longest goes.
    pub cache_bytes: u64,
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
    compiler: compile::Compiler,
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
            .map(|directory| cache::Cache::open(&directory, options.cache_bytes, &engine.wasmtime))
            .transpose()
            .map_err(|error| StartError(format!("the compile cache: {error}")))?;
        describe_counter!("postern_compile_cache_total", "Components that were loaded: from the compile cache, or compiled.");
        let cache_hits = counter!("postern_compile_cache_total", "result" => "hit");
        let cache_misses = counter!("postern_compile_cache_total", "result" => "miss");
        let compiler = compile::Compiler::new(options.limits.component_bytes)
            .map_err(|error| StartError(format!("the threads that compile: {error}")))?;
        Ok(Self(Arc::new(Inner { engine, cache, limits: options.limits, cache_hits, cache_misses, compiler })))
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
        let size = bytes.len();
        if size > self.0.limits.component_bytes {
            return Err(LoadError::TooLarge { size, limit: self.0.limits.component_bytes });
        }
        let inner = self.0.clone();
        let found = tokio::task::spawn_blocking(move || inner.find(bytes)).await;
        let (digest, bytes) = match found.map_err(|error| LoadError::Host(format!("the loading thread failed: {error}")))? {
            Found::Compiled(component) => return component,
            Found::Nothing(digest, bytes) => (digest, bytes),
        };
        let inner = self.0.clone();
        let compiled = self.0.compiler.run(size, move || inner.compile(digest, &bytes)).await;
        compiled.unwrap_or_else(|| Err(LoadError::Host("the compiling thread failed".into())))
    }
}

/// What is known of a file.
enum Found {
    /// The cache has its machine code.
    Compiled(Result<Component, LoadError>),
    /// It has to be compiled: its digest and itself.
    Nothing(String, Vec<u8>),
}

impl Inner {
    /// Looks for a file's machine code.
    fn find(self: Arc<Self>, bytes: Vec<u8>) -> Found {
        let started = Instant::now();
        let digest = digest(&bytes);
        match self.cache.as_ref().and_then(|cache| cache.load(&self.engine.wasmtime, &digest)) {
            None => Found::Nothing(digest, bytes),
            Some(code) => {
                self.cache_hits.increment(1);
                // Only what is valid was ever compiled.
                let component = component::read(&bytes).and_then(|read| self.link(digest, bytes.len(), &read, &code));
                tracing::debug!(cached = true, millis = started.elapsed().as_millis(), "component loaded");
                Found::Compiled(component)
            }
        }
    }

    /// Compiles a file and keeps its machine code.
    fn compile(self: Arc<Self>, digest: String, bytes: &[u8]) -> Result<Component, LoadError> {
        let started = Instant::now();
        let read = component::read(bytes)?;
        component::validate(&read)?;
        let code = wasmtime::component::Component::new(&self.engine.wasmtime, &read.bytes)
            .map_err(|error| LoadError::Compile(format!("{error:#}")))?;
        self.cache_misses.increment(1);
        if let Some(Err(error)) = self.cache.as_ref().map(|cache| cache.store(&digest, &code)) {
            tracing::warn!(%digest, %error, "the compile cache could not be written; the next start compiles again");
        }
        tracing::debug!(%digest, cached = false, millis = started.elapsed().as_millis(), "component compiled");
        self.link(digest, bytes.len(), &read, &code)
    }

    fn link(
        self: Arc<Self>,
        digest: String,
        size: usize,
        read: &component::Prepared,
        code: &wasmtime::component::Component,
    ) -> Result<Component, LoadError> {
        let pre = self.engine.link(code, read.needs).map_err(|error| LoadError::Link(format!("{error:#}")))?;
        let shared = Shared { digest, size, version: read.version.clone(), needs: read.needs, pre };
        Ok(Component { runtime: self, shared: Arc::new(shared) })
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

/// SHA-256 of a file, in hex, by which components are known.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
