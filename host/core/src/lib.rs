//! The vocabulary of Postern as types: ids, events, subscriptions, deliveries, manifests, grants, the retry policy, time.
//!
//! Nothing here does I/O. A value of one of these types has been checked: text from outside becomes an id, a host pattern
//! or a manifest only by parsing, so the other crates need not doubt it again.
//!
//! | module | what it holds |
//! |---|---|
//! | [`id`] | names of plugins, hooks, event types and providers; ids of events, subscriptions and deliveries |
//! | [`time`] | [`Timestamp`] in milliseconds, and the clock that tests can turn |
//! | [`json`] | a JSON text that is known to parse |
//! | [`event`] | event types and events |
//! | [`subscription`] | who wants what, delivered how |
//! | [`connection`] | settings and credentials that many subscriptions share |
//! | [`delivery`] | one event for one subscription: its state, its attempts, its exchanges |
//! | [`timings`] | where the time of an exchange went |
//! | [`retry`] | when a failed delivery is tried again |
//! | [`rate_limit`] | how many deliveries a subscription gets in so much time |
//! | [`host_pattern`] | hosts that a provider asks for or is granted |
//! | [`manifest`] | what a provider says of itself, checked |
//! | [`secret_hosts`] | the hosts that one secret may go to |
//! | [`oauth2`] | access tokens that the host fetches |
//! | [`client_certificate`] | the certificate that a connection shows to its hosts |
//! | `keyword` | what the host's own schema keywords have in common |
//! | [`grant`] | what an operator allows a provider |
//! | `schema` | the JSON Schemas of ids, times and patterns |

pub mod client_certificate;
pub mod connection;
pub mod delivery;
pub mod event;
pub mod grant;
pub mod host_pattern;
pub mod id;
pub mod json;
mod keyword;
pub mod manifest;
pub mod oauth2;
pub mod rate_limit;
pub mod retry;
mod schema;
pub mod secret_hosts;
pub mod subscription;
pub mod time;
pub mod timings;

pub use connection::Connection;
pub use delivery::{Attempt, Delivery, Exchange};
pub use event::{Event, EventType};
pub use id::{ConnectionId, DeliveryId, EventId, EventTypeId, HookId, PluginId, ProviderId, SubscriptionId, TenantId};
pub use json::Json;
pub use manifest::Manifest;
pub use rate_limit::RateLimit;
pub use subscription::Subscription;
pub use time::{Clock, SystemClock, Timestamp};
