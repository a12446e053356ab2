//! Where the alerts are, shared by many subscriptions.

use postern_provider::prelude::*;

/// The API of accounts in the US: <https://docs.opsgenie.com/docs/alert-api>.
pub(crate) const US: &str = "api.opsgenie.com";

/// The one of accounts in the EU.
pub(crate) const EU: &str = "api.eu.opsgenie.com";

/// Jira Service Management's, for accounts of every region:
/// <https://developer.atlassian.com/cloud/jira/service-desk-ops/rest/v1/api-group-integration-events>.
pub(crate) const JIRA: &str = "api.atlassian.com";

/// What fits into a header.
const API_KEY: &str = "^[!-~]+$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "Where the alerts are.")]
pub struct Connection {
    /// `opsgenie` for an account in the US, `opsgenie-eu` for one in the EU (`eu.opsgenie.com`),
    /// `jira-service-management` for its successor, which Opsgenie's accounts have to move to before 5 April 2027.
    #[serde(default)]
    #[schemars(title = "Service")]
    pub(crate) service: Service,

    /// The API key of an integration of the type "API".
    #[schemars(title = "API key", regex(pattern = API_KEY), length(max = 256), extend("x-hosts" = [US, EU, JIRA]))]
    pub(crate) api_key: Secret,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Service {
    #[default]
    Opsgenie,
    OpsgenieEu,
    JiraServiceManagement,
}

impl Service {
    /// What stands before `/v2/…` in each URL.
    pub(crate) fn base(self) -> String {
        match self {
            Self::Opsgenie => format!("https://{US}"),
            Self::OpsgenieEu => format!("https://{EU}"),
            Self::JiraServiceManagement => format!("https://{JIRA}/jsm/ops/integration"),
        }
    }

    /// As a person calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Opsgenie | Self::OpsgenieEu => "Opsgenie",
            Self::JiraServiceManagement => "Jira Service Management",
        }
    }

    /// Whether alerts, teams and users can be read with an integration's key. Jira Service Management's integration events
    /// only create, change, and tell what became of a request.
    pub(crate) fn can_read(self) -> bool {
        self != Self::JiraServiceManagement
    }
}
