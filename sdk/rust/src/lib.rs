//! Write a Postern provider in Rust: a config struct, a manifest, and a function that delivers.
//!
//! ```
//! use postern_provider::prelude::*;
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(rename_all = "camelCase")]
//! struct Config {
//!     /// Where messages go.
//!     url: String,
//!     /// What the target knows us by.
//!     token: Secret,
//! }
//!
//! struct Hello;
//!
//! impl Provider for Hello {
//!     type Config = Config;
//!     type Connection = NoConnection;
//!
//!     fn manifest() -> Manifest {
//!         Manifest::new("hello", env!("CARGO_PKG_VERSION"), "Hello").host("{config.url}")
//!     }
//!
//!     fn deliver(delivery: &Delivery<Config>) -> Result<Receipt, Failure> {
//!         let Config { url, token } = &delivery.config;
//!         http::post(url).bearer(token).json(&delivery.event).send()?.success()?;
//!         Ok(Receipt::none())
//!     }
//! }
//!
//! postern_provider::export!(Hello);
//! ```
//!
//! Invariants:
//! - A provider sees no secret: a [`Secret`] holds a placeholder, which the host replaces on the way out.
//! - Every export returns its errors as values. A panic reaches the host with its message before the instance traps.
//! - A component imports the contract's interfaces and nothing else, so there is no clock but [`clock`], no randomness,
//!   no environment and no files.
//! - In a native program the same code runs against [`testing`], so providers are tested without a component.
//!
//! | module | holds |
//! |---|---|
//! | [`provider`] | the trait to implement |
//! | [`delivery`] | what a provider is handed and hands back |
//! | [`manifest`], [`schema`] | what it says of itself |
//! | [`failure`] | failures and retries |
//! | [`http`], [`log`], [`secrets`], [`clock`] | what the host offers |
//! | [`secret`], [`template`] | fields that the host treats specially |
//! | [`notice`] | any event as a message for people |
//! | [`lifecycle`] | which thing at the target an event begins, changes or ends |
//! | [`text`] | shortening and escaping |
//! | [`testing`] | a host for tests |

// The generated bindings name this crate from outside, as `export!` does in a provider's crate.
#[cfg(target_arch = "wasm32")]
extern crate self as postern_provider;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod bindings;
mod calls;
pub mod clock;
mod contract;
pub mod delivery;
pub mod failure;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
mod host;
pub mod http;
pub mod lifecycle;
pub mod log;
pub mod manifest;
pub mod notice;
pub mod provider;
pub mod schema;
pub mod secret;
pub mod secrets;
pub mod template;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod text;

pub use delivery::{Delivery, Entity, Event, OptionItem, OptionsRequest, Payload, Receipt, Settings, SettingsKind, Subscription};
pub use failure::{Failure, Retry};
pub use lifecycle::EventRule;
pub use manifest::Manifest;
pub use notice::Notice;
pub use provider::{ListOptions, MigrateConfig, NoConnection, Provider, Reconcile, TestConnection};
pub use secret::Secret;
pub use template::Template;

/// What a provider's source usually needs. `Deserialize` and `JsonSchema` come from crates that it depends on itself.
pub mod prelude {
    pub use crate::{
        Delivery, EventRule, Failure, ListOptions, Manifest, MigrateConfig, NoConnection, Notice, OptionItem, OptionsRequest,
        Provider, Receipt, Reconcile, Retry, Secret, Settings, SettingsKind, Template, TestConnection, http, log, template,
    };
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
}

/// Exports a type that implements [`Provider`] from a component. In a native program it does nothing.
#[macro_export]
macro_rules! export {
    ($provider:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::guest::Component<$provider>;
    $crate::bindings::export_component!(Component with_types_in $crate::bindings);
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = $crate::assert_provider::<$provider>;
    };
}

#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub fn assert_provider<P: Provider>() {}
