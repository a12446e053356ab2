//! Which service the alerts go to, shared by many subscriptions.

use postern_provider::prelude::*;

/// The host of the events API in the US region: <https://support.pagerduty.com/docs/service-regions>.
pub(crate) const US: &str = "events.pagerduty.com";

/// The one in the EU region.
pub(crate) const EU: &str = "events.eu.pagerduty.com";

/// An integration key: 32 letters and digits (<https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>; of others
/// the API says that they "cannot contain non-alphanumeric characters").
const INTEGRATION_KEY: &str = "^[A-Za-z0-9]{32}$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "The service or event orchestration that alerts go to.")]
pub struct Connection {
    /// The "Integration Key" of an "Events API V2" integration: 32 letters and digits. A key of the REST API is none.
    #[schemars(title = "Integration key", regex(pattern = INTEGRATION_KEY), extend("x-hosts" = [US, EU]))]
    pub(crate) routing_key: Secret,

    /// Where the account is: `eu` if its address ends with `eu.pagerduty.com`, else `us`.
    #[serde(default)]
    #[schemars(title = "Service region")]
    pub(crate) region: Region,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Region {
    #[default]
    Us,
    Eu,
}

impl Region {
    pub(crate) fn host(self) -> &'static str {
        match self {
            Self::Us => US,
            Self::Eu => EU,
        }
    }
}
