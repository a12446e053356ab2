//! What a process remembers of what it compiled: the machine code of each function, by what the compiler would make it of.
//!
//! Builds of one provider, and providers of one toolchain, have many functions in common. The second build takes a quarter of the
//! first one's processor time, and the twelve providers that come with Postern nine tenths.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The most bytes that are remembered: 32 MiB, ten times what a provider in Rust has. What comes after that is not.
const MOST_BYTES: usize = 32 << 20;

#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Functions>);

#[derive(Debug, Default)]
struct Functions {
    code: HashMap<Box<[u8]>, Box<[u8]>>,
    bytes: usize,
}

impl wasmtime::CacheStore for Known {
    /// It is asked before each function is compiled.
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        super::let_others_run();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.code.get(key).map(|code| Cow::Owned(code.to_vec()))
    }

    fn insert(&self, key: &[u8], code: Vec<u8>) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = key.len() + code.len();
        let fits = known.bytes + bytes <= MOST_BYTES;
        if fits {
            known.bytes += bytes;
            known.code.insert(key.into(), code.into());
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::CacheStore as _;

    #[test]
    fn what_exceeds_the_bound_is_not_remembered() {
        let known = Known::default();
        assert!(known.insert(b"small", vec![1]));
        assert!(!known.insert(b"large", vec![0; MOST_BYTES]));
        assert_eq!(known.get(b"small").as_deref(), Some(&[1][..]));
        assert_eq!(known.get(b"large"), None);
    }
}
