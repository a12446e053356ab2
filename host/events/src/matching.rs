//! From tenant and event type to subscriptions, at a cost that depends on how many match, not on how many there are.

use postern_core::subscription::EventPattern;
use postern_core::{EventTypeId, SubscriptionId, TenantId};
use std::collections::{BTreeMap, HashMap};

/// An index of subscriptions, each with a `T` that the caller wants back.
#[derive(Debug)]
pub struct Index<T> {
    tenants: HashMap<TenantId, Tenant<T>>,
    places: HashMap<SubscriptionId, (TenantId, Vec<EventPattern>)>,
}

#[derive(Debug)]
struct Tenant<T> {
    exact: HashMap<EventTypeId, BTreeMap<SubscriptionId, T>>,
    under: HashMap<String, BTreeMap<SubscriptionId, T>>,
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self { tenants: HashMap::new(), places: HashMap::new() }
    }
}

impl<T: Clone> Index<T> {
    /// Adds a subscription, or replaces it.
    pub fn put(&mut self, id: SubscriptionId, tenant: TenantId, patterns: &[EventPattern], what: &T) {
        self.remove(id);
        let index = self.tenants.entry(tenant.clone()).or_insert_with(|| Tenant { exact: HashMap::new(), under: HashMap::new() });
        for pattern in patterns {
            match pattern {
                EventPattern::Exact(event_type) => index.exact.entry(event_type.clone()).or_default().insert(id, what.clone()),
                EventPattern::Under(prefix) => index.under.entry(prefix.clone()).or_default().insert(id, what.clone()),
            };
        }
        self.places.insert(id, (tenant, patterns.to_vec()));
    }

    /// Removes a subscription.
    pub fn remove(&mut self, id: SubscriptionId) {
        let Some((tenant, patterns)) = self.places.remove(&id) else { return };
        let Some(index) = self.tenants.get_mut(&tenant) else { return };
        for pattern in &patterns {
            match pattern {
                EventPattern::Exact(event_type) => take(&mut index.exact, event_type, id),
                EventPattern::Under(prefix) => take(&mut index.under, prefix, id),
            }
        }
        if index.exact.is_empty() && index.under.is_empty() {
            self.tenants.remove(&tenant);
        }
    }

    /// The subscriptions of a tenant that want an event type, each once, by id.
    pub fn matches(&self, tenant: &TenantId, event_type: &EventTypeId) -> Vec<T> {
        let Some(index) = self.tenants.get(tenant) else { return Vec::new() };
        let mut found: BTreeMap<SubscriptionId, &T> = BTreeMap::new();
        found.extend(index.exact.get(event_type).into_iter().flatten().map(|(id, what)| (*id, what)));
        if !index.under.is_empty() {
            let id = event_type.as_str();
            let prefixes = id.match_indices('.').map(|(at, _)| &id[..at]);
            for members in prefixes.filter_map(|prefix| index.under.get(prefix)) {
                found.extend(members.iter().map(|(id, what)| (*id, what)));
            }
        }
        found.into_values().cloned().collect()
    }
}

fn take<K, Q, T>(map: &mut HashMap<K, BTreeMap<SubscriptionId, T>>, key: &Q, id: SubscriptionId)
where
    K: std::borrow::Borrow<Q> + std::hash::Hash + Eq,
    Q: std::hash::Hash + Eq + ?Sized,
{
    if let Some(members) = map.get_mut(key) {
        members.remove(&id);
        if members.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reaches_each_matching_subscription_of_its_tenant_once() {
        let mut index = Index::default();
        let ids: Vec<_> = (0..4).map(|_| SubscriptionId::generate()).collect();
        let patterns = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<EventPattern>>();
        let tenant = TenantId::default();
        index.put(ids[0], tenant.clone(), &patterns(&["incident.incident.created", "incident.*", "incident.incident.*"]), &0);
        index.put(ids[1], tenant.clone(), &patterns(&["incident.incident.resolved"]), &1);
        index.put(ids[2], tenant.clone(), &patterns(&["incident.*"]), &2);
        index.put(ids[3], "other".parse().unwrap(), &patterns(&["incident.*"]), &3);
        let created = "incident.incident.created".parse().unwrap();
        assert_eq!(index.matches(&tenant, &created), [0, 2]);
        index.put(ids[2], tenant.clone(), &patterns(&["maintenance.*"]), &2);
        index.remove(ids[0]);
        assert!(index.matches(&tenant, &created).is_empty());
        assert_eq!(index.matches(&"other".parse().unwrap(), &created), [3]);
    }
}
