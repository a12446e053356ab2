//! What the host itself announces: ordinary event types of the plugin `postern` that one can subscribe to.
//!
//! They never feed themselves: that a delivery of such an event fails is neither announced nor warned of. That a
//! subscription was disabled for nothing but such failures is, to the others, since that happens once. An announcement is
//! stored in the same transaction as what it tells of, so no crash comes between the two.

use crate::{Catalog, Error};
use postern_core::{Event, EventId, EventType, EventTypeId, HookId, Json, PluginId, TenantId};
use postern_store::NewEvent;
use serde_json::{Value, json};
use std::sync::Arc;

/// The plugin of the host's own event types and providers; nobody else registers or emits for it.
pub(crate) const PLUGIN: &str = "postern";

/// Something to announce.
#[derive(Debug)]
pub(crate) struct OwnEvent {
    pub(crate) hook: Hook,
    pub(crate) tenant: TenantId,
    pub(crate) payload: Value,
}

/// What can be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    DeliveryFailed,
    SubscriptionFailing,
    SubscriptionDisabled,
    SubscriptionRecovered,
    ProviderQuarantined,
}

impl Hook {
    const ALL: [Self; 5] = [
        Self::DeliveryFailed,
        Self::SubscriptionFailing,
        Self::SubscriptionDisabled,
        Self::SubscriptionRecovered,
        Self::ProviderQuarantined,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::DeliveryFailed => "delivery.failed",
            Self::SubscriptionFailing => "subscription.failing",
            Self::SubscriptionDisabled => "subscription.disabled",
            Self::SubscriptionRecovered => "subscription.recovered",
            Self::ProviderQuarantined => "provider.quarantined",
        }
    }

    fn definition(self) -> EventType {
        let (display_name, description) = match self {
            Self::DeliveryFailed => ("Delivery failed", "A delivery was given up; it waits among the failed ones."),
            Self::SubscriptionFailing => (
                "Subscription failing",
                "For half of the time after which a subscription is disabled, all its deliveries have failed.",
            ),
            Self::SubscriptionDisabled => ("Subscription disabled", "All deliveries failed for so long that it was disabled."),
            Self::SubscriptionRecovered => ("Subscription recovered", "A delivery succeeded after a warning was given."),
            Self::ProviderQuarantined => ("Provider quarantined", "Its calls trapped so often in a row that it is paused."),
        };
        let (plugin, hook) = (own_plugin(), self.name().parse::<HookId>().expect("a hook's name"));
        EventType {
            id: EventTypeId::new(&plugin, &hook),
            plugin,
            hook,
            display_name: display_name.into(),
            description: Some(description.into()),
            category: "Postern".into(),
            payload_schema: self.schema(),
            transform: None,
            example: None,
        }
    }

    fn schema(self) -> Value {
        let text = |description: &str| json!({ "type": "string", "description": description });
        let time = |description: &str| json!({ "type": "string", "format": "date-time", "description": description });
        let mut properties = json!({ "provider": text("The provider's id.") });
        if self != Self::ProviderQuarantined {
            properties["subscription"] = json!({
                "type": "object",
                "properties": { "id": text("The subscription's id."), "name": text("What people call it.") },
                "required": ["id", "name"],
            });
        }
        let own: &[(&str, Value)] = &match self {
            Self::DeliveryFailed => vec![
                ("delivery", text("The delivery's id.")),
                ("eventType", text("The type of the event that was not delivered.")),
                ("attempts", json!({ "type": "integer", "description": "How many attempts were made." })),
                ("error", text("Why the last one failed.")),
                ("reason", text("The kind of failure: `http`, `timeout`, `trap`, …")),
                ("status", json!({ "type": ["integer", "null"], "description": "The HTTP status of the last answer." })),
                ("failedAt", time("When it was given up.")),
            ],
            Self::SubscriptionFailing | Self::SubscriptionDisabled => vec![
                ("failingSince", time("The first failure after the last success.")),
                ("error", text("Why the last attempt failed.")),
            ],
            Self::SubscriptionRecovered => vec![("failingSince", time("The first failure after the last success."))],
            Self::ProviderQuarantined => vec![
                ("version", text("The version of the build that trapped.")),
                ("digest", text("The SHA-256 of its component.")),
                ("error", text("The last trap, with its backtrace.")),
            ],
        };
        for (name, schema) in own {
            properties[*name] = schema.clone();
        }
        let required: Vec<_> = properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        json!({ "type": "object", "properties": properties, "required": required })
    }
}

fn own_plugin() -> PluginId {
    PLUGIN.parse().expect("a plugin's name")
}

/// The host's own event types.
pub(crate) fn definitions() -> impl Iterator<Item = EventType> {
    Hook::ALL.into_iter().map(Hook::definition)
}

/// Whether an event type is the host's own.
pub(crate) fn is_own(event_type: &EventTypeId) -> bool {
    event_type.as_str().split_once('.').is_some_and(|(plugin, _)| plugin == PLUGIN)
}

impl Catalog {
    /// The event that tells whoever subscribed to it. What nobody subscribed to is not even stored.
    pub(crate) fn announcement(&self, OwnEvent { hook, tenant, payload }: OwnEvent) -> Option<NewEvent> {
        let event = Event {
            id: EventId::generate(),
            event_type: EventTypeId::new(&own_plugin(), &hook.name().parse().ok()?),
            tenant,
            timestamp: self.clock.now(),
            payload: Json::from_value(&payload),
        };
        let routes = self.routes(&event, &payload);
        (!routes.is_empty()).then(|| NewEvent { event: Arc::new(event), routes, idempotency: None })
    }
}

/// Nobody but the host registers or emits for its plugin.
pub(crate) fn refuse_foreign(event_type: &EventTypeId) -> Result<(), Error> {
    if is_own(event_type) {
        let message =
            format!("the plugin `{PLUGIN}` is the host's own: `{event_type}` can be subscribed to, not emitted or changed");
        return Err(Error::Conflict(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_events::registry::Registered;

    #[test]
    fn the_definitions_register_and_have_a_sample() {
        for definition in definitions() {
            let id = definition.id.clone();
            let registered = Registered::new(definition).unwrap_or_else(|unfit| panic!("{id}: {unfit:?}"));
            assert!(registered.sample().is_some() && is_own(&id), "{id}");
        }
        assert!(!is_own(&"incident.postern.created".parse().unwrap()));
    }
}
