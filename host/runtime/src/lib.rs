//! Runs providers: WebAssembly components, each call in a fresh instance that can reach nothing but what is linked here.
//! The only crate that knows wasmtime.
//!
//! Invariants:
//! - A component is read before it is compiled: what it imports beyond the contract and an empty WASI is refused.
//! - Every call is bounded in memory, tables, instances, handles, computing, time, log and results; a bound that is hit
//!   ends the call with an error that names it.
//! - Nothing of one call is left for the next, and a call that ends early leaves nothing behind.
//! - Machine code is loaded only from a file that this host wrote, for this engine, from this component.
//! - What compiles is another process, bounded in time and memory, which gives way to deliveries.
//!
//! | module | what it does |
//! |---|---|
//! | [`limits`] | the bounds and their defaults |
//! | `engine` | wasmtime's engine and the linkers |
//! | `features` | which of WebAssembly's features are on |
//! | [`anatomy`] | what a file is made of, for who wants to look into it |
//! | [`component`] | what a file is, what it needs, and making a component of it |
//! | [`compile`] | from a component to machine code |
//! | `cache` | machine code on disk |
//! | [`log`] | what a guest writes |
//! | `last_words` | why a guest trapped, as its language's runtime wrote it |
//! | [`call`] | one call: its state, its bounds, its outcome |
//! | `wasi_http` | stock HTTP clients in components: their requests go to the broker |
//! | [`contract`] | the contract's versions, one module each |

pub mod anatomy;
pub mod call;
pub mod compile;
pub mod component;
pub mod contract;
pub mod limits;
pub mod log;

mod cache;
mod engine;
mod features;
mod last_words;
mod wasi_http;

pub use anatomy::Anatomy;
pub use call::{CallError, Report};
pub use compile::Compiler;
pub use component::LoadError;
pub use contract::{Delivery, Entity, Failure, OptionItem, OptionsRequest, Receipt, Settings, SettingsKind};
pub use limits::Limits;

use contract::v0_1;
use metrics::{Counter, counter, describe_counter};
use postern_core::grant;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

/// What a runtime is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where machine code is kept, and how many bytes of it. None: it is compiled anew each time.
    pub cache: Option<(PathBuf, u64)>,
    /// The bounds of each call.
    pub limits: Limits,
    /// How many deliveries may run at once; the pool of instances has this size, and some places more for other calls.
    pub concurrency: u32,
    /// What compiles. None: this process itself, within no bounds of time and memory, as tests and benchmarks may.
    pub compiler: Option<Compiler>,
}

/// Compiles components and runs them. Cheap to clone.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    engine: engine::Engine,
    cache: Option<cache::Cache>,
    compiler: Option<compile::Processes>,
    limits: Arc<Limits>,
    /// How often machine code was in the cache, and how often it had to be made.
    cache_hits: Counter,
    cache_misses: Counter,
    loading: ThreadPool,
    /// A permit for each KiB that is compiled at once.
    compiling: Arc<Semaphore>,
    /// Places of the pool for calls that are no deliveries.
    asides: Semaphore,
    /// How many guests that compute for long may do so at once: half the processors are always left to others.
    turns: Arc<Semaphore>,
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
            .map(|(directory, most_bytes)| cache::Cache::open(&directory, &engine.wasmtime, &component::MADE_WITH, most_bytes))
            .transpose()
            .map_err(|error| StartError(format!("the compile cache: {error}")))?;
        describe_counter!("postern_compile_cache_total", "Components that were loaded: from the compile cache, or compiled.");
        let cache_hits = counter!("postern_compile_cache_total", "result" => "hit");
        let cache_misses = counter!("postern_compile_cache_total", "result" => "miss");
        let limits = Arc::new(options.limits);
        let compiler = options.compiler.map(|program| compile::Processes::new(program, engine.memory, limits.clone()));
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let loading = loading(processors).map_err(|error| StartError(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            loading,
            engine,
            cache,
            compiler,
            limits,
            cache_hits,
            cache_misses,
            compiling: Arc::new(Semaphore::new(COMPILED_AT_ONCE as usize)),
            asides: Semaphore::new(engine::ASIDE as usize),
            turns: Arc::new(Semaphore::new((processors / 2).max(1))),
        })))
    }

    /// The bounds of each call, where a grant sets no others.
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
        let started = std::time::Instant::now();
        let inner = self.0.clone();
        let (digest, prepared, known) = self.apart(move || inner.read(&bytes)).await??;
        let cached = known.is_some();
        if cached { &self.0.cache_hits } else { &self.0.cache_misses }.increment(1);
        let component::Prepared { bytes, version, needs } = prepared;
        let code = match known {
            Some(code) => code,
            None => {
                let room = self.0.compiling.clone().acquire_many_owned(room(bytes.len())).await;
                let room = room.map_err(|_| LoadError::Host("the runtime is stopping".into()))?;
                let (inner, digest) = (self.0.clone(), digest.clone());
                let code = self.apart(move || {
                    let _room = room;
                    inner.compile(&bytes, &digest)
                });
                let code = code.await??;
                self.end_idle_later();
                code
            }
        };
        let pre = self.0.engine.link(&code, needs).map_err(|error| LoadError::Link(format!("{error:#}")))?;
        tracing::debug!(%digest, cached, millis = started.elapsed().as_millis(), "component loaded");
        let shared = Arc::new(Shared { digest, size, version, needs, pre });
        Ok(Component { runtime: self.0.clone(), shared, limits: self.0.limits.clone() })
    }

    /// What compiles is kept for the next component, but not for long.
    fn end_idle_later(&self) {
        let inner = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(compile::KEPT).await;
            if let Some(inner) = inner.upgrade() {
                let end = inner.clone();
                inner.loading.spawn(move || end.compiler.iter().for_each(compile::Processes::end_idle));
            }
        });
    }

    /// Does long work of loading on a thread that gives way to deliveries, and which nobody waits for when the process ends.
    ///
    /// # Errors
    /// The work panicked.
    pub async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, LoadError> {
        let (done, result) = oneshot::channel();
        self.0.loading.spawn(move || drop(done.send(work())));
        result.await.map_err(|error| LoadError::Host(format!("the loading thread failed: {error}")))
    }
}

/// How many KiB of components are compiled at once: those of one that is the largest that the default bound allows, or of
/// some small ones, or of a large one and a small one, so that nobody waits long for a small one.
const COMPILED_AT_ONCE: u32 = 32 << 10;
/// As what a small one counts, so that no more than four compile at once.
const SMALL: u32 = COMPILED_AT_ONCE / 4;

/// The part of [`COMPILED_AT_ONCE`] that compiling so many bytes takes.
fn room(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).clamp(SMALL, COMPILED_AT_ONCE)
}

/// Threads for what takes long, which give way to others. They stay: a thread that begins costs deliveries more than one that goes on;
/// see `compile::processes`. As many as may compile, and one more for each processor, so that what need not be compiled
/// does not wait for what has to be.
fn loading(processors: usize) -> Result<ThreadPool, ThreadPoolBuildError> {
    ThreadPoolBuilder::new()
        .num_threads((COMPILED_AT_ONCE / SMALL) as usize + processors)
        .thread_name(|_| "loading".into())
        .start_handler(|_| compile::give_way())
        // Whoever waits for the result learns that there is none.
        .panic_handler(|_| {})
        .build()
}

/// A file's digest, what it is, and its machine code if that is in the cache.
type Read = (String, component::Prepared, Option<wasmtime::component::Component>);

impl Inner {
    fn read(&self, bytes: &[u8]) -> Result<Read, LoadError> {
        let digest = digest(bytes);
        let known = self.cache.as_ref().and_then(|cache| cache.load(&self.engine.wasmtime, &digest));
        let prepared = component::prepare(bytes, &self.limits, known.is_some())?;
        Ok((digest, prepared, known))
    }

    fn compile(&self, bytes: &[u8], digest: &str) -> Result<wasmtime::component::Component, LoadError> {
        let failed = |error: wasmtime::Error| LoadError::Compile(format!("{error:#}"));
        let code = match &self.compiler {
            Some(compiler) => compiler.compile(bytes)?,
            None => self.engine.wasmtime.precompile_component(bytes).map_err(failed)?,
        };
        if let Some(Err(error)) = self.cache.as_ref().map(|cache| cache.store(digest, &code)) {
            tracing::warn!(%digest, %error, "the compile cache could not be written; the next start compiles again");
        }
        cache::deserialize(&self.engine.wasmtime, &code).map_err(failed)
    }

    /// Waits for a place for a call that is no delivery.
    async fn aside(&self) -> Option<SemaphorePermit<'_>> {
        self.asides.acquire().await.ok()
    }
}

/// A provider's component, ready to be called. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    runtime: Arc<Inner>,
    shared: Arc<Shared>,
    limits: Arc<Limits>,
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

    /// The bounds of its calls.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The same with the bounds that a grant sets, and the runtime's where it sets none.
    #[must_use]
    pub fn granted(&self, limits: &grant::Limits) -> Self {
        if limits.is_empty() {
            return Self { limits: self.runtime.limits.clone(), ..self.clone() };
        }
        self.bounded(self.runtime.limits.granted(limits))
    }

    fn bounded(&self, limits: Limits) -> Self {
        Self { limits: Arc::new(limits), ..self.clone() }
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
    let mut digest = Sha256::new();
    compile::parts(bytes).for_each(|part| digest.update(part));
    hex(&digest.finalize())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
