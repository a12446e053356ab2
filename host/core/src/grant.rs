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
    /// Bounds of its calls that differ from the configuration's. Default: none.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
}

/// The name that a bound has in a grant, by its key in the configuration: `memory-bytes` → `memoryBytes`.
pub fn limit_name(key: &str) -> String {
    let mut parts = key.split('-');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let (initial, rest) = part.split_at(part.chars().next().map_or(0, char::len_utf8));
        name + &initial.to_uppercase() + rest
    })
}

/// Defines the bounds that a grant may set: the field, its key in the configuration, and what it says.
macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $field:ident = $key:literal,)+) => {
        /// Bounds of one provider's calls, each in place of the configuration's. What is left out is as configured.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        #[schemars(rename = "GrantedLimits")]
        pub struct Limits {
            $($(#[doc = $doc])+ #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<usize>,)+
        }

        impl Limits {
            /// Those that are set, by their keys in the configuration.
            pub fn set(&self) -> impl Iterator<Item = (&'static str, usize)> {
                [$(($key, self.$field)),+].into_iter().filter_map(|(key, value)| Some((key, value?)))
            }
        }
    };
}

limits! {
    /// Bytes of memory, summed over all memories. `[sandbox] memory-bytes`.
    memory_bytes = "memory-bytes",
    /// How many memories; at most as many as are configured. `[sandbox] memories`.
    memories = "memories",
    /// How many tables; at most as many as are configured. `[sandbox] tables`.
    tables = "tables",
    /// How many elements a table may have; at most as many as are configured. `[sandbox] table-elements`.
    table_elements = "table-elements",
    /// How many core instances; at most as many as are configured. `[sandbox] instances`.
    instances = "instances",
    /// How many handles. `[sandbox] handles`.
    handles = "handles",
    /// Bytes that one call into the host, or an answer, may carry. `[sandbox] host-call-bytes`.
    host_call_bytes = "host-call-bytes",
    /// Bytes of one set of headers that is built with `wasi:http`. `[sandbox] header-bytes`.
    header_bytes = "header-bytes",
    /// Computing, in milliseconds. `[sandbox] compute-milliseconds`.
    compute_milliseconds = "compute-milliseconds",
    /// The whole call, waiting included, in milliseconds. `[sandbox] call-milliseconds`.
    call_milliseconds = "call-milliseconds",
    /// How many log lines. `[sandbox] log-lines`.
    log_lines = "log-lines",
    /// Bytes of a log line. `[sandbox] log-line-bytes`.
    log_line_bytes = "log-line-bytes",
    /// Bytes of a message that it answers with. `[sandbox] message-bytes`.
    message_bytes = "message-bytes",
    /// How many entries a drop-down may have. `[sandbox] options`.
    options = "options",
    /// Bytes of each text of such an entry. `[sandbox] option-bytes`.
    option_bytes = "option-bytes",
    /// How many requests a call may make. `[egress.limits] requests-per-call`.
    requests_per_call = "requests-per-call",
}

impl Limits {
    /// Whether all bounds are as configured.
    pub fn is_empty(&self) -> bool {
        self.set().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_grant_of_old_has_no_limits_of_its_own() {
        let old = json!({ "hosts": ["hooks.slack.com"], "revealSecrets": false });
        let grant: Grant = serde_json::from_value(old).unwrap();
        assert!(grant.limits.is_empty() && grant.secret_hosts.is_empty() && !grant.follow_redirects);
        assert_eq!(serde_json::to_value(grant).unwrap().get("limits"), None);
    }

    #[test]
    fn a_limit_is_named_as_in_the_configuration() {
        let grant: Grant = serde_json::from_value(json!({ "hosts": [], "limits": { "logLineBytes": 7, "options": 1 } })).unwrap();
        assert_eq!(grant.limits.set().collect::<Vec<_>>(), [("log-line-bytes", 7), ("options", 1)]);
        assert!(serde_json::from_value::<Grant>(json!({ "hosts": [], "limits": { "memory": 7 } })).is_err());
    }
}
