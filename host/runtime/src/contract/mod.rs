//! The contract's versions, one module each, and the types that they share.

pub(crate) mod v0_1;

use postern_core::delivery::Retry;

/// The package of the contract.
pub(crate) const PACKAGE: &str = "postern:provider";

/// The version that this host speaks.
pub(crate) const SUPPORTED: &str = "0.1.0";

/// The contract itself.
pub const WIT: &str = include_str!("../../../../wit/provider.wit");

/// What a provider is given to deliver. See the contract for each field.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "field for field the contract's record, which documents them")]
pub struct Delivery {
    pub id: String,
    pub attempt: u32,
    pub attempted_at: String,
    pub test: bool,
    pub event_id: String,
    pub event_type: String,
    pub payload: String,
    pub timestamp: String,
    pub subscription_id: String,
    pub subscription_name: String,
    pub config: String,
    pub connection: Option<String>,
    pub entity: Option<Entity>,
}

/// The thing that an event is about.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "field for field the contract's record, which documents them")]
pub struct Entity {
    pub key: String,
    pub external_id: Option<String>,
}

/// The delivery succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What the external system calls what was made.
    pub external_id: Option<String>,
}

/// The delivery failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For people.
    pub message: String,
    /// What to do, if the provider says it.
    pub retry: Option<Retry>,
}

/// Settings to try out.
#[derive(Clone, Debug)]
pub struct Settings {
    /// JSON; none when only the connection is tried.
    pub config: Option<String>,
    /// JSON.
    pub connection: Option<String>,
}

/// A question for the entries of a drop-down.
#[derive(Clone, Debug)]
pub struct OptionsRequest {
    /// What the schema names.
    pub name: String,
    /// As filled in so far.
    pub settings: Settings,
    /// What was typed to search by.
    pub query: Option<String>,
}

/// One entry of a drop-down.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "field for field the contract's record, which documents them")]
pub struct OptionItem {
    pub value: String,
    pub label: String,
    pub description: Option<String>,
}

/// Which settings a migration is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the contract")]
pub enum SettingsKind {
    Config,
    Connection,
}
