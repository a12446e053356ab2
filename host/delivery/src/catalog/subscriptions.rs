//! Subscriptions: checked when they are saved, prepared for delivery.

use super::forward::{Readied, Record, RecordId, Retried, Standing};
use super::migration::{New, Old};
use super::routing::Rules;
use super::settings::{self, Opened};
use super::{Catalog, Provider, host_fields};
use crate::Error;
use crate::own_events::OwnEvent;
use crate::schedule::Quota;
use postern_core::host_pattern::Section;
use postern_core::rate_limit::RateLimit;
use postern_core::retry::Schedule;
use postern_core::subscription::{EntityOrder, EventPattern};
use postern_core::{ConnectionId, EventTypeId, ProviderId, Subscription, SubscriptionId, TenantId, Timestamp};
use postern_events::Violation;
use postern_events::matching::Index;
use postern_events::settings::Secrets;
use postern_runtime::SettingsKind;
use postern_store::Kind;
use schemars::JsonSchema;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

/// What an administrator says of a subscription.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "name": "Incidents to the hub", "providerId": "postern.webhook", "events": ["incident.*"],
    "providerConfig": { "url": "https://localhost:8443/incidents" },
}))]
pub struct SubscriptionInput {
    /// 1 to 100 characters.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"\S"))]
    pub name: String,
    /// What it is for; at most 1000 characters.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub description: Option<String>,
    /// Who delivers.
    pub provider_id: ProviderId,
    /// The version of the provider that delivers, whatever is in force: one of those that are kept. None: what is in force.
    #[serde(default)]
    pub provider_version: Option<Version>,
    /// The connection, if the provider has connections.
    #[serde(default)]
    pub connection_id: Option<ConnectionId>,
    /// The provider's settings.
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub provider_config: Value,
    /// 1 to 100.
    #[schemars(length(min = 1, max = 100))]
    pub events: Vec<EventPattern>,
    /// A jq program that yields whether an event is delivered.
    #[serde(default)]
    pub filter: Option<String>,
    /// A jq program that yields the key of what an event is about.
    #[serde(default)]
    pub entity_key: Option<String>,
    /// When failed deliveries are tried again: delays, or a rule by which they grow. None: when the operator's default says.
    #[serde(default)]
    pub retry: Option<Schedule>,
    /// How many deliveries it gets in so much time. None: no limit of its own.
    #[serde(default)]
    pub rate_limit: Option<RateLimit>,
    /// What becomes of the events about an entity when one of them finally failed. Default: `skip`.
    #[serde(default)]
    pub entity_order: EntityOrder,
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
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) subscription: Subscription,
    #[serde(default)]
    secrets: Secrets,
}

impl Stored {
    /// Its settings.
    pub(super) fn old<'a>(&'a self, record: &'a str) -> Old<'a> {
        let Subscription { provider_config, config_version, .. } = &self.subscription;
        let kind = SettingsKind::Config;
        Old { record, kind, value: provider_config, version: *config_version, secrets: &self.secrets }
    }

    /// Takes settings that were brought forward.
    pub(super) fn replace(&mut self, new: New, now: Timestamp) {
        self.subscription.provider_config = new.value;
        self.subscription.config_version = new.version;
        self.subscription.updated_at = now;
        self.secrets = new.secrets;
    }
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
    pub(crate) standing: Standing,
}

/// Which subscriptions to list; an empty filter lists all.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionFilter {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Of this provider.
    pub provider: Option<ProviderId>,
    /// Enabled, or not.
    pub enabled: Option<bool>,
    /// That name this event type, or a prefix of it.
    pub event_type: Option<EventTypeId>,
}

impl SubscriptionFilter {
    fn fits(&self, subscription: &Subscription) -> bool {
        self.tenant.as_ref().is_none_or(|tenant| subscription.tenant == *tenant)
            && self.provider.as_ref().is_none_or(|provider| subscription.provider_id == *provider)
            && self.enabled.is_none_or(|enabled| subscription.enabled == enabled)
            && self.event_type.as_ref().is_none_or(|id| subscription.events.iter().any(|pattern| pattern.matches(id)))
    }
}

#[derive(Default)]
pub(super) struct Subscriptions {
    by_id: BTreeMap<SubscriptionId, Arc<Prepared>>,
    index: Index<Arc<Prepared>>,
}

impl Prepared {
    /// How fast it may deliver; none means no limit of its own.
    pub(crate) fn quota(&self) -> Option<Quota> {
        self.subscription.rate_limit.map(|limit| Quota { deliveries: limit.deliveries(), per: limit.per() })
    }
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

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Prepared>> {
        self.by_id.values()
    }
}

impl Catalog {
    pub(super) async fn load_subscriptions(&self) -> Result<(), Error> {
        let stored: Vec<(Stored, u64)> = self.read(Kind::Subscription).await?;
        for (stored, revision) in stored {
            self.hold_subscription(stored, revision, None);
        }
        Ok(())
    }

    /// Makes a subscription.
    ///
    /// # Errors
    /// Something in it does not fit; each place is named.
    pub async fn create_subscription(&self, input: SubscriptionInput) -> Result<Arc<Prepared>, Error> {
        let provider = input.provider_id.clone();
        self.settled(&provider).await;
        if let Some(version) = &input.provider_version {
            self.load_pin(&provider, version).await?;
        }
        let _changing = self.changing.lock().await;
        let saved = self.save(SubscriptionId::generate(), input, None, None, None).await;
        self.release_pins(&provider);
        saved
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
        let pin = self.pin_of_change(id, &patch).await?;
        let retried = self.forward_again(RecordId::Subscription(id), pin).await?;
        let _changing = self.changing.lock().await;
        let mut current = self.subscription(id)?;
        super::check_revision("subscription", current.revision, expected)?;
        let mut stuck = None;
        if let Some(Retried { revision, record: Record::Subscription(stored), problem }) = retried
            && revision == current.revision
        {
            match problem {
                None => current = Arc::new(self.prepare(*stored, revision, None)),
                Some(problem) => stuck = Some((*stored, problem)),
            }
        }
        // Settings that cannot be brought forward stay as they are while only something else is changed.
        let stuck = stuck.filter(|_| ["providerConfig", "providerId"].iter().all(|field| patch.get(field).is_none()));
        let subscription = &current.subscription;
        let input = SubscriptionInput {
            name: subscription.name.clone(),
            description: subscription.description.clone(),
            provider_id: subscription.provider_id.clone(),
            provider_version: subscription.provider_version.clone(),
            connection_id: subscription.connection_id,
            provider_config: subscription.provider_config.clone(),
            events: subscription.events.clone(),
            filter: subscription.filter.clone(),
            entity_key: subscription.entity_key.clone(),
            retry: subscription.retry.clone(),
            rate_limit: subscription.rate_limit,
            entity_order: subscription.entity_order,
            enabled: subscription.enabled,
            tenant: Some(subscription.tenant.clone()),
        };
        let mut merged = serde_json::to_value(input).map_err(|error| Error::Internal(error.to_string()))?;
        change(&mut merged, patch);
        let input: SubscriptionInput = postern_events::read_form(merged)
            .map_err(|(violation, _)| Error::invalid("the subscription is not changed", vec![violation]))?;
        if input.tenant.as_ref() != Some(&subscription.tenant) {
            return Err(Error::invalid(
                "the subscription is not changed",
                vec![Violation::new("/tenant", "a subscription stays in its tenant")],
            ));
        }
        let providers = [subscription.provider_id.clone(), input.provider_id.clone()];
        let saved = self.save(id, input, Some(subscription.created_at), Some(&current), stuck).await;
        providers.iter().for_each(|provider| self.release_pins(provider));
        saved
    }

    /// Which version of the provider a change pins, or that it pins none any more; none if it does not say. What it pins is
    /// loaded then.
    async fn pin_of_change(&self, id: SubscriptionId, patch: &Value) -> Result<Option<Option<Version>>, Error> {
        let current = self.subscription(id)?;
        let provider = patch.get("providerId").and_then(Value::as_str).and_then(|id| id.parse().ok());
        let provider: ProviderId = provider.unwrap_or_else(|| current.subscription.provider_id.clone());
        self.settled(&provider).await;
        // What is no version is refused with its place when the change is read.
        let pin = patch.get("providerVersion").and_then(|pin| Option::<Version>::deserialize(pin).ok());
        if let Some(Some(version)) = &pin {
            self.load_pin(&provider, version).await?;
        }
        // Another provider's settings are no older ones of this.
        Ok(pin.filter(|_| provider == current.subscription.provider_id))
    }

    /// Removes a subscription. What is queued for it is not delivered any more.
    ///
    /// # Errors
    /// There is none of this id.
    pub async fn delete_subscription(&self, id: SubscriptionId, expected: Option<u64>) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        let provider = self.subscription(id)?.subscription.provider_id.clone();
        super::check_revision("subscription", self.subscription(id)?.revision, expected)?;
        self.remove(Kind::Subscription, id).await?;
        {
            let mut subscriptions = self.subscriptions.write();
            subscriptions.by_id.remove(&id);
            subscriptions.index.remove(id);
        }
        self.release_pins(&provider);
        self.tell_changed();
        // What waits behind a failure is withdrawn like the rest.
        self.store.release_holds(id).await?;
        Ok(())
    }

    /// Disables a subscription that nothing changed since `unchanged_since`, and says why. Whether it did.
    pub(crate) async fn disable_subscription(
        &self,
        id: SubscriptionId,
        reason: String,
        unchanged_since: Timestamp,
        event: OwnEvent,
    ) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        let Ok(current) = self.subscription(id) else { return Ok(()) };
        if !current.subscription.enabled || current.subscription.updated_at > unchanged_since {
            return Ok(());
        }
        let Some(document) = self.store.document(Kind::Subscription, &id.to_string()).await? else { return Ok(()) };
        let mut stored: Stored = super::parse(&document)?;
        stored.subscription.enabled = false;
        stored.subscription.disabled_reason = Some(reason);
        stored.subscription.updated_at = self.clock.now();
        // It may have wanted to hear of it itself.
        let event = self.announcement(event).map(|mut event| {
            event.routes.retain(|route| route.subscription != id);
            event
        });
        let events = event.filter(|event| !event.routes.is_empty()).into_iter().collect();
        let revision = self.put_announced(Some("disable"), Kind::Subscription, id, &stored, events).await?;
        self.hold_subscription(stored, revision, None);
        self.store.release_holds(id).await?;
        Ok(())
    }

    /// One subscription.
    ///
    /// # Errors
    /// There is none of this id.
    pub fn subscription(&self, id: SubscriptionId) -> Result<Arc<Prepared>, Error> {
        self.subscriptions.read().by_id.get(&id).cloned().ok_or_else(|| Error::not_found("subscription", id))
    }

    /// Up to `limit` subscriptions after an id, by id, that the filter names.
    pub fn subscriptions(&self, after: Option<SubscriptionId>, limit: usize, filter: &SubscriptionFilter) -> Vec<Arc<Prepared>> {
        let subscriptions = self.subscriptions.read();
        let range = (after.map_or(Unbounded, Excluded), Unbounded);
        let all = subscriptions.by_id.range(range).map(|(_, prepared)| prepared);
        all.filter(|prepared| filter.fits(&prepared.subscription)).take(limit).cloned().collect()
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

    async fn save(
        &self,
        id: SubscriptionId,
        input: SubscriptionInput,
        created_at: Option<Timestamp>,
        before: Option<&Prepared>,
        stuck: Option<(Stored, String)>,
    ) -> Result<Arc<Prepared>, Error> {
        let mut violations = super::check_names(&input.name, input.description.as_deref());
        let refuse = |violations| Error::invalid("the subscription is not saved", violations);
        if let Err(error) = self.provider(&input.provider_id) {
            violations.push(Violation::new("/providerId", error.to_string()));
            return Err(refuse(violations));
        }
        let provider = match self.pinnable(&input) {
            Ok(provider) => provider,
            Err(message) => {
                violations.push(Violation::new("/providerVersion", message));
                return Err(refuse(violations));
            }
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
        if input.entity_order == EntityOrder::Hold && input.entity_key.is_none() {
            violations.push(Violation::new("/entityOrder", "to hold an entity, an entityKey is needed that says what it is"));
        }
        let rules = Rules::compile(input.filter.as_deref(), input.entity_key.as_deref()).unwrap_or_else(|unfit| {
            violations.extend(unfit);
            Rules::default()
        });
        let opened = before.filter(|before| before.subscription.provider_id == input.provider_id).map(|before| &before.opened);
        let hosts = host_fields(&provider.wish, Section::Config);
        let (provider_config, config_version, secrets, templates, stuck) = match stuck {
            Some(_) if !violations.is_empty() => return Err(refuse(violations)),
            Some((Stored { subscription, secrets }, problem)) => {
                (subscription.provider_config, subscription.config_version, secrets, Vec::new(), Some(problem))
            }
            None => match settings::accept(form, input.provider_config, opened, &hosts, "/providerConfig") {
                Ok(mut accepted) if violations.is_empty() => {
                    let templates = form.template_sources(&mut accepted.value);
                    let secrets = settings::seal(&self.vault, form, &id.to_string(), &mut accepted, opened)?;
                    (accepted.value, form.version(), secrets, templates, None)
                }
                Ok(_) => return Err(refuse(violations)),
                Err(unfit) => {
                    violations.extend(unfit);
                    return Err(refuse(violations));
                }
            },
        };
        let now = self.clock.now();
        let subscription = Subscription {
            id,
            tenant: input.tenant.unwrap_or_default(),
            name: input.name,
            description: input.description,
            provider_id: input.provider_id,
            provider_version: input.provider_version,
            connection_id: input.connection_id,
            provider_config,
            config_version,
            events: input.events,
            filter: input.filter,
            entity_key: input.entity_key,
            retry: input.retry,
            rate_limit: input.rate_limit,
            entity_order: input.entity_order,
            enabled: input.enabled,
            disabled_reason: None,
            created_at: created_at.unwrap_or(now),
            updated_at: now,
        };
        let misfits = self.misfits(&subscription, &rules, &templates);
        if !misfits.is_empty() {
            return Err(refuse(misfits));
        }
        let stored = Stored { subscription, secrets };
        let revision = self.put(Kind::Subscription, id, &stored).await?;
        if stuck.is_some() && before.is_none_or(|before| before.subscription.events != stored.subscription.events) {
            // What templates may name depends on the events, so another try may succeed.
            self.hold_subscription(stored, revision, None);
            self.forwarding.notify_one();
        } else {
            self.hold_subscription(stored, revision, stuck);
        }
        let prepared = self.subscription(id)?;
        if before.is_some() && (!prepared.subscription.enabled || prepared.subscription.entity_order == EntityOrder::Skip) {
            self.store.release_holds(id).await?;
        }
        Ok(prepared)
    }

    /// The build that a subscription is to get; or why it cannot have what it pins.
    fn pinnable(&self, input: &SubscriptionInput) -> Result<Arc<Provider>, String> {
        let provider = self.provider(&input.provider_id).map_err(|error| error.to_string())?;
        let Some(version) = &input.provider_version else { return Ok(provider) };
        if provider.bundled {
            return Err(format!(
                "{} comes with the program, which has one version of it; it cannot be pinned",
                input.provider_id
            ));
        }
        if !provider.builds.iter().any(|build| build.version == *version) {
            let kept: Vec<_> = provider.builds.iter().map(|build| build.version.to_string()).collect();
            return Err(format!("version {version} of {} is not kept; these are: {}", input.provider_id, kept.join(", ")));
        }
        self.build_of(&input.provider_id, Some(version)).map_err(|error| error.to_string())
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

    /// Makes a stored subscription ready and keeps it.
    pub(super) fn hold_subscription(&self, stored: Stored, revision: u64, stuck: Option<String>) {
        let prepared = self.prepare(stored, revision, stuck);
        self.subscriptions.write().put(prepared);
        self.tell_changed();
    }

    /// Makes a stored subscription ready. One that cannot be is kept with the reason, and its deliveries tell it. `stuck` says
    /// why its settings could not be brought forward, if that was tried.
    fn prepare(&self, stored: Stored, revision: u64, stuck: Option<String>) -> Prepared {
        let id = stored.subscription.id.to_string();
        let Readied { opened, problem, standing } = self.ready(self.serving(&stored.subscription), stored.old(&id), stuck);
        let subscription = stored.subscription;
        let rules = Rules::compile(subscription.filter.as_deref(), subscription.entity_key.as_deref());
        let (rules, unfit) = rules.map_or_else(|unfit| (Rules::default(), Some(unfit[0].to_string())), |rules| (rules, None));
        let problem = problem.or(unfit);
        if let Some(problem) = problem.as_deref().filter(|_| standing != Standing::Waiting) {
            tracing::warn!(subscription = %id, %problem, "the subscription cannot deliver");
        }
        Prepared { revision, subscription, problem, opened, rules, standing }
    }
}

/// Applies a JSON merge patch to a structure that has all its fields. A field that it does not know stays in the result even
/// if the patch only takes it away: a misspelt name is to be refused like any other.
pub(super) fn change(target: &mut Value, patch: Value) {
    let unknown = |name: &&String| target.get(name.as_str()).is_none();
    let unknown: Vec<String> = patch.as_object().into_iter().flat_map(Map::keys).filter(unknown).cloned().collect();
    merge(target, patch);
    for name in unknown {
        if let Some(target) = target.as_object_mut() {
            target.entry(name).or_insert(Value::Null);
        }
    }
}

/// RFC 7396.
fn merge(target: &mut Value, patch: Value) {
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

    #[test]
    fn a_field_that_is_not_known_stays_to_be_refused() {
        let mut value = json!({"filter": null, "name": "x", "settings": {"a": 1}});
        change(&mut value, json!({"fliter": null, "filter": null, "name": "y", "settings": {"b": null}}));
        assert_eq!(value, json!({"name": "y", "settings": {"a": 1}, "fliter": null}));
    }
}
