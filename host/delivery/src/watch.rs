//! Watches over subscriptions: who has had nothing but failures for how long, and what is to be announced of outcomes.

use crate::Catalog;
use crate::own_events::{self, Hook, OwnEvent};
use postern_core::delivery::{Class, Reason, State};
use postern_core::{DeliveryId, EventTypeId, ProviderId, SubscriptionId, TenantId, Timestamp};
use postern_store::{Beside, Change, Expect, Finish, Kind};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A shorter series of failures is not remembered over a restart.
const KEPT_AFTER: Duration = Duration::from_secs(60);

/// The ids of the store's notes begin with it.
const NOTE: &str = "failing:";

/// An outcome as far as it matters here.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) delivery: DeliveryId,
    event_type: EventTypeId,
    tenant: TenantId,
    subscription: SubscriptionId,
    provider: ProviderId,
    test: bool,
    at: Timestamp,
    attempts: u32,
    /// Why it failed, and whether for good; none: it was delivered.
    failure: Option<(String, Option<Reason>, bool)>,
}

impl Seen {
    pub(crate) fn of(finish: &Finish, event_type: EventTypeId, tenant: TenantId) -> Self {
        let failure = match &finish.step.state {
            State::Success { .. } | State::Pending => None,
            State::Retrying { error, reason, .. } => Some((error.clone(), *reason, false)),
            State::Failed { error, reason } => Some((error.clone(), *reason, true)),
        };
        Self {
            delivery: finish.id,
            event_type,
            tenant,
            subscription: finish.route.subscription,
            provider: finish.route.provider.clone(),
            test: finish.route.test,
            at: finish.step.at,
            attempts: finish.step.attempts,
            failure,
        }
    }
}

/// A series of failures of one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failing {
    since: Timestamp,
    #[serde(default)]
    warned: bool,
    /// Whether the store knows of it.
    #[serde(skip)]
    kept: bool,
}

/// What a further failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Nothing,
    Keep,
    Warn,
    Disable,
}

impl Failing {
    fn goes_on(&self, now: Timestamp, disable_after: Duration) -> Verdict {
        let lasted = now.since(self.since);
        if disable_after.is_zero() {
            Verdict::Nothing
        } else if lasted >= disable_after {
            Verdict::Disable
        } else if lasted >= disable_after / 2 && !self.warned {
            Verdict::Warn
        } else if lasted >= KEPT_AFTER && !self.kept {
            Verdict::Keep
        } else {
            Verdict::Nothing
        }
    }
}

/// See the module.
pub(crate) struct Watch {
    catalog: Arc<Catalog>,
    disable_after: Duration,
    failing: HashMap<SubscriptionId, Failing>,
}

impl Watch {
    /// Continues where the last run of the program left off.
    pub(crate) async fn load(catalog: Arc<Catalog>, disable_after: Duration) -> Self {
        let mut failing = HashMap::new();
        match catalog.store.documents(Kind::Setting).await {
            Ok(documents) => failing.extend(documents.iter().filter_map(|document| {
                let id = document.id.strip_prefix(NOTE)?.parse().ok()?;
                let known: Failing = serde_json::from_str(&document.body).ok()?;
                Some((id, Failing { kept: true, ..known }))
            })),
            Err(error) => tracing::error!(%error, "which subscriptions were failing is not known"),
        }
        Self { catalog, disable_after, failing }
    }

    /// What is to be announced with the outcome of a delivery: that it is given up.
    pub(crate) fn announces(&self, seen: &Seen) -> Option<OwnEvent> {
        let (error, reason, is_final) = seen.failure.as_ref()?;
        let class = reason.map(|reason| reason.class);
        if !is_final || class == Some(Class::Cancelled) || own_events::is_own(&seen.event_type) || seen.test {
            return None;
        }
        let payload = json!({
            "provider": seen.provider,
            "subscription": self.name(seen),
            "delivery": seen.delivery,
            "eventType": seen.event_type,
            "attempts": seen.attempts,
            "error": error,
            "reason": class.map_or("provider", Class::as_str),
            "status": reason.and_then(|reason| reason.status),
            "failedAt": seen.at,
        });
        Some(OwnEvent { hook: Hook::DeliveryFailed, tenant: seen.tenant.clone(), payload })
    }

    /// Takes note of a recorded outcome.
    pub(crate) async fn note(&mut self, seen: Seen) {
        let Some((error, reason, _)) = &seen.failure else {
            if !seen.test
                && !self.failing.is_empty()
                && let Some(was) = self.failing.remove(&seen.subscription)
            {
                self.recovered(&seen, was).await;
            }
            return;
        };
        // These are not the destination's doing, nor the subscription's.
        let class = reason.map(|reason| reason.class);
        let too_fast = reason.and_then(|reason| reason.status) == Some(429);
        if !seen.test && !too_fast && !matches!(class, Some(Class::Cancelled | Class::Withdrawn | Class::Unavailable)) {
            self.failed(&seen, error).await;
        }
    }

    async fn failed(&mut self, seen: &Seen, error: &str) {
        let known = self.failing.entry(seen.subscription).or_insert(Failing { since: seen.at, warned: false, kept: false });
        let verdict = match known.goes_on(seen.at, self.disable_after) {
            Verdict::Nothing => return,
            // A warning that cannot be delivered would be warned of in turn; the failure of another event may be.
            Verdict::Warn if own_events::is_own(&seen.event_type) && known.kept => return,
            Verdict::Warn if own_events::is_own(&seen.event_type) => Verdict::Keep,
            verdict => verdict,
        };
        known.warned |= verdict == Verdict::Warn;
        known.kept = true;
        let known = *known;
        let payload = json!({
            "provider": seen.provider, "subscription": self.name(seen), "failingSince": known.since, "error": error,
        });
        let event = |hook| OwnEvent { hook, tenant: seen.tenant.clone(), payload };
        match verdict {
            Verdict::Nothing => {}
            Verdict::Keep => self.keep(seen.subscription, Some(&known), None).await,
            Verdict::Warn => self.keep(seen.subscription, Some(&known), Some(event(Hook::SubscriptionFailing))).await,
            Verdict::Disable => {
                let reason = format!("all deliveries have failed since {}; the last: {error}", known.since);
                let event = event(Hook::SubscriptionDisabled);
                if let Err(error) = self.catalog.disable_subscription(seen.subscription, reason, known.since, event).await {
                    tracing::error!(subscription = %seen.subscription, %error, "the subscription could not be disabled");
                }
                self.failing.remove(&seen.subscription);
                self.keep(seen.subscription, None, None).await;
            }
        }
    }

    async fn recovered(&self, seen: &Seen, was: Failing) {
        if was.kept {
            let payload = json!({ "provider": seen.provider, "subscription": self.name(seen), "failingSince": was.since });
            let event = OwnEvent { hook: Hook::SubscriptionRecovered, tenant: seen.tenant.clone(), payload };
            self.keep(seen.subscription, None, was.warned.then_some(event)).await;
        }
    }

    fn name(&self, seen: &Seen) -> serde_json::Value {
        let name = self.catalog.subscription(seen.subscription).map(|known| known.subscription.name.clone());
        json!({ "id": seen.subscription, "name": name.unwrap_or_default() })
    }

    /// Keeps since when a subscription fails, or forgets it, with what is announced of it.
    async fn keep(&self, id: SubscriptionId, failing: Option<&Failing>, event: Option<OwnEvent>) {
        let body = failing.and_then(|failing| serde_json::to_string(failing).ok());
        let change = Change { kind: Kind::Setting, id: format!("{NOTE}{id}"), expect: Expect::Anything, body };
        let events = event.and_then(|event| self.catalog.announcement(event)).into_iter().collect();
        if let Err(error) = self.catalog.store.apply_beside(Beside { changes: vec![change], entries: Vec::new(), events }).await {
            tracing::error!(subscription = %id, %error, "since when it fails could not be noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_at_half_of_the_time_and_the_end_at_the_whole() {
        let at = |hours: u64| Timestamp::default().saturating_add(Duration::from_secs(hours * 3_600));
        let five_days = Duration::from_secs(5 * 24 * 3_600);
        let fresh = Failing { since: at(0), warned: false, kept: false };
        let kept = Failing { kept: true, ..fresh };
        let warned = Failing { warned: true, ..kept };
        let table = [
            (fresh, 0, Verdict::Nothing),
            (fresh, 1, Verdict::Keep),
            (kept, 59, Verdict::Nothing),
            (kept, 60, Verdict::Warn),
            (warned, 119, Verdict::Nothing),
            (warned, 120, Verdict::Disable),
        ];
        for (failing, hours, expected) in table {
            assert_eq!(failing.goes_on(at(hours), five_days), expected, "{failing:?} after {hours} hours");
        }
        assert_eq!(kept.goes_on(at(10_000), Duration::ZERO), Verdict::Nothing, "zero means never");
    }
}
