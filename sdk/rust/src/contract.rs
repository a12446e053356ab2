//! The contract's records that hold JSON texts, as plain structs: what crosses the border before it is parsed, and after.

use crate::delivery::{Entity, Subscription};

/// A delivery as the host sends it.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) attempt: u32,
    pub(crate) attempted_at: String,
    pub(crate) deadline_milliseconds: u32,
    pub(crate) test: bool,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) payload: String,
    pub(crate) timestamp: String,
    pub(crate) subscription: Subscription,
    pub(crate) config: String,
    pub(crate) connection: Option<String>,
    pub(crate) entity: Option<Entity>,
}

/// Settings as the host sends them.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) config: Option<String>,
    pub(crate) connection: Option<String>,
    pub(crate) now: String,
}
