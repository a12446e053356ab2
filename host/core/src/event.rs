//! Event types and events.

use crate::id::{EventId, EventTypeId, HookId, PluginId, TenantId};
use crate::json::Json;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A hook registered for the outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventType {
    /// `{plugin}.{hook}`.
    pub id: EventTypeId,
    /// The plugin that owns the hook.
    pub plugin: PluginId,
    /// The hook.
    pub hook: HookId,
    /// The name that a person reads, 1 to 100 characters.
    pub display_name: String,
    /// When it is emitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Groups event types where they are listed. Default: `Uncategorized`.
    #[serde(default = "EventType::default_category")]
    pub category: String,
    /// The JSON Schema (2020-12) of the payload as it is emitted.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub payload_schema: serde_json::Value,
    /// A jq program that makes what is stored and delivered of the payload as it is emitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<String>,
    /// A payload as an example. None: one is made from the schema where one is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<serde_json::Value>,
}

impl EventType {
    /// The category of those that name none.
    pub fn default_category() -> String {
        "Uncategorized".into()
    }
}

/// One emission of an event type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its own id.
    pub id: EventId,
    /// The event type's id.
    #[serde(rename = "eventType")]
    pub event_type: EventTypeId,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// When it happened: what the emitter says, else when it arrived.
    pub timestamp: Timestamp,
    /// What is delivered.
    pub payload: Json,
}
