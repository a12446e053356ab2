//! Subscriptions: checked when they are saved, prepared for delivery.

use super::routing::Rules;
use super::settings::{self, Opened};
use super::{Catalog, Provider};
use crate::Error;
use postern_core::subscription::EventPattern;
use postern_core::{ConnectionId, EventTypeId, ProviderId, Subscription, SubscriptionId, TenantId, Timestamp};
use postern_events::Violation;
use postern_events::matching::Index;
use postern_events::settings::Secrets;
use postern_store::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

/// What an administrator says of a subscription.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubscriptionInput {
    /// 1 to 100 characters.
    pub name: String,
    /// What it is for; at most 1000 characters.
    #[serde(default)]
    pub description: Option<String>,
    /// Who delivers.
    pub provider_id: ProviderId,
    /// The connection, if the provider has connections.
    #[serde(default)]
    pub connection_id: Option<ConnectionId>,
    /// The provider's settings.
    pub provider_config: Value,
    /// At least one.
    pub events: Vec<EventPattern>,
    /// A jq program that yields whether an event is delivered.
    #[serde(default)]
    pub filter: Option<String>,
    /// A jq program that yields the key of what an event is about.
    #[serde(default)]
    pub entity_key: Option<String>,
    /// Default: yes.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Default: `default`.
    #[serde(default)]
    pub tenant: Option<TenantId>,
}

fn yes() -> bool {
    true
}

/// How a subscription is stored: its secrets sealed, each bound to the subscription and its field.
#[derive(Serialize, Deserialize)]
struct Stored {
    subscription: Subscription,
    #[serde(default)]
    secrets: Secrets,
}

/// A subscription, ready to deliver.
pub struct Prepared {
    /// 1 when it was made, one more with each change.
    pub revision: u64,
    /// As administrators see it.
    pub subscription: Subscription,
    /// Why it cannot deliver, if it cannot.
    pub problem: Option<String>,
    pub(crate) opened: Opened,
    pub(crate) rules: Rules,
}

#[derive(Default)]
pub(super) struct Subscriptions {
    by_id: BTreeMap<SubscriptionId, Arc<Prepared>>,
    index: Index<Arc<Prepared>>,
}

impl Subscriptions {
    fn put(&mut self, prepared: Prepared) {
        let prepared = Arc::new(prepared);
        let subscription = &prepared.subscription;
        if subscription.enabled {
            self.index.put(subscription.id, subscription.tenant.clone(), &subscription.events, &prepared);
        } else {
            self.index.remove(subscription.id);
        }
        self.by_id.insert(subscription.id, prepared);
    }
}

impl Catalog {
    pub(super) async fn load_subscriptions(&self) -> Result<(), Error> {
        let stored: Vec<(Stored, u64)> = self.read(Kind::Subscription).await?;
        for (stored, revision) in stored {
            let prepared = self.prepare(stored, revision);
            self.subscriptions.write().put(prepared);
        }
        Ok(())
    }

    /// Makes a subscription.
    ///
    /// # Errors
    /// Something in it does not fit; each place is named.
    pub async fn create_subscription(&self, input: SubscriptionInput) -> Result<Arc<Prepared>, Error> {
        let _changing = self.changing.lock().await;
        self.save(SubscriptionId::generate(), input, None, None).await
    }

    /// Changes a subscription by a JSON merge patch (RFC 7396): what is absent stays, null clears, a secret's mark
    /// keeps the secret.
    ///
    /// # Errors
    /// There is none of this id, it is not at the revision that is expected (none: any will do), or what would become of it
    /// does not fit.
    pub async fn update_subscription(
        &self,
        id: SubscriptionId,
        patch: Value,
        expected: Option<u64>,
    ) -> Result<Arc<Prepared>, Error> {
        let _changing = self.changing.lock().await;
        let current = self.subscription(id)?;
        super::check_revision("subscription", current.revision, expected)?;
        let subscription = &current.subscription;
        let input = SubscriptionInput {
            name: subscription.name.clone(),
            description: subscription.description.clone(),
            provider_id: subscription.provider_id.clone(),
            connection_id: subscription.connection_id,
            provider_config: subscription.provider_config.clone(),
            events: subscription.events.clone(),
            filter: subscription.filter.clone(),
            entity_key: subscription.entity_key.clone(),
            enabled: subscription.enabled,
            tenant: Some(subscription.tenant.clone()),
        };
        let mut merged = serde_json::to_value(input).map_err(|error| Error::Internal(error.to_string()))?;
        merge(&mut merged, patch);
        let input: SubscriptionInput = postern_events::read_form(merged)
            .map_err(|(violation, _)| Error::invalid("the subscription is not changed", vec![violation]))?;
        if input.tenant.as_ref() != Some(&subscription.tenant) {
            return Err(Error::invalid(
                "the subscription is not changed",
                vec![Violation::new("/tenant", "a subscription stays in its tenant")],
            ));
        }
        self.save(id, input, Some(subscription.created_at), Some(&current)).await
    }

    /// Removes a subscription. What is queued for it is not delivered any more.
    ///
    /// # Errors
    /// There is none of this id.
    pub async fn delete_subscription(&self, id: SubscriptionId, expected: Option<u64>) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        super::check_revision("subscription", self.subscription(id)?.revision, expected)?;
        self.remove(Kind::Subscription, id).await?;
        let mut subscriptions = self.subscriptions.write();
        subscriptions.by_id.remove(&id);
        subscriptions.index.remove(id);
        Ok(())
    }

    /// One subscription.
    ///
    /// # Errors
    /// There is none of this id.
    pub fn subscription(&self, id: SubscriptionId) -> Result<Arc<Prepared>, Error> {
        self.subscriptions.read().by_id.get(&id).cloned().ok_or_else(|| Error::not_found("subscription", id))
    }

    /// Up to `limit` subscriptions after an id, by id, of one tenant if that is given.
    pub fn subscriptions(&self, after: Option<SubscriptionId>, limit: usize, tenant: Option<&TenantId>) -> Vec<Arc<Prepared>> {
        let subscriptions = self.subscriptions.read();
        let range = (after.map_or(Unbounded, Excluded), Unbounded);
        let all = subscriptions.by_id.range(range).map(|(_, prepared)| prepared);
        all.filter(|prepared| tenant.is_none_or(|tenant| prepared.subscription.tenant == *tenant)).take(limit).cloned().collect()
    }

    /// Whether anybody uses a provider.
    pub(super) fn subscriptions_of(&self, provider: &ProviderId) -> usize {
        self.subscriptions.read().by_id.values().filter(|prepared| prepared.subscription.provider_id == *provider).count()
    }

    /// Who uses a connection.
    pub fn users_of_connection(&self, connection: ConnectionId) -> Vec<Arc<Prepared>> {
        let subscriptions = self.subscriptions.read();
        subscriptions.by_id.values().filter(|prepared| prepared.subscription.connection_id == Some(connection)).cloned().collect()
    }

    /// The enabled subscriptions of a tenant that name an event type.
    pub(super) fn matching(&self, tenant: &TenantId, event_type: &EventTypeId) -> Vec<Arc<Prepared>> {
        self.subscriptions.read().index.matches(tenant, event_type)
    }

    /// Prepares the subscriptions of a provider anew, because its schema may have changed.
    pub(super) async fn prepare_again(&self, provider: &ProviderId) -> Result<(), Error> {
        let stored: Vec<(Stored, u64)> = self.read(Kind::Subscription).await?;
        for (stored, revision) in stored.into_iter().filter(|(stored, _)| stored.subscription.provider_id == *provider) {
            let prepared = self.prepare(stored, revision);
            self.subscriptions.write().put(prepared);
        }
        Ok(())
    }

    async fn save(
        &self,
        id: SubscriptionId,
        input: SubscriptionInput,
        created_at: Option<Timestamp>,
        before: Option<&Prepared>,
    ) -> Result<Arc<Prepared>, Error> {
        let mut violations = super::check_names(&input.name, input.description.as_deref());
        let refuse = |violations| Error::invalid("the subscription is not saved", violations);
        let Ok(provider) = self.provider(&input.provider_id) else {
            violations.push(Violation::new("/providerId", format!("there is no provider `{}`", input.provider_id)));
            return Err(refuse(violations));
        };
        let Some(form) = &provider.form else {
            violations.push(Violation::new(
                "/providerId",
                format!("{} is not loaded, so its settings cannot be checked", input.provider_id),
            ));
            return Err(refuse(violations));
        };
        violations.extend(self.check_events(&provider, &input.events));
        violations.extend(self.check_connection(&provider, &input));
        let rules = Rules::compile(input.filter.as_deref(), input.entity_key.as_deref()).unwrap_or_else(|unfit| {
            violations.extend(unfit);
            Rules::default()
        });
        let opened = before.filter(|before| before.subscription.provider_id == input.provider_id).map(|before| &before.opened);
        let mut accepted = match settings::accept(form, input.provider_config, opened, "/providerConfig") {
            Ok(accepted) if violations.is_empty() => accepted,
            Ok(_) => return Err(refuse(violations)),
            Err(unfit) => {
                violations.extend(unfit);
                return Err(refuse(violations));
            }
        };
        let templates = form.template_sources(&mut accepted.value);
        let secrets = settings::seal(&self.vault, form, &id.to_string(), &mut accepted, opened)?;
        let now = self.clock.now();
        let subscription = Subscription {
            id,
            tenant: input.tenant.unwrap_or_default(),
            name: input.name,
            description: input.description,
            provider_id: input.provider_id,
            connection_id: input.connection_id,
            provider_config: accepted.value,
            config_version: form.version(),
            events: input.events,
            filter: input.filter,
            entity_key: input.entity_key,
            enabled: input.enabled,
            created_at: created_at.unwrap_or(now),
            updated_at: now,
        };
        let misfits = self.misfits(&subscription, &rules, &templates);
        if !misfits.is_empty() {
            return Err(refuse(misfits));
        }
        let stored = Stored { subscription, secrets };
        let revision = self.put(Kind::Subscription, id, &stored).await?;
        let prepared = self.prepare(stored, revision);
        self.subscriptions.write().put(prepared);
        self.subscription(id)
    }

    /// A provider that has connections needs one, of the same tenant.
    fn check_connection(&self, provider: &Provider, input: &SubscriptionInput) -> Option<Violation> {
        let id = &provider.manifest.id;
        let message = match (&provider.manifest.connection, input.connection_id) {
            (None, None) => return None,
            (None, Some(_)) => format!("{id} takes no connection"),
            (Some(_), None) => format!("{id} needs a connection; make one first"),
            (Some(_), Some(connection)) => match self.connection(connection) {
                Ok(known) if known.connection.tenant != input.tenant.clone().unwrap_or_default() => {
                    format!("there is no connection `{connection}`")
                }
                Ok(known) if known.connection.provider_id != *id => {
                    format!("the connection is for {}, not for {id}", known.connection.provider_id)
                }
                Ok(_) => return None,
                Err(error) => error.to_string(),
            },
        };
        Some(Violation::new("/connectionId", message))
    }

    fn check_events(&self, provider: &Provider, events: &[EventPattern]) -> Vec<Violation> {
        let registry = self.event_types.read();
        let mut violations = Vec::new();
        if events.is_empty() || events.len() > 100 {
            violations.push(Violation::new("/events", "1 to 100 event types are needed"));
        }
        for (index, pattern) in events.iter().enumerate() {
            let path = format!("/events/{index}");
            if let EventPattern::Exact(id) = pattern
                && registry.get(id).is_none()
            {
                violations.push(Violation::new(path.as_str(), format!("no event type `{id}` is registered")));
            }
            let supported = match &provider.manifest.supported_events {
                None => true,
                Some(supported) => supported.iter().any(|supported| match pattern {
                    EventPattern::Exact(id) => supported.matches(id),
                    EventPattern::Under(_) => supported == pattern,
                }),
            };
            if !supported {
                violations.push(Violation::new(path, format!("{} does not deliver `{pattern}`", provider.manifest.id)));
            }
        }
        violations
    }

    /// Makes a stored subscription ready. One that cannot be is kept with the reason, and its deliveries tell it.
    fn prepare(&self, stored: Stored, revision: u64) -> Prepared {
        let Stored { subscription, secrets } = stored;
        let opened = self.provider(&subscription.provider_id).map_err(|error| error.to_string()).and_then(|provider| {
            let form = provider.form.as_ref().ok_or_else(|| format!("{} is not loaded", subscription.provider_id))?;
            Opened::open(&self.vault, form, &subscription.id.to_string(), &subscription.provider_config, &secrets)
        });
        let rules = Rules::compile(subscription.filter.as_deref(), subscription.entity_key.as_deref());
        let (rules, unfit) = rules.map_or_else(|unfit| (Rules::default(), Some(unfit[0].to_string())), |rules| (rules, None));
        let (opened, problem) = opened.map_or_else(|problem| (Opened::default(), Some(problem)), |opened| (opened, None));
        let problem = problem.or(unfit);
        if let Some(problem) = &problem {
            tracing::warn!(subscription = %subscription.id, %problem, "the subscription cannot deliver");
        }
        Prepared { revision, subscription, problem, opened, rules }
    }
}

/// RFC 7396.
pub(super) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(&key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_sets_clears_and_keeps() {
        let mut value = json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [1]});
        merge(&mut value, json!({"a": null, "b": {"c": 4}, "e": [2], "f": {"g": null}}));
        assert_eq!(value, json!({"b": {"c": 4, "d": 3}, "e": [2], "f": {}}));
    }
}
