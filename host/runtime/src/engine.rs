//! wasmtime's engine and the linkers.

use crate::call::State;
use crate::component::Needs;
use crate::contract::v0_1;
use crate::limits::Limits;
use crate::wasi_http;
use std::time::Duration;
use wasmtime::component::{Component, HasSelf, Linker, Resource};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, StoreContextMut};
use wasmtime_wasi::WasiView as _;

/// How often running code is interrupted, to count its computing and to let others run.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// WASI's errors, as wasmtime's linker names them.
const IO_ERROR: &str = "wasi:io/error@0.2.12";

pub(crate) struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    plain: Linker<State>,
    with_wasi: Linker<State>,
    with_http: Linker<State>,
}

impl Engine {
    pub(crate) fn new(limits: &Limits, concurrency: u32) -> wasmtime::Result<Self> {
        let wasmtime = match wasmtime::Engine::new(&pooled(limits, concurrency, true)) {
            Ok(engine) => engine,
            // Older kernels cannot scan the page map; then whole slots are reset instead.
            Err(_) => match wasmtime::Engine::new(&pooled(limits, concurrency, false)) {
                Ok(engine) => engine,
                Err(error) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "no pool of instances: the address space is too small for it; calls take about 30 microseconds longer"
                    );
                    wasmtime::Engine::new(&on_demand(limits))?
                }
            },
        };
        let mut plain = Linker::new(&wasmtime);
        v0_1::bindings::IntegrationProvider::add_to_linker::<_, HasSelf<State>>(&mut plain, |state| state)?;
        let mut with_wasi = plain.clone();
        wasmtime_wasi::p2::add_to_linker_async(&mut with_wasi)?;
        tell_errors_plainly(&mut with_wasi)?;
        let mut with_http = with_wasi.clone();
        wasi_http::add_to_linker(&mut with_http)?;
        tick(&wasmtime)?;
        Ok(Self { wasmtime, plain, with_wasi, with_http })
    }

    /// Prepares a component for instantiation, so that a call need not link again.
    pub(crate) fn link(&self, component: &Component, needs: Needs) -> wasmtime::Result<v0_1::Pre> {
        let linker = match needs {
            Needs::Contract => &self.plain,
            Needs::Wasi => &self.with_wasi,
            Needs::Http => &self.with_http,
        };
        v0_1::bindings::IntegrationProviderPre::new(linker.instantiate_pre(component)?)
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

fn config(limits: &Limits) -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(limits.stack_bytes);
    config.async_stack_size(limits.stack_bytes + (1 << 20));
    config.memory_init_cow(true);
    // What providers have no use for is left out: less to compile, less to attack.
    config.wasm_threads(false);
    config.wasm_memory64(false);
    config.wasm_relaxed_simd(false);
    config.wasm_wide_arithmetic(false);
    config.wasm_custom_page_sizes(false);
    config
}

/// Without a pool, and without the gigabytes of address space that otherwise spare each access its bounds check.
fn on_demand(limits: &Limits) -> Config {
    let mut config = config(limits);
    config.memory_reservation(0).memory_guard_size(64 << 10).guard_before_linear_memory(false);
    config.memory_reservation_for_growth(1 << 20);
    config
}

fn pooled(limits: &Limits, concurrency: u32, scan: bool) -> Config {
    let instances = u32::try_from(limits.instances).unwrap_or(16);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(concurrency)
        .total_core_instances(concurrency.saturating_mul(4))
        .total_memories(concurrency.saturating_mul(2))
        .total_tables(concurrency.saturating_mul(4))
        .total_stacks(concurrency)
        .total_gc_heaps(1)
        .max_core_instances_per_component(instances)
        .max_memories_per_component(4)
        .max_tables_per_component(u32::try_from(limits.tables).unwrap_or(16))
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .max_memory_size(limits.memory_bytes)
        .table_elements(limits.table_elements);
    if scan {
        // Measured: 38 instead of 62 microseconds for a call of a small Rust provider.
        pool.linear_memory_keep_resident(8 << 20).table_keep_resident(64 << 10).pagemap_scan(Enabled::Yes);
    }
    let mut config = config(limits);
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
            std::thread::sleep(TICK);
        }
    })?;
    Ok(())
}
