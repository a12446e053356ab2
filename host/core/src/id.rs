//! Names and ids. Each type can only be made by parsing, so a value of it is well-formed.

use crate::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex};
use ulid::Ulid;

/// The text is no such name or id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {what}: {rule}")]
pub struct ParseIdError {
    what: &'static str,
    text: String,
    rule: &'static str,
}

impl ParseIdError {
    fn new(what: &'static str, text: &str, rule: &'static str) -> Self {
        Self { what, text: text.chars().take(80).collect(), rule }
    }
}

/// The longest name, in bytes.
pub(crate) const LONGEST_NAME: usize = 64;

/// The longest name of several parts, in bytes.
pub(crate) const LONGEST_DOTTED: usize = 200;

/// The longest event type's id, in bytes: any plugin's any hook has one.
pub(crate) const LONGEST_EVENT_TYPE: usize = LONGEST_NAME + 1 + LONGEST_DOTTED;

const NAME_RULE: &str = "1 to 64 letters, digits, `-` and `_`, starting with a letter or digit";
const DOTTED_RULE: &str = "1 to 200 letters, digits, `-`, `_` and single `.`s, starting and ending with a letter or digit";

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn is_dotted(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text.split('.').all(|part| !part.is_empty())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $check:expr, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The text of it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if $check(text) { Ok(Self(text.into())) } else { Err(ParseIdError::new($what, text, $rule)) }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// The part of the platform that owns hooks or providers: `incident`.
    PluginId, "plugin id", is_name, NAME_RULE
);
name!(
    /// An occurrence that a plugin announces: `incident.created`.
    HookId, "hook id", |text| is_dotted(text, LONGEST_DOTTED), DOTTED_RULE
);
name!(
    /// A hook registered for the outside: `{plugin}.{hook}`, so `incident.incident.created`.
    EventTypeId, "event type id",
    |text: &str| is_dotted(text, LONGEST_EVENT_TYPE) && text.contains('.'),
    "a plugin id, a `.` and a hook id"
);
name!(
    /// A provider: `{plugin}.{id}`, so `postern.webhook`.
    ProviderId, "provider id",
    |text: &str| text.split_once('.').is_some_and(|(plugin, id)| is_name(plugin) && is_name(id)),
    "a plugin id, a `.` and the provider's own id"
);
name!(
    /// A partition of events, subscriptions, connections and tokens. Who needs none lives in [`TenantId::default`].
    TenantId, "tenant id", |text| is_dotted(text, LONGEST_DOTTED), DOTTED_RULE
);

impl Default for TenantId {
    /// `default`.
    fn default() -> Self {
        Self("default".into())
    }
}

impl EventTypeId {
    /// The event type that a plugin's hook is registered as. A hook that already starts with the plugin's id keeps it:
    /// `incident` and `incident.created` give `incident.incident.created`.
    pub fn new(plugin: &PluginId, hook: &HookId) -> Self {
        Self(format!("{plugin}.{hook}").into())
    }
}

impl ProviderId {
    /// The id under which a plugin's provider is registered.
    ///
    /// # Errors
    /// `local` is not a name.
    pub fn new(plugin: &PluginId, local: &str) -> Result<Self, ParseIdError> {
        if is_name(local) {
            Ok(Self(format!("{plugin}.{local}").into()))
        } else {
            Err(ParseIdError::new("provider id", local, NAME_RULE))
        }
    }
}

macro_rules! ulid_id {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(u128);

        impl $type {
            /// A new id, greater than every one that this process made before.
            pub fn generate() -> Self {
                Self(next_ulid())
            }

            /// The sixteen bytes, big-endian: they sort as the ids do.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            /// The id of sixteen bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }

            /// When it was made, to the millisecond.
            pub fn created_at(self) -> Timestamp {
                Timestamp::from_millis((self.0 >> 80) as i64)
            }
        }

        impl FromStr for $type {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                // 26 characters hold 130 bits, and the library drops the first two: a text with those names nothing.
                Ulid::from_string(text)
                    .ok()
                    .filter(|_| text.as_bytes()[0] <= b'7')
                    .map(|ulid| Self(ulid.0))
                    .ok_or_else(|| ParseIdError::new($what, text, "26 characters as ULIDs have them"))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Ulid(self.0).fmt(f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_bytes(&self.to_bytes()) }
            }
        }

        impl<'de> Deserialize<'de> for $type {
            /// Takes either form, since serde forgets which format it reads inside tagged enums and flattened structs.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Either;
                impl serde::de::Visitor<'_> for Either {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a ", $what))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<$type, E> {
                        bytes.try_into().map($type::from_bytes).map_err(|_| E::invalid_length(bytes.len(), &self))
                    }
                }
                deserializer.deserialize_any(Either)
            }
        }
    };
}

ulid_id!(
    /// One emission of an event type. Ids sort by the time of emission.
    EventId, "event id"
);
ulid_id!(
    /// A subscription.
    SubscriptionId, "subscription id"
);
ulid_id!(
    /// A connection.
    ConnectionId, "connection id"
);

/// Ids of one process never repeat and never go back, even when the clock does.
fn next_ulid() -> u128 {
    static LAST: LazyLock<Mutex<u128>> = LazyLock::new(|| Mutex::new(0));
    let mut last = LAST.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let millis = u128::try_from(Timestamp::now().as_millis()).unwrap_or(0);
    let fresh = (millis << 80) | (rand::random::<u128>() >> 48);
    // Within one millisecond, or after the clock went back, count on from the last id.
    *last = if (fresh >> 80) > (*last >> 80) { fresh } else { *last + 1 };
    *last
}

/// One event for one subscription: the event's id and the place of the subscription among those that it was routed to.
/// Written `01JD3W5Q0V4W1R8T2N6X9YZABC-0`. It is the same on every attempt, so receivers can recognise a repetition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// The event.
    pub event: EventId,
    /// The place of the subscription in the event's fan-out, from 0.
    pub index: u16,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.event, self.index)
    }
}

impl fmt::Debug for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DeliveryId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('-')
            .and_then(|(event, index)| Some(Self { event: event.parse().ok()?, index: index.parse().ok()? }))
            .filter(|id| id.to_string().eq_ignore_ascii_case(text))
            .ok_or_else(|| ParseIdError::new("delivery id", text, "an event id, a `-` and a number"))
    }
}

impl Serialize for DeliveryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeliveryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_type_is_the_plugin_and_the_hook() {
        let id = |plugin: &str, hook: &str| EventTypeId::new(&plugin.parse().unwrap(), &hook.parse().unwrap()).to_string();
        assert_eq!(id("incident", "incident.created"), "incident.incident.created");
        assert_eq!(id("maintenance", "started"), "maintenance.started");
        assert_eq!(id("healthcheck-http", "state.changed"), "healthcheck-http.state.changed");
        let longest = id(&"p".repeat(64), &"h".repeat(200));
        assert_eq!(longest.parse::<EventTypeId>().unwrap().as_str(), longest);
    }

    #[test]
    fn malformed_names_are_refused_with_the_rule() {
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "ä", "a/b", &"x".repeat(201)] {
            assert!(bad.parse::<HookId>().is_err(), "{bad}");
        }
        assert!("a.b".parse::<PluginId>().unwrap_err().to_string().contains("1 to 64 letters"));
        assert!("webhook".parse::<ProviderId>().is_err());
        assert!("postern.web.hook".parse::<ProviderId>().is_err());
    }

    #[test]
    fn ids_only_grow() {
        let ids: Vec<_> = (0..10_000).map(|_| EventId::generate()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_delivery_id_reads_back() {
        let id = DeliveryId { event: EventId::generate(), index: 7 };
        assert_eq!(id.to_string().parse::<DeliveryId>().unwrap(), id);
        assert!("01JD3W5Q0V4W1R8T2N6X9YZABC-+7".parse::<DeliveryId>().is_err());
        assert!("x-1".parse::<DeliveryId>().is_err());
    }
}
