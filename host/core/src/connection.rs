//! Connections: settings and credentials that many subscriptions share.

use crate::id::{ConnectionId, ProviderId, TenantId};
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shared settings for one provider: one Jira site with its credentials, say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Whose it is; it serves only subscriptions of the same tenant.
    #[serde(default)]
    pub tenant: TenantId,
    /// 1 to 100 characters.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The provider that it is for.
    pub provider_id: ProviderId,
    /// The settings, with [`crate::manifest::SECRET_MARK`] in the places of secrets.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub settings: serde_json::Value,
    /// The version of the provider's connection schema that the settings were written for.
    pub settings_version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
