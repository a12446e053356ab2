//! What an operator allows a provider.

use crate::host_pattern::HostPattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an operator allows one provider. The manifest asks; the grant decides, and may be narrower or wider. Above every grant
/// stands the operator's list of hosts for all providers (`[egress] hosts`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grant {
    /// The hosts that it may reach.
    pub hosts: Vec<HostPattern>,
    /// Hosts among those that its secrets may go to, beyond those that the provider's author names for them. Default: none.
    #[serde(default)]
    pub secret_hosts: Vec<HostPattern>,
    /// Whether its requests may follow redirects, to hosts that it may reach. Default: no.
    #[serde(default)]
    pub follow_redirects: bool,
    /// Whether it may read secrets in clear. Default: no.
    #[serde(default)]
    pub reveal_secrets: bool,
}
