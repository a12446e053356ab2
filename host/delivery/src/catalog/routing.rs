//! Which subscriptions an event goes to, and whether what they say of events fits the event types.

use super::{Catalog, SubscriptionFilter};
use postern_core::delivery::Route;
use postern_core::{Event, Subscription};
use postern_events::jq::{EntityKey, Filter, event_input};
use postern_events::registry::Registered;
use postern_events::{Violation, template_check};
use serde_json::Value;
use std::sync::Arc;

/// What decides whether an event goes to a subscription, and about which entity.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    filter: Option<Filter>,
    entity_key: Option<EntityKey>,
}

impl Rules {
    /// Compiles a subscription's rules.
    pub(crate) fn compile(filter: Option<&str>, entity_key: Option<&str>) -> Result<Self, Vec<Violation>> {
        let mut violations = Vec::new();
        let mut refuse =
            |place: &str, error: postern_events::jq::ProgramError| violations.push(Violation::new(place, error.to_string()));
        let filter = filter.and_then(|source| Filter::compile(source).map_err(|error| refuse("/filter", error)).ok());
        let entity_key =
            entity_key.and_then(|source| EntityKey::compile(source).map_err(|error| refuse("/entityKey", error)).ok());
        if violations.is_empty() { Ok(Self { filter, entity_key }) } else { Err(violations) }
    }

    fn look_at_events(&self) -> bool {
        self.filter.is_some() || self.entity_key.is_some()
    }

    /// Whether and how an event goes through; none: the filter keeps it back.
    fn judge(&self, event: &Value) -> Result<Option<Option<String>>, (&'static str, String)> {
        if let Some(filter) = &self.filter
            && !filter.passes(event).map_err(|error| ("filter", error.to_string()))?
        {
            return Ok(None);
        }
        let entity = self.entity_key.as_ref().map(|key| key.of(event).map_err(|error| ("entityKey", error.to_string())));
        Ok(Some(entity.transpose()?.flatten()))
    }
}

impl Catalog {
    /// Where an event goes. A subscription whose filter or entity key fails on it gets a delivery that says so: an event
    /// is never lost in silence.
    pub(crate) fn routes(&self, event: &Event, payload: &Value) -> Vec<Route> {
        let matching = self.matching(&event.tenant, &event.event_type);
        let mut input = None;
        matching
            .iter()
            .filter_map(|prepared| {
                let mut route = Route::new(prepared.subscription.id, prepared.subscription.provider_id.clone());
                if prepared.rules.look_at_events() {
                    let input = input.get_or_insert_with(|| {
                        event_input(&event.id.to_string(), event.event_type.as_str(), &event.timestamp.to_string(), payload)
                    });
                    match prepared.rules.judge(input) {
                        Ok(None) => return None,
                        Ok(Some(entity)) => route.entity = entity,
                        Err((what, message)) => {
                            route.problem = Some(format!("the subscription's {what} failed on this event: {message}"))
                        }
                    }
                }
                Some(route)
            })
            .collect()
    }

    /// What of a subscription does not fit the event types that it names now.
    pub(super) fn misfits(&self, subscription: &Subscription, rules: &Rules, templates: &[(String, String)]) -> Vec<Violation> {
        let registered: Vec<Arc<Registered>> = self.event_types();
        let named =
            |event_type: &&Arc<Registered>| subscription.events.iter().any(|pattern| pattern.matches(&event_type.definition.id));
        registered.iter().filter(named).flat_map(|event_type| misfits(event_type, rules, templates)).collect()
    }

    /// Which subscriptions an event type would break that is about to be registered.
    pub(super) fn broken_by(&self, event_type: &Registered) -> Vec<Violation> {
        let concerned = SubscriptionFilter { event_type: Some(event_type.definition.id.clone()), ..Default::default() };
        let mut broken = Vec::new();
        for prepared in self.subscriptions(None, usize::MAX, &concerned) {
            let subscription = &prepared.subscription;
            for violation in misfits(event_type, &prepared.rules, &prepared.opened.template_sources()) {
                broken.push(Violation::new(format!("/subscriptions/{}{}", subscription.id, violation.path), violation.message));
            }
        }
        broken
    }
}

/// What does not fit one event type.
fn misfits(event_type: &Registered, rules: &Rules, templates: &[(String, String)]) -> Vec<Violation> {
    let id = event_type.definition.id.as_str();
    let mut violations = Vec::new();
    if let Some(sample) = event_type.sample().filter(|_| rules.look_at_events()) {
        let input = event_input("01JD3W5Q0V4W1R8T2N6X9YZABC", id, "2026-01-02T03:04:05.678Z", &sample);
        if let Err((what, message)) = rules.judge(&input) {
            violations.push(Violation::new(format!("/{what}"), format!("it fails on an example of `{id}`: {message}")));
        }
    }
    if let Some(schema) = event_type.delivered_schema() {
        for (path, source) in templates {
            match template_check::unknown_names(source, [(id, schema)]) {
                Ok(unknown) => violations.extend(unknown.iter().map(|name| name.at(&format!("/providerConfig{path}")))),
                Err(error) => violations.push(Violation::new(format!("/providerConfig{path}"), error.to_string())),
            }
        }
    }
    violations
}
