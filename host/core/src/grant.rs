//! What an operator allows a provider.

use crate::host_pattern::HostPattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an operator allows one provider. What is in force is what the manifest asks for and the grant allows, both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grant {
    /// The hosts that it may reach.
    pub hosts: Vec<HostPattern>,
    /// Whether it may read secrets in clear. Default: no.
    #[serde(default)]
    pub reveal_secrets: bool,
}
