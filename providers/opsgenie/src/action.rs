//! What an event does to its alert.

use crate::config::Config;
use crate::connection::Connection;
use postern_provider::notice::Phase;
use postern_provider::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Create,
    Note,
    Acknowledge,
    Close,
    Ignore,
}

impl Action {
    /// By the subscription's rules, else by what happened.
    pub(crate) fn of(delivery: &Delivery<Config, Connection>, notice: &Notice) -> Self {
        match (EventRule::choose(&delivery.config.actions, &delivery.event), notice.phase) {
            (Some(chosen), _) => chosen,
            (None, Phase::Resolved) => Self::Close,
            (None, _) if notice.acknowledged => Self::Acknowledge,
            (None, Phase::Changed) => Self::Note,
            (None, Phase::Opened | Phase::Notice) => Self::Create,
        }
    }
}
