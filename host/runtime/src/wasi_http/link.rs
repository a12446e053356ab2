//! What components are linked with: wasmtime's resources, and a way out of our own.

use crate::call::State;
use tracing::Instrument as _;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::runtime::spawn;
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::p2::bindings::http::types::{self, ErrorCode};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::{RequestOptions, WasiHttp, WasiHttpView};

/// The interface with the way out. wasmtime's linker takes it for every earlier 0.2 too.
const OUTGOING_HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";

/// What `handle` answers with: the answer to come, or a code. A code is never answered with at once.
type Handled = wasmtime::Result<(Result<Resource<HostFutureIncomingResponse>, ErrorCode>,)>;

/// Adds `wasi:http` to a linker that has the rest of WASI.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, WasiHttp>(linker, &LinkOptions::default().into(), State::http)?;
    linker.instance(OUTGOING_HANDLER)?.func_wrap("handle", |mut store: StoreContextMut<'_, State>, (request, options)| {
        handle(store.data_mut(), request, options)
    })?;
    Ok(())
}

/// `outgoing-handler.handle`, which hands requests to the broker. wasmtime's own would write a line into the daemon's log for
/// each malformed request, and refuse some that are well-formed, such as one without a path.
fn handle(state: &mut State, request: Resource<HostOutgoingRequest>, options: Option<Resource<RequestOptions>>) -> Handled {
    let (table, outgoing) = state.outgoing();
    let options = match options {
        Some(options) => Some(table.delete(options)?),
        None => None,
    };
    let request = table.delete(request)?;
    let sending = outgoing.sender.clone().send(request, options);
    let pending = spawn(async move { Ok((sending.await?, spawn(std::future::ready(())))) }.in_current_span());
    Ok((Ok(table.push(HostFutureIncomingResponse::Pending(pending))?),))
}
