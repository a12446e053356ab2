//! wasmtime's engine and the linkers.

use crate::call::State;
use crate::component::Needs;
use crate::contract::v0_1;
use crate::features::FEATURES;
use crate::limits::Limits;
use crate::wasi_http;
use std::time::Duration;
use wasmtime::component::{Component, HasSelf, Linker, Resource};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, StoreContextMut, WasmFeatures};
use wasmtime_wasi::WasiView as _;

/// How often running code is interrupted, to count its computing and to let others run: every 10 ms.
pub(crate) const TICK_MILLISECONDS: usize = 10;

/// How many calls have a place beside deliveries: descriptions, tests of settings, drop-downs, migrations.
pub(crate) const ASIDE: u32 = 16;

/// The most memories of all instances together. Each takes 4 GiB of address space, of which there are 128 TiB.
const MOST_MEMORIES: u32 = 16_384;

/// WASI's errors, as wasmtime's linker names them.
const IO_ERROR: &str = "wasi:io/error@0.2.12";

pub(crate) struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    /// What its machine code has to be made for.
    pub(crate) memory: Memory,
    plain: Linker<State>,
    with_wasi: Linker<State>,
    with_http: Linker<State>,
}

/// How instances get their memory, which machine code depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// From a pool whose slots are as large as any memory, which spares each access its bounds check.
    Pool,
    /// From the system, as much as is needed.
    OnDemand,
}

impl Engine {
    pub(crate) fn new(limits: &Limits, concurrency: u32) -> wasmtime::Result<Self> {
        // Older kernels cannot scan the page map; then whole slots are reset instead.
        let pool = wasmtime::Engine::new(&pooled(limits, concurrency, true))
            .or_else(|_| wasmtime::Engine::new(&pooled(limits, concurrency, false)));
        let (wasmtime, memory) = match pool {
            Ok(engine) => (engine, Memory::Pool),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "no pool of instances: the address space is too small for it; calls take about 30 microseconds longer"
                );
                (wasmtime::Engine::new(&running(limits, Memory::OnDemand))?, Memory::OnDemand)
            }
        };
        let mut plain = Linker::new(&wasmtime);
        v0_1::bindings::IntegrationProvider::add_to_linker::<_, HasSelf<State>>(&mut plain, |state| state)?;
        let mut with_wasi = plain.clone();
        wasmtime_wasi::p2::add_to_linker_async(&mut with_wasi)?;
        tell_errors_plainly(&mut with_wasi)?;
        let mut with_http = with_wasi.clone();
        wasi_http::add_to_linker(&mut with_http)?;
        tick(&wasmtime)?;
        Ok(Self { wasmtime, memory, plain, with_wasi, with_http })
    }

    /// Prepares a component for instantiation, so that a call need not link again.
    pub(crate) fn link(&self, component: &Component, needs: Needs) -> wasmtime::Result<v0_1::Pre> {
        let linker = match needs {
            Needs::Contract => &self.plain,
            Needs::Wasi => &self.with_wasi,
            Needs::Http => &self.with_http,
        };
        v0_1::Pre::new(linker.instantiate_pre(component)?)
    }
}

/// Replaces the text that a component gets of an error, since wasmtime's own shows the host's stack too where RUST_BACKTRACE
/// is set.
fn tell_errors_plainly(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance(IO_ERROR)?.func_wrap(
        "[method]error.to-debug-string",
        |mut store: StoreContextMut<'_, State>, (error,): (Resource<wasmtime::Error>,)| {
            Ok((format!("{:#}", store.data_mut().ctx().table.get(&error)?),))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The settings that machine code depends on.
pub(crate) fn compiling(memory: Memory) -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.memory_init_cow(true);
    // Calls are synchronous to the guest; see the contract.
    config.concurrency_support(false);
    config.wasm_features(WasmFeatures::all().difference(FEATURES), false);
    if memory == Memory::OnDemand {
        config.memory_reservation(0).memory_guard_size(64 << 10).guard_before_linear_memory(false);
        config.memory_reservation_for_growth(1 << 20);
    }
    config
}

/// Those, and what running it needs.
fn running(limits: &Limits, memory: Memory) -> Config {
    let mut config = compiling(memory);
    config.max_wasm_stack(limits.stack_bytes);
    config.async_stack_size(limits.stack_bytes + (1 << 20));
    config
}

/// A pool in which every call finds a place, even if each takes as much as it may; what one call may take is for its own
/// bounds to say.
fn pooled(limits: &Limits, concurrency: u32, scan: bool) -> Config {
    let calls = concurrency.saturating_add(ASIDE);
    let each = |most: usize| calls.saturating_mul(u32::try_from(most).unwrap_or(u32::MAX));
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(calls)
        .total_core_instances(each(limits.instances))
        .total_memories(each(limits.memories).min(MOST_MEMORIES.max(calls)))
        .total_tables(each(limits.tables))
        .total_stacks(calls)
        .total_gc_heaps(0)
        .max_core_instances_per_component(u32::MAX)
        .max_memories_per_component(u32::MAX)
        // Not as many as there may be: it is counted through when a component goes.
        .max_memories_per_module(u32::try_from(limits.memories).unwrap_or(u32::MAX))
        .max_tables_per_component(u32::MAX)
        .max_tables_per_module(u32::MAX)
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .max_memory_size(4 << 30)
        .table_elements(limits.table_elements);
    if scan {
        // Measured: 38 instead of 62 microseconds for a call of a small Rust provider.
        pool.linear_memory_keep_resident(8 << 20).table_keep_resident(64 << 10).pagemap_scan(Enabled::Yes);
    }
    let mut config = running(limits, Memory::Pool);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Counts the engine's epochs until the engine is gone.
fn tick(engine: &wasmtime::Engine) -> std::io::Result<()> {
    let weak = engine.weak();
    std::thread::Builder::new().name("epoch-ticker".into()).spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(Duration::from_millis(TICK_MILLISECONDS as u64));
        }
    })?;
    Ok(())
}
