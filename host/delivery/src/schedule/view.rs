//! The schedule as operators see it.

use super::{Breaker, Obstacle, Scheduler, Standing};
use postern_core::{SubscriptionId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

/// A destination.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Destination")]
pub struct DestinationView {
    /// `https://host:443`.
    pub destination: String,
    /// `closed`, `open` or `probing`.
    pub breaker: &'static str,
    /// How many attempts failed in a row, while it is closed.
    pub failures: u32,
    /// Until when nothing is sent, while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_until: Option<Timestamp>,
    /// Attempts on their way.
    pub in_flight: usize,
    /// How many may be on their way.
    pub window: usize,
    /// Whether it has not shown lately that it is quick.
    pub slow: bool,
}

/// How much is on its way, and who waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Attempts on their way.
    pub in_flight: usize,
    /// Those of them that go to slow destinations.
    pub slow_in_flight: usize,
    /// Subscriptions with something due whose turn comes.
    pub in_turn: usize,
    /// Those that wait for a rate or an open breaker.
    pub asleep: usize,
    /// Those that wait for a place.
    pub behind: usize,
    /// Destinations that anything is known of and that are sent to, by their breakers.
    pub closed_breakers: usize,
    /// Those that fail and are left alone.
    pub open_breakers: usize,
    /// Those that one delivery probes.
    pub probing_breakers: usize,
}

impl Scheduler {
    /// Counts.
    pub fn view(&self) -> View {
        let standing = |wanted: fn(&Standing) -> bool| self.subscriptions.values().filter(|one| wanted(&one.standing)).count();
        let breakers = |wanted: fn(&Breaker) -> bool| self.destinations.values().filter(|one| wanted(&one.breaker)).count();
        View {
            in_flight: self.in_flight,
            slow_in_flight: self.slow_in_flight,
            in_turn: standing(|standing| *standing == Standing::Turn),
            asleep: standing(|standing| matches!(standing, Standing::Asleep(_))),
            behind: standing(|standing| matches!(standing, Standing::Behind(_))),
            closed_breakers: breakers(|breaker| matches!(breaker, Breaker::Closed { .. })),
            open_breakers: breakers(|breaker| matches!(breaker, Breaker::Open { .. })),
            probing_breakers: breakers(|breaker| matches!(breaker, Breaker::Probing { .. })),
        }
    }

    /// The destinations that anything is known of, by name.
    pub fn destinations(&self) -> Vec<DestinationView> {
        let mut all: Vec<_> = self
            .destinations
            .iter()
            .map(|(name, one)| {
                let (breaker, failures, open_until) = match one.breaker {
                    Breaker::Closed { failures } => ("closed", failures, None),
                    Breaker::Open { until, .. } => ("open", 0, Some(until)),
                    Breaker::Probing { .. } => ("probing", 0, None),
                };
                DestinationView {
                    destination: name.to_string(),
                    breaker,
                    failures,
                    open_until,
                    in_flight: one.in_flight,
                    window: one.window(),
                    slow: one.is_slow(),
                }
            })
            .collect();
        all.sort_by(|a, b| a.destination.cmp(&b.destination));
        all
    }

    fn is_closed(&self, destination: &str) -> bool {
        self.destinations.get(destination).is_none_or(|known| matches!(known.breaker, Breaker::Closed { .. }))
    }

    /// What keeps the deliveries of a subscription waiting, for people; none if nothing does.
    pub fn waits_for(&self, id: SubscriptionId, now: Timestamp) -> Option<String> {
        let subscription = self.subscriptions.get(&id)?;
        match &subscription.standing {
            Standing::Idle | Standing::Turn => None,
            Standing::Asleep(until) => {
                let open = subscription.lane.destination.as_ref().and_then(|name| self.destinations.get(name));
                match open.map(|destination| destination.breaker) {
                    Some(Breaker::Open { until, .. }) if until > now => Some(format!(
                        "{} fails; the next delivery probes it at {until}",
                        subscription.lane.destination.as_deref()?
                    )),
                    _ => Some(format!("a rate limit allows the next delivery at {until}")),
                }
            }
            // Deliveries of its own are on their way; whether others wait behind them is not known here.
            Standing::Behind(Obstacle::Itself | Obstacle::Provider(_)) if subscription.in_flight > 0 => None,
            Standing::Behind(Obstacle::Destination(name)) if subscription.in_flight > 0 && self.is_closed(name) => None,
            Standing::Behind(obstacle) => Some(match obstacle {
                Obstacle::Itself => "as many of its deliveries as may be are on their way".to_owned(),
                Obstacle::Destination(name) => {
                    format!("as many deliveries as may be are on their way to {name}, or to slow destinations together")
                }
                Obstacle::Provider(id) => format!("as many calls of {id} as may be are running"),
                Obstacle::Catalog => subscription.lane.paused.as_deref()?.to_owned(),
            }),
        }
    }
}
