//! One call: its state, its bounds, its outcome.

use crate::component::Needs;
use crate::contract::SUPPORTED;
use crate::engine::TICK;
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
use wasmtime::component::{ResourceTable, ResourceTableError};
use wasmtime::{PoolConcurrencyLimitError, ResourceLimiter, Store, Trap, UpdateDeadline, WasmBacktrace};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
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
    #[error("the provider did not answer within {0:?} ([sandbox] call-milliseconds)")]
    Deadline(Duration),
    /// It hit a bound of the sandbox.
    #[error("the provider hit a limit of the sandbox: {what}, at most {most} ([sandbox] {setting})")]
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
    memory_bytes: usize,
    memory_used: usize,
    tables: usize,
    table_elements: usize,
    instances: usize,
    ticks: u64,
    ticks_used: u64,
}

impl ResourceLimiter for Bounds {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.memory_used - current.min(self.memory_used) + desired;
        if used > self.memory_bytes {
            let most = format!("{} MiB", self.memory_bytes >> 20);
            return Err(LimitReached(CallError::Limit { what: "memory", most, setting: "memory-bytes" }).into());
        }
        self.memory_used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            let most = format!("{} elements", self.table_elements);
            return Err(LimitReached(CallError::Limit { what: "the size of a table", most, setting: "table-elements" }).into());
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.tables
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
        let limits = &self.runtime.limits;
        let log = Log::new(limits);
        let (mut store, ended) = self.runtime.store(log.clone(), call.clone(), self.shared.needs);
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
            Ok(Err(error)) => Err(classify(&error, last_words, &lines, limits)),
        };
        let exchanges = call.as_ref().map(|call| call.exchanges()).unwrap_or_default();
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
    fn store(&self, log: Log, call: Option<Arc<Call>>, needs: Needs) -> (Store<State>, Option<Ended>) {
        let limits = &self.limits;
        let wasi = (needs >= Needs::Wasi).then(|| {
            let mut context = WasiCtx::builder();
            context
                .stdout(Stdio::new(log.clone(), Level::Info))
                .stderr(Stdio::new(log.clone(), Level::Error))
                .allow_tcp(false)
                .allow_udp(false)
                .allow_ip_name_lookup(false);
            let mut table = ResourceTable::new();
            table.set_max_capacity(limits.handles);
            (context.build(), table)
        });
        let bounds = Bounds {
            memory_bytes: limits.memory_bytes,
            memory_used: 0,
            tables: limits.tables,
            table_elements: limits.table_elements,
            instances: limits.instances,
            ticks: limits.compute_milliseconds.div_ceil(u64::try_from(TICK.as_millis()).unwrap_or(10)),
            ticks_used: 0,
        };
        let (http, ended) = match needs {
            Needs::Contract | Needs::Wasi => (None, None),
            Needs::Http => {
                let (outgoing, ended) = Outgoing::new(call.clone(), log.clone(), limits);
                (Some(Box::new(outgoing)), Some(ended))
            }
        };
        let state = State { call, log, bounds, wasi, http };
        let mut store = Store::new(&self.engine.wasmtime, state);
        store.limiter(|state| &mut state.bounds);
        store.set_hostcall_fuel(limits.host_call_bytes);
        store.set_max_component_handles(limits.handles);
        store.set_epoch_deadline(1);
        // The clock ticks on while the guest waits for an answer, but it is asked only when guest code runs again, and
        // then counts one tick however many have passed: what is counted is computing.
        store.epoch_deadline_callback(|mut store| {
            let bounds = &mut store.data_mut().bounds;
            bounds.ticks_used += 1;
            if bounds.ticks_used > bounds.ticks {
                let most = format!("{} ms", bounds.ticks * u64::try_from(TICK.as_millis()).unwrap_or(10));
                return Err(LimitReached(CallError::Limit { what: "computing", most, setting: "compute-milliseconds" }).into());
            }
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        (store, ended)
    }
}

fn classify(error: &wasmtime::Error, last_words: Option<String>, lines: &[LogLine], limits: &Limits) -> CallError {
    if let Some(LimitReached(limit)) = error.downcast_ref::<LimitReached>() {
        return limit.clone();
    }
    if let Some(Trap::StackOverflow) = error.downcast_ref::<Trap>() {
        let most = format!("{} KiB", limits.stack_bytes >> 10);
        return CallError::Limit { what: "the depth of the stack", most, setting: "stack-bytes" };
    }
    if let Some(FieldMapError::TotalSizeTooBig | FieldMapError::TooManyFields) = error.downcast_ref::<FieldMapError>() {
        let most = format!("{} KiB", limits.header_bytes >> 10);
        return CallError::Limit { what: "the headers of a request", most, setting: "header-bytes" };
    }
    // The component's own handles have the same bound as the host's table, but wasmtime knows no type for that error.
    let full = matches!(error.downcast_ref(), Some(ResourceTableError::Full));
    if full || error.root_cause().to_string().contains("store handle limit exceeded") {
        return CallError::Limit { what: "handles", most: limits.handles.to_string(), setting: "handles" };
    }
    let trap = error.downcast_ref::<Trap>();
    let backtrace = error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default();
    if trap.is_none() && backtrace.is_empty() {
        let message = format!("{:#}", error.root_cause());
        let busy = error.downcast_ref::<PoolConcurrencyLimitError>().is_some();
        return match error.downcast_ref::<NotInstantiated>() {
            Some(_) if !busy => CallError::Mismatch(message),
            _ => CallError::Host(message),
        };
    }
    // What the guest's runtime printed last says more than "unreachable".
    let printed = || lines.iter().rev().find(|line| line.level == Level::Error).map(|line| line.message.clone());
    let message =
        last_words.or_else(printed).or_else(|| trap.map(ToString::to_string)).unwrap_or_else(|| error.root_cause().to_string());
    CallError::Trap { message, backtrace }
}

fn frames(backtrace: &WasmBacktrace) -> String {
    let names = backtrace.frames().iter().take(20).map(|frame| {
        let name = frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), str::to_owned);
        crate::log::cut(&name, 200).to_owned()
    });
    names.collect::<Vec<_>>().join("\n")
}
