//! Subscriptions: checked when they are saved, prepared for delivery.

use super::{Catalog, Provider};
use crate::Error;
use parking_lot::RwLockReadGuard;
use postern_core::delivery::Route;
use postern_core::subscription::EventPattern;
use postern_core::{EventTypeId, ProviderId, Subscription, SubscriptionId, TenantId};
use postern_egress::{Seals, Secret};
use postern_events::matching::Index;
use postern_events::settings::{Accepted, Secrets};
use postern_events::template::Template;
use postern_events::{Violation, template};
use postern_store::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
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
    /// The provider's settings.
    pub provider_config: Value,
    /// At least one.
    pub events: Vec<EventPattern>,
    /// Default: yes.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Default: `default`.
    #[serde(default)]
    pub tenant: TenantId,
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

/// A subscription, ready to deliver. It holds secrets in clear, so it has no `Debug`.
pub struct Prepared {
    /// As administrators see it.
    pub subscription: Subscription,
    /// The settings with their secrets in clear, for the host's own eyes.
    pub(crate) clear: Arc<Map<String, Value>>,
    /// The fields that are rendered for each delivery.
    pub(crate) templates: Vec<(String, Template)>,
    /// The secret fields, sealed anew for each call.
    pub(crate) secrets: Vec<SecretField>,
    /// Why it cannot deliver, if it cannot.
    pub(crate) problem: Option<String>,
}

/// A field that holds a secret.
pub(crate) struct SecretField {
    /// Its JSON pointer.
    path: String,
    /// Whether it is a URL, whose placeholder must then be one too.
    is_url: bool,
}

#[derive(Default)]
pub(super) struct Subscriptions {
    by_id: BTreeMap<SubscriptionId, Arc<Prepared>>,
    index: Index<Route>,
}

impl Subscriptions {
    fn put(&mut self, prepared: Prepared) {
        let subscription = &prepared.subscription;
        let route = Route { subscription: subscription.id, provider: subscription.provider_id.clone() };
        if subscription.enabled {
            self.index.put(subscription.id, subscription.tenant.clone(), &subscription.events, &route);
        } else {
            self.index.remove(subscription.id);
        }
        self.by_id.insert(subscription.id, Arc::new(prepared));
    }
}

impl Catalog {
    pub(super) async fn load_subscriptions(&self) -> Result<(), Error> {
        let stored: Vec<Stored> = self.read(Kind::Subscription).await?;
        for stored in stored {
            let prepared = self.prepare(stored);
            self.subscriptions.write().put(prepared);
        }
        Ok(())
    }

    /// Makes a subscription.
    ///
    /// # Errors
    /// Something in it does not fit; each place is named.
    pub async fn create_subscription(&self, input: SubscriptionInput) -> Result<Subscription, Error> {
        let _changing = self.changing.lock().await;
        let now = self.clock.now();
        self.save(SubscriptionId::generate(), input, now, None).await
    }

    /// Changes a subscription by a JSON merge patch (RFC 7396): what is absent stays, null clears, a secret's mark
    /// keeps the secret.
    ///
    /// # Errors
    /// There is none of this id, or what would become of it does not fit.
    pub async fn update_subscription(&self, id: SubscriptionId, patch: Value) -> Result<Subscription, Error> {
        let _changing = self.changing.lock().await;
        let current = self.subscription(id)?;
        let subscription = &current.subscription;
        let input = SubscriptionInput {
            name: subscription.name.clone(),
            description: subscription.description.clone(),
            provider_id: subscription.provider_id.clone(),
            provider_config: subscription.provider_config.clone(),
            events: subscription.events.clone(),
            enabled: subscription.enabled,
            tenant: subscription.tenant.clone(),
        };
        let mut merged = serde_json::to_value(input).map_err(|error| Error::Internal(error.to_string()))?;
        merge(&mut merged, patch);
        let input: SubscriptionInput = serde_json::from_value(merged)
            .map_err(|error| Error::invalid(format!("the subscription is not changed: {error}"), Vec::new()))?;
        if input.tenant != subscription.tenant {
            return Err(Error::invalid(
                "the subscription is not changed",
                vec![Violation::new("/tenant", "a subscription stays in its tenant")],
            ));
        }
        self.save(id, input, subscription.created_at, Some(&current)).await
    }

    /// Removes a subscription. What is queued for it is not delivered any more.
    ///
    /// # Errors
    /// There is none of this id.
    pub async fn delete_subscription(&self, id: SubscriptionId) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        self.subscription(id)?;
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

    /// Up to `limit` subscriptions after an id, by id.
    pub fn subscriptions(&self, after: Option<SubscriptionId>, limit: usize) -> Vec<Arc<Prepared>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let subscriptions: RwLockReadGuard<'_, Subscriptions> = self.subscriptions.read();
        let range = (after.map_or(Unbounded, Excluded), Unbounded);
        subscriptions.by_id.range(range).take(limit).map(|(_, prepared)| prepared.clone()).collect()
    }

    /// Whether anybody uses a provider.
    pub(super) fn subscriptions_of(&self, provider: &ProviderId) -> usize {
        self.subscriptions.read().by_id.values().filter(|prepared| prepared.subscription.provider_id == *provider).count()
    }

    /// Where an event of a type goes.
    pub(crate) fn routes(&self, tenant: &TenantId, event_type: &EventTypeId) -> Vec<Route> {
        self.subscriptions.read().index.matches(tenant, event_type)
    }

    /// Prepares the subscriptions of a provider anew, because its schema may have changed.
    pub(super) async fn prepare_again(&self, provider: &ProviderId) -> Result<(), Error> {
        let stored: Vec<Stored> = self.read(Kind::Subscription).await?;
        for stored in stored.into_iter().filter(|stored| stored.subscription.provider_id == *provider) {
            let prepared = self.prepare(stored);
            self.subscriptions.write().put(prepared);
        }
        Ok(())
    }

    async fn save(
        &self,
        id: SubscriptionId,
        input: SubscriptionInput,
        created_at: postern_core::Timestamp,
        before: Option<&Prepared>,
    ) -> Result<Subscription, Error> {
        let mut violations = self.check_names(&input);
        let provider = match self.provider(&input.provider_id) {
            Ok(provider) => provider,
            Err(_) => {
                violations.push(Violation::new("/providerId", format!("there is no provider `{}`", input.provider_id)));
                return Err(Error::invalid("the subscription is not saved", violations));
            }
        };
        violations.extend(self.check_events(&provider, &input.events));
        let before = before.filter(|before| before.subscription.provider_id == input.provider_id);
        let is_stored = |path: &str| before.is_some_and(|before| before.secrets.iter().any(|known| known.path == path));
        let accepted = match accept(&provider, input.provider_config, &is_stored) {
            Ok(accepted) => Some(accepted),
            Err(unfit) => {
                violations.extend(unfit);
                None
            }
        };
        let Some(accepted) = accepted.filter(|_| violations.is_empty()) else {
            return Err(Error::invalid("the subscription is not saved", violations));
        };
        let subscription = Subscription {
            id,
            tenant: input.tenant,
            name: input.name,
            description: input.description,
            provider_id: input.provider_id,
            provider_config: accepted.value,
            config_version: provider.form.as_ref().map_or(0, postern_events::settings::Form::version),
            events: input.events,
            enabled: input.enabled,
            created_at,
            updated_at: self.clock.now(),
        };
        let secrets = self.seal(&subscription, &provider, accepted.secrets, before)?;
        let stored = Stored { subscription: subscription.clone(), secrets };
        self.put(Kind::Subscription, id, &stored).await?;
        let prepared = self.prepare(stored);
        self.subscriptions.write().put(prepared);
        Ok(subscription)
    }

    fn check_names(&self, input: &SubscriptionInput) -> Vec<Violation> {
        let mut violations = Vec::new();
        if !(1..=100).contains(&input.name.trim().chars().count()) {
            violations.push(Violation::new("/name", "1 to 100 characters are needed"));
        }
        if input.description.as_ref().is_some_and(|text| text.chars().count() > 1000) {
            violations.push(Violation::new("/description", "at most 1000 characters are allowed"));
        }
        if input.events.is_empty() || input.events.len() > 100 {
            violations.push(Violation::new("/events", "1 to 100 event types are needed"));
        }
        violations
    }

    fn check_events(&self, provider: &Provider, events: &[EventPattern]) -> Vec<Violation> {
        let registry = self.event_types.read();
        let mut violations = Vec::new();
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

    /// Seals the secrets that were given now, and keeps those that were not.
    fn seal(
        &self,
        subscription: &Subscription,
        provider: &Provider,
        given: Secrets,
        before: Option<&Prepared>,
    ) -> Result<Secrets, Error> {
        let mut clear = given;
        let mut value = subscription.provider_config.clone();
        if let Some(form) = &provider.form {
            form.put_secrets(&mut value, |path, _| {
                if !clear.contains_key(path)
                    && let Some(kept) = before.and_then(|before| lookup(&before.clear, path))
                {
                    clear.insert(path.to_owned(), kept.to_owned());
                }
                None
            });
        }
        let record = subscription.id.to_string();
        clear
            .iter()
            .map(|(path, secret)| {
                let sealed = self.vault.encrypt(&record, path, secret).map_err(|error| Error::Internal(error.to_string()))?;
                Ok((path.clone(), sealed))
            })
            .collect()
    }

    /// Makes a stored subscription ready. One that cannot be is kept with the reason, and its deliveries tell it.
    fn prepare(&self, stored: Stored) -> Prepared {
        let Stored { subscription, secrets } = stored;
        let mut prepared =
            Prepared { clear: Arc::default(), templates: Vec::new(), secrets: Vec::new(), problem: None, subscription };
        if let Err(problem) = self.fill(&mut prepared, &secrets) {
            tracing::warn!(subscription = %prepared.subscription.id, %problem, "the subscription cannot deliver");
            prepared.problem = Some(problem);
        }
        prepared
    }

    fn fill(&self, prepared: &mut Prepared, secrets: &Secrets) -> Result<(), String> {
        let subscription = &prepared.subscription;
        let provider = self.provider(&subscription.provider_id).map_err(|error| error.to_string())?;
        let form = provider.form.as_ref().ok_or_else(|| format!("{} is not loaded", subscription.provider_id))?;
        let record = subscription.id.to_string();
        let mut value = subscription.provider_config.clone();
        let mut problem = None;
        form.put_secrets(&mut value, |path, is_url| {
            match secrets.get(path).map(|sealed| self.vault.decrypt(&record, path, sealed)) {
                Some(Ok(secret)) => {
                    prepared.secrets.push(SecretField { path: path.to_owned(), is_url });
                    Some(secret.to_string())
                }
                Some(Err(error)) => {
                    problem = Some(format!("the secret at {path} cannot be opened: {error}"));
                    None
                }
                None => None,
            }
        });
        if let Some(problem) = problem {
            return Err(problem);
        }
        prepared.templates = form.templates(&mut value).map_err(|violations| violations[0].to_string())?;
        let Value::Object(clear) = value else { return Err("the settings are no object".into()) };
        prepared.clear = Arc::new(clear);
        Ok(())
    }
}

impl Prepared {
    /// The settings for one call: templates rendered, secrets replaced by what `seal` makes of them.
    pub(crate) fn config(&self, context: Option<&template::Context>, seals: &mut Seals) -> Result<String, Violation> {
        let mut value = Value::Object((*self.clear).clone());
        for field in &self.secrets {
            if let Some(Value::String(secret)) = value.pointer_mut(&field.path) {
                *secret = seal(seals, secret, field.is_url);
            }
        }
        if let Some(context) = context {
            postern_events::settings::render(&self.templates, &mut value, context)?;
        }
        Ok(value.to_string())
    }
}

/// A placeholder for a secret.
pub(super) fn seal(seals: &mut Seals, secret: &str, is_url: bool) -> String {
    let secret = Secret::new(secret);
    if is_url { seals.seal_uri(secret) } else { seals.seal(secret) }
}

fn lookup<'a>(clear: &'a Map<String, Value>, path: &str) -> Option<&'a str> {
    let (first, rest) =
        path.strip_prefix('/')?.split_once('/').map_or((path.strip_prefix('/')?, ""), |(first, rest)| (first, rest));
    let field = clear.get(&first.replace("~1", "/").replace("~0", "~"))?;
    if rest.is_empty() { field.as_str() } else { field.pointer(&format!("/{rest}"))?.as_str() }
}

fn accept(provider: &Provider, config: Value, is_stored: &dyn Fn(&str) -> bool) -> Result<Accepted, Vec<Violation>> {
    let Some(form) = &provider.form else {
        return Err(vec![Violation::new(
            "/providerId",
            format!("{} is not loaded, so its settings cannot be checked", provider.manifest.id),
        )]);
    };
    form.accept(config, is_stored).map_err(|violations| {
        violations
            .into_iter()
            .map(|violation| Violation::new(format!("/providerConfig{}", violation.path), violation.message))
            .collect()
    })
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
    fn a_secret_is_found_by_its_pointer() {
        let Value::Object(clear) = json!({"a/b": {"c": ["x"]}, "t": "y"}) else { unreachable!() };
        assert_eq!(lookup(&clear, "/a~1b/c/0"), Some("x"));
        assert_eq!(lookup(&clear, "/t"), Some("y"));
        assert_eq!(lookup(&clear, "/u"), None);
    }
}
