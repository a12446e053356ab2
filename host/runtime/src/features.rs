//! Which of WebAssembly's features a component may use.
//!
//! What the tool chains of providers (Rust, C, Zig, Go, JavaScript's two engines, Python) make use of is on; all else is off:
//! less to compile, less to attack, and what is not there needs no bound. A file that uses more is refused when it is offered.
//!
//! | off | because |
//! |---|---|
//! | threads, shared everything, stack switching | a call is one thread of the host's choosing |
//! | garbage collection and its types, function references, exceptions | heaps of their own beside the memory that is counted |
//! | 64-bit memories, custom page sizes, memory control | a memory is bounded far below 4 GiB |
//! | tail calls, wide arithmetic, relaxed SIMD | no tool chain emits them unasked; relaxed SIMD differs between processors |
//! | asynchronous functions and the other proposals of the component model | the contract is synchronous |

use wasmparser::{BinaryReaderError, WasmFeatures};

/// What is on: WebAssembly 2.0 without references to the host's objects; constant expressions that add, for shared libraries
/// (Python); several memories, which the code between the parts of a composed component needs; the component model of WASI 0.2.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .difference(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::COMPONENT_MODEL);

/// What is wrong with a file by its validator.
pub(crate) fn explain(error: &BinaryReaderError) -> String {
    // How the validator says that a feature is off.
    let words = ["not enabled", "be enabled", "not supported", "require", "disallowed", "disabled"];
    let off = words.iter().any(|words| error.message().contains(words));
    let advice = if off { "; providers may use WebAssembly 2.0, so build it without this feature" } else { "" };
    format!("{error}{advice}")
}
