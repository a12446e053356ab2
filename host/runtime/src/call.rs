//! One call: its state, its bounds, its outcome.

use crate::component::Needs;
use crate::contract::SUPPORTED;
use crate::engine::TICK_MILLISECONDS;
use crate::limits::Limits;
use crate::log::{Log, Stdio};
use crate::wasi_http::{Ended, Outgoing};
use crate::{Component, Inner};
use postern_core::delivery::{Exchange, Level, LogLine};
use postern_egress::Call;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use wasmtime::component::{ResourceTable, ResourceTableError};
use wasmtime::{PoolConcurrencyLimitError, ResourceLimiter, Store, Trap, UpdateDeadline, WasmBacktrace};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{FieldMapError, WasiHttpCtxView, WasiHttpView};

/// What a call left.
#[derive(Debug)]
pub struct Report<T> {
    /// What the provider answered, or why it did not.
    pub result: Result<T, CallError>,
    /// The requests that it made. Secrets are taken out.
    pub exchanges: Vec<Exchange>,
    /// What it wrote. Secrets are taken out.
    pub log: Vec<LogLine>,
    /// How long it took, waiting included.
    pub duration: Duration,
    /// How many bytes its memories had grown to.
    pub memory: usize,
}

/// Why a call had no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The provider trapped.
    #[error("the provider crashed: {message}")]
    Trap {
        /// Its last words, or the trap's name.
        message: String,
        /// The guest's own frames, innermost first.
        backtrace: String,
    },
    /// The whole call took too long.
    #[error("the provider did not answer within {0:?} ({place})", place = place("call-milliseconds"))]
    Deadline(Duration),
    /// It hit a bound of the sandbox.
    #[error("the provider hit a limit of the sandbox: {what}, at most {most} ({place})", place = place(.setting))]
    Limit {
        /// In words.
        what: &'static str,
        /// The bound, with its unit.
        most: String,
        /// The configuration key.
        setting: &'static str,
    },
    /// Its exports are not of the contract's types.
    #[error("the component does not fit the contract {SUPPORTED}: {0}")]
    Mismatch(String),
    /// Its answer broke the contract.
    #[error("the provider's answer breaks the contract: {0}")]
    Contract(String),
    /// The host's own fault.
    #[error("the sandbox failed: {0}")]
    Host(String),
}

impl CallError {
    /// A bound that was hit, by its key in the configuration.
    pub(crate) fn limit(what: &'static str, setting: &'static str, limits: &Limits) -> Self {
        Self::Limit { what, most: limits.in_words(setting), setting }
    }
}

/// Where a bound is set: for all providers, and where that goes also for one.
pub(crate) fn place(setting: &str) -> String {
    match setting {
        "stack-bytes" => format!("[sandbox] {setting}"),
        _ => format!("[sandbox] {setting}; for this provider alone: postern provider grant ID --limit {setting}=…"),
    }
}

/// How many ticks a guest may compute like any other. Providers take a few milliseconds; one that takes longer takes turns.
const LIGHT_TICKS: u64 = 5;

/// Marks an error of making the instance, before any function was called.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no instance can be made of the component")]
pub(crate) struct NotInstantiated;

/// What a bound leaves in a trap, so that it is told apart from others.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
struct LimitReached(CallError);

/// What the host keeps for one call.
pub(crate) struct State {
    pub(crate) call: Option<Arc<Call>>,
    pub(crate) log: Log,
    bounds: Bounds,
    wasi: Option<(WasiCtx, ResourceTable)>,
    http: Option<Box<Outgoing>>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (ctx, table) = self.wasi.as_mut().expect("WASI is linked only for components that get a context");
        WasiCtxView { ctx, table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (table, outgoing) = self.outgoing();
        WasiHttpCtxView { hooks: &mut outgoing.hooks, table, ctx: &mut outgoing.context }
    }
}

impl State {
    pub(crate) fn outgoing(&mut self) -> (&mut ResourceTable, &mut Outgoing) {
        let (_, table) = self.wasi.as_mut().expect("what needs HTTP gets WASI too");
        (table, self.http.as_mut().expect("HTTP is linked only for components that get it"))
    }
}

struct Bounds {
    limits: Arc<Limits>,
    memory_used: usize,
    ticks: u64,
    ticks_used: u64,
}

impl Bounds {
    fn new(limits: Arc<Limits>) -> Self {
        let ticks = limits.compute_milliseconds.div_ceil(TICK_MILLISECONDS) as u64;
        Self { limits, memory_used: 0, ticks, ticks_used: 0 }
    }

    fn reached(&self, what: &'static str, setting: &'static str) -> wasmtime::Error {
        LimitReached(CallError::limit(what, setting, &self.limits)).into()
    }
}

impl ResourceLimiter for Bounds {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.memory_used - current.min(self.memory_used) + desired;
        if used > self.limits.memory_bytes {
            return Err(self.reached("memory", "memory-bytes"));
        }
        self.memory_used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.limits.table_elements {
            return Err(self.reached("the size of a table", "table-elements"));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.tables
    }

    fn memories(&self) -> usize {
        self.limits.memories
    }
}

impl Component {
    /// Runs one call in a fresh instance. `call` is what its requests go through; without it, every request is refused.
    pub(crate) async fn run<T, F>(&self, call: Option<Arc<Call>>, work: F) -> Report<T>
    where
        F: for<'a> FnOnce(
            &'a mut Store<State>,
            &'a crate::v0_1::Pre,
        ) -> Pin<Box<dyn Future<Output = wasmtime::Result<T>> + Send + 'a>>,
    {
        let started = Instant::now();
        let limits = &self.limits;
        let log = Log::new(limits);
        let (mut store, ended) = self.runtime.store(log.clone(), call.clone(), self.shared.needs, limits.clone());
        let result = tokio::time::timeout(limits.call(), work(&mut store, &self.shared.pre)).await;
        let memory = store.data().bounds.memory_used;
        drop(store);
        if let Some(ended) = ended {
            ended.wait().await;
        }
        let (mut lines, last_words) = log.take();
        let mut result = match result {
            Err(_) => Err(CallError::Deadline(limits.call())),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(classify(&error, last_words, limits)),
        };
        let exchanges = call.as_ref().map(|call| call.take_exchanges()).unwrap_or_default();
        if let Some(call) = &call {
            for line in &mut lines {
                line.message = call.redact(&line.message);
            }
            if let Err(CallError::Trap { message, .. } | CallError::Contract(message)) = &mut result {
                *message = call.redact(message);
            }
        }
        Report { result, exchanges, log: lines, duration: started.elapsed(), memory }
    }
}

impl Inner {
    fn store(&self, log: Log, call: Option<Arc<Call>>, needs: Needs, limits: Arc<Limits>) -> (Store<State>, Option<Ended>) {
        let wasi = (needs >= Needs::Wasi).then(|| {
            let mut context = WasiCtx::builder();
            context
                .stdout(Stdio::new(log.clone(), Level::Info))
                .stderr(Stdio::new(log.clone(), Level::Error))
                .allow_tcp(false)
                .allow_udp(false)
                .allow_ip_name_lookup(false)
                .max_random_size(limits.host_call_bytes as u64);
            let mut table = ResourceTable::new();
            table.set_max_capacity(limits.handles);
            (context.build(), table)
        });
        let (http, ended) = match needs {
            Needs::Contract | Needs::Wasi => (None, None),
            Needs::Http => {
                let (outgoing, ended) = Outgoing::new(call.clone(), log.clone(), &limits);
                (Some(Box::new(outgoing)), Some(ended))
            }
        };
        let (host_call_bytes, handles) = (limits.host_call_bytes, limits.handles);
        let state = State { call, log, bounds: Bounds::new(limits), wasi, http };
        let mut store = Store::new(&self.engine.wasmtime, state);
        store.limiter(|state| &mut state.bounds);
        store.set_hostcall_fuel(host_call_bytes);
        store.set_max_component_handles(handles);
        store.set_epoch_deadline(1);
        // The clock ticks on while the guest waits for an answer, but it is asked only when guest code runs again, and
        // then counts one tick however many have passed: what is counted is computing.
        let turns = self.turns.clone();
        store.epoch_deadline_callback(move |mut store| {
            let bounds = &mut store.data_mut().bounds;
            bounds.ticks_used += 1;
            if bounds.ticks_used > bounds.ticks {
                return Err(bounds.reached("computing", "compute-milliseconds"));
            }
            let turn = (bounds.ticks_used >= LIGHT_TICKS).then(|| turns.clone());
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(give_way(turn))))
        });
        (store, ended)
    }
}

/// Lets others run before a guest computes on. One that has computed for long waits for its turn among such guests, which
/// lasts for one tick, whatever it does then.
async fn give_way(turns: Option<Arc<Semaphore>>) {
    tokio::task::yield_now().await;
    if let Some(turns) = turns
        && let Ok(turn) = turns.acquire_owned().await
    {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(TICK_MILLISECONDS as u64)).await;
            drop(turn);
        });
    }
}

/// Bounds that wasmtime has no type of error for: what its text says, and which they are.
static TOLD_BY_TEXT: [(&str, &str, &str); 6] = [
    ("fuel allocated for hostcalls has been exhausted", "the bytes of one call into the host or of an answer", "host-call-bytes"),
    ("requested len", "the bytes of one call into the host or of an answer", "host-call-bytes"),
    ("store handle limit exceeded", "handles", "handles"),
    ("resource limit exceeded: instance count", "core instances", "instances"),
    ("resource limit exceeded: memory count", "memories", "memories"),
    ("resource limit exceeded: table count", "tables", "tables"),
];

fn classify(error: &wasmtime::Error, last_words: Option<String>, limits: &Limits) -> CallError {
    if let Some(LimitReached(limit)) = error.downcast_ref::<LimitReached>() {
        return limit.clone();
    }
    let limit = |what, setting| CallError::limit(what, setting, limits);
    if let Some(Trap::StackOverflow) = error.downcast_ref::<Trap>() {
        return limit("the depth of the stack", "stack-bytes");
    }
    if let Some(FieldMapError::TotalSizeTooBig | FieldMapError::TooManyFields) = error.downcast_ref::<FieldMapError>() {
        return limit("the headers of a request", "header-bytes");
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return limit("handles", "handles");
    }
    let cause = error.root_cause().to_string();
    if let Some(&(_, what, setting)) = TOLD_BY_TEXT.iter().find(|(text, ..)| cause.contains(text)) {
        return limit(what, setting);
    }
    let trap = error.downcast_ref::<Trap>();
    let backtrace = error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default();
    if trap.is_none() && backtrace.is_empty() {
        if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
            return CallError::Host(cause);
        }
        // The host's own functions answer with errors of the contract; what else there is, is about what the guest handed over.
        return match error.downcast_ref::<NotInstantiated>() {
            Some(_) => CallError::Mismatch(cause),
            None => CallError::Contract(cause),
        };
    }
    let exit = || error.downcast_ref::<I32Exit>().map(|I32Exit(code)| format!("it exited with {code} instead of answering"));
    // What the guest's runtime printed last says more than "unreachable".
    let message = last_words.or_else(exit).or_else(|| trap.map(ToString::to_string)).unwrap_or(cause);
    CallError::Trap { message, backtrace }
}

fn frames(backtrace: &WasmBacktrace) -> String {
    let names = backtrace.frames().iter().take(20).map(|frame| {
        let name = frame.func_name().map_or_else(
            || format!("function {}", frame.func_index()),
            // Rust's names as they are in the source; those of other languages are that already.
            |name| format!("{:#}", rustc_demangle::demangle(name)),
        );
        crate::log::cut(&name, 200).to_owned()
    });
    names.collect::<Vec<_>>().join("\n")
}
