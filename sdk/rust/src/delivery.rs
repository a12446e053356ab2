//! What a provider is handed, and what it hands back.

use crate::{Failure, NoConnection};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;
use std::time::{Duration, SystemTime};

/// One event for one subscription.
#[derive(Clone, Debug)]
pub struct Delivery<C, N = NoConnection> {
    /// The same on every attempt: use it as the idempotency key.
    pub id: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When this attempt began, by the host's clock.
    pub attempted_at: SystemTime,
    /// What is left of the attempt's time. The host ends the call when it is over.
    pub time_left: Duration,
    /// Whether an administrator asked for this delivery to try the subscription out.
    pub test: bool,
    /// What happened.
    pub event: Event,
    /// Who wants to know.
    pub subscription: Subscription,
    /// The subscription's settings, finished: defaults are filled in and templates are rendered.
    pub config: C,
    /// The connection's settings, when the subscription has a connection. See [`Delivery::connection`].
    pub connection: Option<N>,
    /// The thing that the event is about, when the subscription names an entity key.
    pub entity: Option<Entity>,
}

impl<C, N> Delivery<C, N> {
    /// The connection of a provider that cannot do without.
    ///
    /// # Errors
    /// Fails the delivery when the subscription has none.
    pub fn connection(&self) -> Result<&N, Failure> {
        self.connection.as_ref().ok_or_else(|| Failure::never("the subscription has no connection: choose one in its settings"))
    }
}

/// What happened. Its JSON has the names `id`, `eventId`, `payload`, `timestamp` and `deliveryId`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The event's own id.
    pub id: String,
    /// The event *type's* id: `incident.incident.created`. Providers have always known it by this name.
    pub event_id: String,
    /// What the platform says about it.
    pub payload: Payload,
    /// RFC 3339, in UTC, with milliseconds: `2026-01-02T03:04:05.678Z`.
    pub timestamp: String,
    /// The delivery's id: the same on every attempt.
    pub delivery_id: String,
}

/// The payload as the host sent it. In JSON it stands as itself, to the last digit.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Payload(Box<RawValue>);

impl Payload {
    pub(crate) fn from_text(text: String) -> Result<Self, Failure> {
        RawValue::from_string(text)
            .map(Self)
            .map_err(|error| Failure::never(format!("the host sent a payload that is no JSON: {error}")))
    }

    /// The JSON text.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// The payload as a type of the provider's own.
    ///
    /// # Errors
    /// Fails the delivery for good when it does not fit.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        serde_json::from_str(self.text())
            .map_err(|error| Failure::never(format!("the payload is not what this provider can deliver: {error}")))
    }

    /// The payload as a JSON value.
    pub fn value(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_default()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Who wants to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// The name that the administrator gave it.
    pub name: String,
}

/// A thing that several events are about: an incident, say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entity {
    /// What tells it from others.
    pub key: String,
    /// What the first successful delivery for this entity and subscription returned as its external id.
    pub external_id: Option<String>,
}

/// The delivery succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// What the external system calls the thing that was made: an issue's key, say. At most 256 bytes.
    pub external_id: Option<String>,
}

impl Receipt {
    /// The external system named nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// The external system made a thing with this name.
    pub fn with_external_id(id: impl Into<String>) -> Self {
        Self { external_id: Some(id.into()) }
    }
}

/// Settings to try out, saved or not.
#[derive(Clone, Debug)]
pub struct Settings<C, N = NoConnection> {
    /// The subscription's settings; none when only the connection is tried.
    pub config: Option<C>,
    /// The connection's settings, if there are any.
    pub connection: Option<N>,
}

impl<C, N> Settings<C, N> {
    /// The subscription's settings, of a provider that can try nothing without them.
    ///
    /// # Errors
    /// When there are none.
    pub fn config(&self) -> Result<&C, Failure> {
        self.config.as_ref().ok_or_else(|| Failure::never("there are no settings to try"))
    }

    /// The connection of a provider that cannot do without.
    ///
    /// # Errors
    /// When there is none.
    pub fn connection(&self) -> Result<&N, Failure> {
        self.connection.as_ref().ok_or_else(|| Failure::never("there is no connection: choose one"))
    }
}

/// A question for the entries of a drop-down.
#[derive(Clone, Debug)]
pub struct OptionsRequest {
    /// The name that the schema gives with `x-options`.
    pub name: String,
    /// The subscription's settings as filled in so far; they may not fit the schema yet.
    pub config: Value,
    /// The connection's settings, if there are any.
    pub connection: Option<Value>,
    /// What the administrator typed to search by.
    pub query: Option<String>,
}

impl OptionsRequest {
    /// The connection's settings as a type.
    ///
    /// # Errors
    /// When there are none, or they do not fit.
    pub fn connection<N: DeserializeOwned>(&self) -> Result<N, Failure> {
        let connection = self.connection.clone().ok_or_else(|| Failure::never("choose a connection first"))?;
        serde_path_to_error::deserialize(connection)
            .map_err(|error| Failure::never(format!("the connection's settings: {error}")))
    }
}

/// One entry of a drop-down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionItem {
    /// What is saved.
    pub value: String,
    /// What is shown.
    pub label: String,
    /// A line below it.
    pub description: Option<String>,
}

impl OptionItem {
    /// An entry without a description.
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into(), description: None }
    }
}

/// Which of the two settings a migration is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsKind {
    /// The subscription's.
    Config,
    /// The connection's.
    Connection,
}
