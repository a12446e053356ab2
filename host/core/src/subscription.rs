//! Subscriptions: who wants which events, delivered how.

use crate::id::{ConnectionId, EventTypeId, ParseIdError, ProviderId, SubscriptionId, TenantId};
use crate::rate_limit::RateLimit;
use crate::retry::Schedule;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// What an administrator connected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// The tenant whose events it gets.
    #[serde(default)]
    pub tenant: TenantId,
    /// 1 to 100 characters.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who delivers.
    pub provider_id: ProviderId,
    /// The version of the provider that delivers; none: the one that is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_version: Option<semver::Version>,
    /// The connection that it uses, if its provider needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<ConnectionId>,
    /// The provider's settings, without its secrets: those are kept sealed beside it, and [`crate::manifest::SECRET_MARK`]
    /// stands in their places.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub provider_config: serde_json::Value,
    /// The version of the provider's config schema that the settings were written for.
    pub config_version: u32,
    /// The event types, at least one.
    pub events: Vec<EventPattern>,
    /// A jq program that says of each event whether it is delivered: `.payload.severity == "critical"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// A jq program that names the thing that an event is about: `.payload.incidentId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_key: Option<String>,
    /// When failed deliveries are tried again, if not when the operator's default says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Schedule>,
    /// How many deliveries it gets in so much time; none means no limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// What becomes of the events about an entity when one of them finally failed.
    #[serde(default)]
    pub entity_order: EntityOrder,
    /// Whether it gets new deliveries.
    pub enabled: bool,
    /// Why the host disabled it, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What becomes of the following events about an entity when one of them finally failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntityOrder {
    /// They are delivered all the same.
    #[default]
    Skip,
    /// They wait until the failed one is delivered in another run, or is cancelled.
    Hold,
}

/// An event type's id, or all that begin with a prefix: `incident.*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventPattern {
    /// One event type.
    Exact(EventTypeId),
    /// Every event type whose id begins with these parts: `incident` for `incident.*`.
    Under(String),
}

impl EventPattern {
    /// Whether the event type is meant.
    pub fn matches(&self, event_type: &EventTypeId) -> bool {
        match self {
            Self::Exact(id) => id == event_type,
            Self::Under(prefix) => event_type.as_str().strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('.')),
        }
    }
}

impl FromStr for EventPattern {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_suffix(".*") {
            // Any hook behind the prefix makes a whole id of it, so the prefix is checked as part of one.
            Some(prefix) => format!("{prefix}.x").parse::<EventTypeId>().map(|_| Self::Under(prefix.to_owned())),
            None => text.parse().map(Self::Exact),
        }
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(id) => id.fmt(f),
            Self::Under(prefix) => write!(f, "{prefix}.*"),
        }
    }
}

impl fmt::Debug for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for EventPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_parts() {
        let pattern: EventPattern = "incident.*".parse().unwrap();
        assert!(pattern.matches(&"incident.incident.created".parse().unwrap()));
        assert!(!pattern.matches(&"incidents.created".parse().unwrap()));
        let exact: EventPattern = "incident.created".parse().unwrap();
        assert!(exact.matches(&"incident.created".parse().unwrap()));
        assert!(!exact.matches(&"incident.created.late".parse().unwrap()));
        for bad in ["*", ".*", "inc*", "incident.*.x", ""] {
            assert!(bad.parse::<EventPattern>().is_err(), "{bad}");
        }
    }
}
