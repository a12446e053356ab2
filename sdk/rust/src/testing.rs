//! A host inside the test program, so that a provider is tested natively, along the path that the component takes.
//!
//! ```
//! # use postern_provider::prelude::*;
//! # #[derive(Deserialize, JsonSchema)] struct Config { url: String }
//! # struct Hello;
//! # impl Provider for Hello {
//! #     type Config = Config;
//! #     type Connection = NoConnection;
//! #     fn manifest() -> Manifest { Manifest::new("hello", "1.0.0", "Hello") }
//! #     fn deliver(delivery: &Delivery<Config>) -> Result<Receipt, Failure> {
//! #         http::post(&delivery.config.url).json(&delivery.event).send()?.success()?;
//! #         Ok(Receipt::none())
//! #     }
//! # }
//! use postern_provider::testing::{self, Host, TestDelivery};
//! use serde_json::json;
//!
//! let host = Host::new();
//! host.answer(503, &[("retry-after", "7")], "later");
//! let failure = testing::deliver::<Hello>(TestDelivery::new(json!({"url": "https://example.com"}))).unwrap_err();
//! assert_eq!(failure.retry, Retry::After(std::time::Duration::from_secs(7)));
//! assert_eq!(host.requests()[0].url, "https://example.com");
//! ```
//!
//! A fake of the target ([`Server`]) answers whatever comes, by its state, as the vendor documents; [`seed_events`] are the
//! events that every provider should deliver well, and [`assert_goldens`] compares what it sends with files.
//!
//! The test host checks nothing: it does not know grants, schemas or templates. What the real host does with them is
//! tested there.

mod fake;
mod golden;
mod host;
pub(crate) mod imports;
mod schema;
mod seed;

pub use crate::manifest::Description;
pub use fake::{Server, form_fields, header, json_body, json_response, query_fields, response, url_path};
pub use golden::{REWRITE, assert_goldens};
pub use host::Host;
pub use schema::{assert_described, schemas};
pub use seed::{SeedEvent, seed_events};

use crate::delivery::{Entity, OptionItem, Receipt, SettingsKind, Subscription};
use crate::{Failure, Provider, calls, contract};
use serde_json::{Value, json};

/// When every call of a test begins, unless the test says otherwise.
pub const NOW: &str = "2026-01-02T03:04:05.678Z";

/// A delivery to try a provider with.
#[derive(Clone, Debug)]
#[must_use]
pub struct TestDelivery(contract::Delivery);

impl TestDelivery {
    /// A first attempt with this config. Everything else has plain values that never change.
    pub fn new(config: Value) -> Self {
        Self(contract::Delivery {
            id: "delivery-1".into(),
            attempt: 1,
            attempted_at: NOW.into(),
            deadline_milliseconds: 30_000,
            test: false,
            event_id: "event-1".into(),
            event_type: "incident.incident.created".into(),
            payload: json!({"title": "Disk full"}).to_string(),
            timestamp: "2026-01-02T03:04:05.000Z".into(),
            subscription: Subscription { id: "subscription-1".into(), name: "Operations".into() },
            config: config.to_string(),
            connection: None,
            entity: None,
        })
    }

    /// The config as JSON text, which may be no JSON at all.
    pub fn config_text(mut self, text: impl Into<String>) -> Self {
        self.0.config = text.into();
        self
    }

    /// The event's payload as JSON text.
    pub fn payload(mut self, text: impl ToString) -> Self {
        self.0.payload = text.to_string();
        self
    }

    /// The event type's id.
    pub fn event_type(mut self, id: impl Into<String>) -> Self {
        self.0.event_type = id.into();
        self
    }

    /// The delivery's id.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.0.id = id.into();
        self
    }

    /// The attempt's number.
    pub fn attempt(mut self, number: u32) -> Self {
        self.0.attempt = number;
        self
    }

    /// When the attempt began, in RFC 3339.
    pub fn attempted_at(mut self, time: impl Into<String>) -> Self {
        self.0.attempted_at = time.into();
        self
    }

    /// Whether an administrator only tries the subscription out.
    pub fn test(mut self, test: bool) -> Self {
        self.0.test = test;
        self
    }

    /// The connection's settings.
    pub fn connection(mut self, settings: Value) -> Self {
        self.0.connection = Some(settings.to_string());
        self
    }

    /// The thing that the event is about, and its external id if an earlier delivery made one.
    pub fn entity(mut self, key: impl Into<String>, external_id: Option<&str>) -> Self {
        self.0.entity = Some(Entity { key: key.into(), external_id: external_id.map(Into::into) });
        self
    }
}

/// What the provider says of itself, with its schemas.
pub fn describe<P: Provider>() -> Description {
    calls::describe::<P>()
}

/// Delivers.
///
/// # Errors
/// The provider's, or the SDK's when the config does not fit.
pub fn deliver<P: Provider>(delivery: TestDelivery) -> Result<Receipt, Failure> {
    calls::deliver::<P>(delivery.0)
}

/// Looks for the effect of an earlier attempt.
///
/// # Errors
/// The provider's.
pub fn reconcile<P: Provider>(delivery: TestDelivery) -> Result<Option<Receipt>, Failure> {
    calls::reconcile::<P>(delivery.0)
}

/// Tries settings.
///
/// # Errors
/// The provider's.
pub fn test_connection<P: Provider>(config: &Value, connection: Option<&Value>) -> Result<String, Failure> {
    calls::test_connection::<P>(settings(config, connection))
}

/// Asks for the entries of a drop-down.
///
/// # Errors
/// The provider's.
pub fn list_options<P: Provider>(
    name: &str,
    config: &Value,
    connection: Option<&Value>,
    query: Option<&str>,
) -> Result<Vec<OptionItem>, Failure> {
    calls::list_options::<P>(name.into(), settings(config, connection), query.map(Into::into))
}

/// Brings older settings forward.
///
/// # Errors
/// The provider's.
pub fn migrate_config<P: Provider>(kind: SettingsKind, from: u32, value: &Value) -> Result<Value, Failure> {
    calls::migrate_config::<P>(kind, from, &value.to_string()).and_then(|text| Ok(serde_json::from_str(&text)?))
}

fn settings(config: &Value, connection: Option<&Value>) -> contract::Settings {
    contract::Settings { config: Some(config.to_string()), connection: connection.map(Value::to_string), now: NOW.into() }
}
