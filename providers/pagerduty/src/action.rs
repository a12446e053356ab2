//! What an event does to its alert: <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>, "Event Action
//! Behavior".

use crate::config::Config;
use crate::connection::Connection;
use postern_provider::notice::Phase;
use postern_provider::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Trigger,
    Acknowledge,
    Resolve,
    Ignore,
}

impl Action {
    /// By the subscription's rules, else by what happened. A change triggers: to an open alert that only adds a line, without
    /// notifying anybody anew. It must not acknowledge, which would stop the escalation of what nobody has taken on.
    pub(crate) fn of(delivery: &Delivery<Config, Connection>, notice: &Notice) -> Self {
        match (EventRule::choose(&delivery.config.actions, &delivery.event), notice.phase) {
            (Some(chosen), _) => chosen,
            (None, Phase::Resolved) => Self::Resolve,
            (None, _) if notice.acknowledged => Self::Acknowledge,
            (None, Phase::Opened | Phase::Changed | Phase::Notice) => Self::Trigger,
        }
    }
}
