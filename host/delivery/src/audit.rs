//! Who does what: the actor on whose behalf the host works, and the record of what was changed.
//!
//! The actor travels with the work ([`as_actor`]), so that what changes something need not be handed it. It does not follow
//! into a task that is spawned: that one works for the host, unless it is given the actor again.

use postern_core::{Json, TenantId, Timestamp};
use postern_store::{AuditEntry, Kind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The name of the actor where nobody asked: the host itself.
pub const HOST: &str = "postern";

/// Fields that say when and which, not what.
const IGNORED: &[&str] = &["id", "createdAt", "updatedAt"];

/// The fields whose values are told. All others may hold settings, or programs and texts with anything in them.
const TOLD: &[&str] = &[
    "approved",
    "category",
    "configVersion",
    "connectionId",
    "digest",
    "displayName",
    "enabled",
    "events",
    "name",
    "providerId",
    "scopes",
    "settingsVersion",
];

/// The longest value that is told, in bytes of JSON.
const LONGEST_VALUE: usize = 512;

tokio::task_local! {
    static ACTOR: Actor;
}

/// On whose behalf something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// A token's name, or [`HOST`].
    pub name: String,
    /// The id of the token; none for the host itself.
    pub token: Option<String>,
    /// Where the request came from, if there was one.
    pub address: Option<IpAddr>,
}

impl Actor {
    /// The host itself.
    pub fn host() -> Self {
        Self { name: HOST.to_owned(), token: None, address: None }
    }

    /// The one on whose behalf this runs: the host itself unless [`as_actor`] said otherwise.
    pub fn present() -> Self {
        ACTOR.try_with(Clone::clone).unwrap_or_else(|_| Self::host())
    }
}

/// Does something on somebody's behalf.
pub async fn as_actor<F: Future>(actor: Actor, work: F) -> F::Output {
    ACTOR.scope(actor, work).await
}

/// What was done, by the present actor.
pub fn entry(at: Timestamp, action: impl Into<String>, object: impl Into<String>, tenant: Option<TenantId>) -> AuditEntry {
    let Actor { name, token, address } = Actor::present();
    AuditEntry { at, actor: name, token, address, action: action.into(), kind: None, object: object.into(), tenant, detail: None }
}

/// The record of a change of a stored object, by the present actor: `verb` is `create`, `delete`, …
pub fn change(at: Timestamp, verb: &str, kind: Kind, id: &str, tenant: Option<TenantId>, difference: &Difference) -> AuditEntry {
    let what = match kind {
        Kind::EventType => "event-type",
        Kind::Subscription => "subscription",
        Kind::Connection => "connection",
        Kind::Provider => "provider",
        Kind::Token => "token",
        Kind::Setting => "setting",
    };
    let detail = serde_json::to_string(difference).ok().and_then(|text| Json::parse(text).ok());
    AuditEntry { kind: Some(kind), detail, ..entry(at, format!("{what}.{verb}"), id, tenant) }
}

/// How an object differs from what it was: the detail of a record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// The names of the object's fields that were set, changed or removed.
    pub changed: Vec<String>,
    /// The values of those of them that are short and never secret; of settings only the name is told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, Values>,
}

/// A field's value before and after.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AuditValues")]
pub struct Values {
    /// Before; none: it was not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// After; none: it is not set any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

impl Difference {
    /// Compares two states of an object; null is nothing.
    pub fn between(before: &Value, after: &Value) -> Self {
        let empty = Map::new();
        let (before, after) = (before.as_object().unwrap_or(&empty), after.as_object().unwrap_or(&empty));
        let mut difference = Self::default();
        let names = after.keys().chain(before.keys().filter(|name| !after.contains_key(*name)));
        for name in names.filter(|name| !IGNORED.contains(&name.as_str())) {
            let [from, to] = [before, after].map(|state| state.get(name).filter(|value| !value.is_null()));
            if from != to {
                difference.changed.push(name.clone());
                if TOLD.contains(&name.as_str()) {
                    let told = |value: Option<&Value>| value.filter(|value| value.to_string().len() <= LONGEST_VALUE).cloned();
                    difference.values.insert(name.clone(), Values { from: told(from), to: told(to) });
                }
            }
        }
        difference
    }

    /// Says that a field changed, though what is shown of it did not.
    pub fn and(&mut self, field: &str) {
        if !self.changed.iter().any(|name| name == field) {
            self.changed.push(field.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_names_fields_and_tells_only_plain_values() {
        let before =
            json!({ "id": "a", "name": "A", "enabled": true, "filter": ".x", "providerConfig": { "url": "u" }, "updatedAt": 1 });
        let after =
            json!({ "id": "a", "name": "B", "enabled": true, "filter": null, "providerConfig": { "url": "v" }, "updatedAt": 2 });
        let difference = Difference::between(&before, &after);
        assert_eq!(difference.changed, ["name", "filter", "providerConfig"]);
        assert_eq!(json!(difference.values), json!({ "name": { "from": "A", "to": "B" } }));
        let created = Difference::between(&Value::Null, &after);
        assert_eq!(created.changed, ["name", "enabled", "providerConfig"]);
        assert_eq!(json!(created.values), json!({ "name": { "to": "B" }, "enabled": { "to": true } }));
        let removed = Difference::between(&before, &Value::Null);
        assert_eq!(removed.changed, ["name", "enabled", "filter", "providerConfig"]);
        assert_eq!(removed.values["name"], Values { from: Some(json!("A")), to: None });
        assert_eq!(Difference::between(&after, &after), Difference::default());
    }

    #[test]
    fn a_long_value_is_not_told() {
        let events: Vec<_> = (0..100).map(|n| format!("incident.created.{n}")).collect();
        let difference = Difference::between(&Value::Null, &json!({ "events": events, "name": "A" }));
        assert_eq!(difference.changed, ["events", "name"]);
        assert_eq!(difference.values["events"], Values::default());
    }

    #[tokio::test]
    async fn the_actor_is_the_host_unless_somebody_asked() {
        let ann = Actor { name: "ann".into(), token: Some("0123".into()), address: Some([192, 0, 2, 1].into()) };
        let (at, of) = (Timestamp::from_millis(1), |at| entry(at, "x.y", "z", None));
        assert_eq!((of(at).actor.as_str(), of(at).token), (HOST, None));
        let recorded = as_actor(ann.clone(), async { of(at) }).await;
        assert_eq!((recorded.actor, recorded.token, recorded.address), (ann.name, ann.token, ann.address));
        assert_eq!(Actor::present(), Actor::host());
    }
}
