//! From a core module to a component.

use anyhow::Result;
use wit_component::ComponentEncoder;

/// Makes a component of a module that wit-bindgen left its description in.
pub(crate) fn from_module(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(module)?.encode()
}
