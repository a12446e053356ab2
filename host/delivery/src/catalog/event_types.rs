//! Event types.

use super::Catalog;
use crate::{Error, own_events};
use postern_core::{EventType, EventTypeId, HookId, PluginId};
use postern_events::Violation;
use postern_events::registry::Registered;
use postern_store::Kind;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

/// What a plugin says when it registers a hook.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "displayName": "Incident created", "category": "Incidents",
    "payloadSchema": { "type": "object", "required": ["title"], "properties": { "title": { "type": "string" } } },
}))]
pub struct EventTypeInput {
    /// 1 to 100 characters.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"\S"))]
    pub display_name: String,
    /// When it is emitted.
    #[serde(default)]
    pub description: Option<String>,
    /// Default: `Uncategorized`.
    #[serde(default = "EventType::default_category")]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"\S"))]
    pub category: String,
    /// JSON Schema.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub payload_schema: serde_json::Value,
    /// A jq program; see [`EventType::transform`].
    #[serde(default)]
    pub transform: Option<String>,
    /// A payload as an example; it must fit, and the transform must take it.
    #[serde(default)]
    pub example: Option<serde_json::Value>,
}

impl Catalog {
    pub(super) async fn load_event_types(&self) -> Result<(), Error> {
        let definitions: Vec<(EventType, u64)> = self.read(Kind::EventType).await?;
        let mut registry = self.event_types.write();
        for (definition, _) in definitions.into_iter().chain(own_events::definitions().map(|own| (own, 0))) {
            let id = definition.id.clone();
            match Registered::new(definition) {
                Ok(registered) => registry.put(registered),
                Err(violations) => {
                    return Err(Error::Internal(format!("the stored event type `{id}`: {}", violations[0])));
                }
            }
        }
        Ok(())
    }

    /// Registers a hook for the outside, or replaces it. Whether it is new.
    ///
    /// # Errors
    /// The schema is none, the transform does not compile or fails on the example, or a name does not fit; or, without
    /// `force`, a filter, an entity key or a template of a subscription would not fit any more.
    pub async fn register(
        &self,
        plugin: PluginId,
        hook: HookId,
        input: EventTypeInput,
        force: bool,
    ) -> Result<(EventType, bool), Error> {
        own_events::refuse_foreign(&EventTypeId::new(&plugin, &hook))?;
        let mut violations = Vec::new();
        let name = input.display_name.trim().chars().count();
        if !(1..=100).contains(&name) {
            violations.push(Violation::new("/displayName", "1 to 100 characters are needed"));
        }
        if input.category.trim().is_empty() || input.category.chars().count() > 100 {
            violations.push(Violation::new("/category", "1 to 100 characters are needed"));
        }
        let definition = EventType {
            id: EventTypeId::new(&plugin, &hook),
            plugin,
            hook,
            display_name: input.display_name,
            description: input.description,
            category: input.category,
            payload_schema: input.payload_schema,
            transform: input.transform,
            example: input.example,
        };
        let registered = Registered::new(definition.clone()).map_err(|unfit| violations.extend(unfit)).ok();
        let Some(registered) = registered.filter(|_| violations.is_empty()) else {
            return Err(Error::invalid("the event type is not registered", violations));
        };
        let _changing = self.changing.lock().await;
        if !force {
            let broken = self.broken_by(&registered);
            if !broken.is_empty() {
                let message = "it would break subscriptions; change those first, or register with force";
                return Err(Error::Breaks { message, violations: broken });
            }
        }
        self.put(Kind::EventType, &definition.id, &definition).await?;
        let mut registry = self.event_types.write();
        let new = registry.get(&definition.id).is_none();
        registry.put(registered);
        Ok((definition, new))
    }

    /// One event type.
    ///
    /// # Errors
    /// There is none of this id.
    pub fn event_type(&self, id: &EventTypeId) -> Result<Arc<Registered>, Error> {
        self.event_types.read().get(id).cloned().ok_or_else(|| Error::not_found("event type", id))
    }

    /// Every event type, by id.
    pub fn event_types(&self) -> Vec<Arc<Registered>> {
        self.event_types.read().iter().cloned().collect()
    }

    /// Removes an event type. What was emitted stays.
    ///
    /// # Errors
    /// There is none of this id.
    pub async fn unregister(&self, id: &EventTypeId) -> Result<(), Error> {
        own_events::refuse_foreign(id)?;
        let _changing = self.changing.lock().await;
        self.event_type(id)?;
        self.remove(Kind::EventType, id).await?;
        self.event_types.write().remove(id);
        Ok(())
    }
}
