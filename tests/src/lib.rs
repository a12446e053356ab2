//! What the tests of the whole product are made of. The tests themselves are in `tests/it`, one module per topic.
//!
//! They start the real `postern` binary on a free port and a fresh data directory, and talk to it as a client would. No test
//! sleeps to let time pass: each waits for a condition, under a deadline that only a broken product reaches.
//!
//! | module | holds |
//! |---|---|
//! | [`daemon`] | a running `postern serve`: start, kill, terminate, restart, and its command line |
//! | [`launch`] | where the binary is, and the configuration that tests run with |
//! | [`api`] | calls of the HTTP API, with the whole answer |
//! | [`platform`] | what most tests need: an event type, subscriptions, emissions, settled deliveries |
//! | [`tracker`] | the provider that keeps issues, and events about entities |
//! | [`builds`] | other builds of a provider, made of one that is there |
//! | [`chat`] | the provider with a connection, and the chat that it speaks to |
//! | [`receiver`] | an HTTP server that records requests and answers from a script |
//! | [`wait`] | waiting for a condition |

pub mod api;
pub mod builds;
pub mod chat;
pub mod daemon;
pub mod launch;
pub mod platform;
pub mod receiver;
pub mod tracker;
pub mod wait;

pub use api::{Answer, Api};
pub use daemon::{Daemon, signal};
pub use launch::{ALL_BUNDLED, Builder, Ended, Engine};
pub use receiver::{Received, Receiver, Reply};

/// A provider that misbehaves on request, as a component.
pub static HOSTILE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern-fixture-hostile.wasm"));

/// A provider that carries a secret to a host of choice, as a component.
pub static COURIER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern-fixture-courier.wasm"));

/// A provider with a connection, as a component.
pub static CONNECTED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern-fixture-connected.wasm"));

/// A provider whose HTTP client is a stock one, as a component.
pub static STOCK: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern-fixture-stock.wasm"));

/// A provider that looks for a way out through WASI, as a component.
pub static EXPLORER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern-fixture-explorer.wasm"));

/// The builds of a provider whose settings change; see its crate.
pub mod migrating {
    /// The build 1.0.0.
    pub static FIRST: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern-fixture-migrating.wasm"));
    /// The build 2.0.0, which renames fields and moves secrets, and misbehaves where the settings tell it to.
    pub static RENAMED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern-fixture-migrating-renamed.wasm"));
    /// The build 2.0.1, which does not.
    pub static REPAIRED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern-fixture-migrating-renamed-repaired.wasm"));
    /// The build 2.1.0, with the first one's settings in a tighter form and no migration.
    pub static PLAIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postern-fixture-migrating-plain.wasm"));
}

/// Makes two tests of each function: one with the store on sled, one on redb.
#[macro_export]
macro_rules! on_each_engine {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sled() {
                super::$name($crate::Engine::Sled).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn redb() {
                super::$name($crate::Engine::Redb).await;
            }
        })+
    };
}
