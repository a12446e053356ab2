//! The trait that a provider implements.

use crate::delivery::{Delivery, OptionItem, OptionsRequest, Receipt, Settings, SettingsKind};
use crate::{Failure, Manifest};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A provider: what it is, and how it delivers.
///
/// The optional functions are constants that are `None` unless set. The manifest's `implements` is read off them, so it
/// cannot claim what is not there:
///
/// ```
/// # use postern_provider::prelude::*;
/// # #[derive(Deserialize, JsonSchema)] struct Config { url: String }
/// # struct Hello;
/// # fn deliver(_: &Delivery<Config>) -> Result<Receipt, Failure> { Ok(Receipt::none()) }
/// impl Provider for Hello {
///     type Config = Config;
///     type Connection = NoConnection;
///     const TEST_CONNECTION: Option<TestConnection<Self>> = Some(|settings| {
///         http::get(&settings.config()?.url).send()?.success()?;
///         Ok("it answers".into())
///     });
///     // …
/// #   fn manifest() -> Manifest { Manifest::new("hello", "1.0.0", "Hello") }
/// #   fn deliver(delivery: &Delivery<Config>) -> Result<Receipt, Failure> { deliver(delivery) }
/// }
/// ```
pub trait Provider: Sized + 'static {
    /// The settings of one subscription.
    type Config: DeserializeOwned + JsonSchema + 'static;
    /// The settings that many subscriptions share; [`NoConnection`] where there are none.
    type Connection: DeserializeOwned + JsonSchema + 'static;

    /// Tries settings without delivering an event.
    const TEST_CONNECTION: Option<TestConnection<Self>> = None;
    /// The entries of the drop-downs that the schema names with `x-options`.
    const LIST_OPTIONS: Option<ListOptions> = None;
    /// Brings settings of an older version to the present one. Makes no request.
    const MIGRATE_CONFIG: Option<MigrateConfig> = None;
    /// Looks for the effect of an earlier attempt whose answer was lost.
    const RECONCILE: Option<Reconcile<Self>> = None;

    /// What this provider is. Must be the same each time.
    fn manifest() -> Manifest;

    /// Delivers one event. It may be called again with the same delivery id after a failure, a crash or a lost answer.
    ///
    /// # Errors
    /// Why it failed and whether to try again.
    fn deliver(delivery: &Delivery<Self::Config, Self::Connection>) -> Result<Receipt, Failure>;
}

/// Answers with a sentence either way.
pub type TestConnection<P> = fn(&Settings<<P as Provider>::Config, <P as Provider>::Connection>) -> Result<String, Failure>;

/// At most 1000 entries.
pub type ListOptions = fn(&OptionsRequest) -> Result<Vec<OptionItem>, Failure>;

/// Of which settings, from which version, and the settings themselves.
pub type MigrateConfig = fn(SettingsKind, u32, Value) -> Result<Value, Failure>;

/// The receipt if the effect is there, `None` if it is not.
pub type Reconcile<P> = fn(&Delivery<<P as Provider>::Config, <P as Provider>::Connection>) -> Result<Option<Receipt>, Failure>;

/// The connection of a provider that needs none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum NoConnection {}
