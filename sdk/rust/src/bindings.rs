//! What wit-bindgen makes of `wit/provider.wit`. Nothing outside `guest` needs it.

#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated code: the canonical ABI is made of raw pointers"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "integration-provider",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "postern_provider::bindings",
    runtime_path: "::postern_provider::bindings::runtime",
    generate_all,
});

/// What the exported functions call; here so that a provider needs no dependency on wit-bindgen.
pub use wit_bindgen::rt as runtime;
