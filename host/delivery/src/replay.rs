//! Replays: final deliveries that a filter names are attempted again, paced, each as a new run.
//!
//! A replay is a note in the store that says how far it came. It begins again where it stopped, also after a crash: what
//! changed since it was ordered is left alone, so nothing is replayed twice.

use crate::{Catalog, Error, audit};
use postern_core::delivery::{Class, Status};
use postern_core::{DeliveryId, EventTypeId, ProviderId, SubscriptionId, TenantId, Timestamp};
use postern_events::Violation;
use postern_store::{Beside, Change, Expect, FailureFilter, Kind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The ids of the store's notes begin with it.
const NOTE: &str = "replay:";
/// So many that have ended are remembered.
const REMEMBERED: usize = 100;
/// How often each replay makes a step.
const STEP: Duration = Duration::from_millis(200);
/// The fastest: so many deliveries a second.
const FASTEST: u32 = 5_000;

/// Which deliveries are attempted again, and how fast.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayInput {
    /// `failed`, the default, or `success`: everything again that a receiver lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Of this tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// Of this subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<SubscriptionId>,
    /// Of this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderId>,
    /// Of this event type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventTypeId>,
    /// About this entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// That failed for this reason. Default: any but `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Class>,
    /// Whose last answer had this HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Whose event was accepted at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Whose event was accepted before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How many a second, 1 to 5000. Default: 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
}

impl ReplayInput {
    fn filter(&self) -> FailureFilter {
        FailureFilter {
            tenant: self.tenant.clone(),
            subscription: self.subscription,
            provider: self.provider.clone(),
            event_type: self.event_type.clone(),
            entity: self.entity.clone(),
            class: self.reason,
            // What somebody gave up on purpose is replayed only if it is asked for.
            without: if self.reason.is_none() { Some(Class::Cancelled) } else { None },
            http_status: self.http_status,
            since: self.since,
            until: self.until,
        }
    }

    fn status(&self) -> Status {
        self.status.unwrap_or(Status::Failed)
    }

    fn check(&self) -> Result<(), Error> {
        let mut violations = Vec::new();
        if !matches!(self.status(), Status::Failed | Status::Success) {
            violations.push(Violation::new("/status", "only `failed` and `success` can be replayed; the others are still tried"));
        }
        if self.status() == Status::Success && (self.reason.is_some() || self.http_status.is_some()) {
            violations.push(Violation::new("/status", "what succeeded has no reason or httpStatus to choose by"));
        }
        if self.per_second.is_some_and(|rate| !(1..=FASTEST).contains(&rate)) {
            violations.push(Violation::new("/perSecond", format!("a number from 1 to {FASTEST} is needed")));
        }
        if violations.is_empty() { Ok(()) } else { Err(Error::invalid("nothing is replayed", violations)) }
    }
}

/// How far a replay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReplayState {
    /// It goes on.
    Running,
    /// Everything that the filter named was begun again.
    Done,
    /// Somebody stopped it.
    Stopped,
}

/// A replay.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// Its id.
    pub id: String,
    /// What was ordered.
    pub order: ReplayInput,
    /// How far it is.
    pub state: ReplayState,
    /// How many failed deliveries the filter named when it was ordered; none if they were not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<usize>,
    /// How many were begun again.
    pub replayed: usize,
    /// When it was ordered. What changes later is left alone.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How far it looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub after: Option<DeliveryId>,
}

impl Replay {
    /// How it stands after a step that began so many and looked up to `after`; none: there is nothing more to look at.
    fn advanced(&self, begun: usize, after: Option<DeliveryId>, now: Timestamp) -> Self {
        let replay = Self { replayed: self.replayed + begun, after: after.or(self.after), ..self.clone() };
        match after {
            Some(_) => replay,
            None => Self { state: ReplayState::Done, ended_at: Some(now), ..replay },
        }
    }

    /// What the store remembers of it.
    fn note(&self) -> Change {
        let body = serde_json::json!(self).to_string();
        Change { kind: Kind::Setting, id: format!("{NOTE}{}", self.id), expect: Expect::Anything, body: Some(body) }
    }
}

impl Catalog {
    pub(crate) async fn load_replays(&self) -> Result<(), Error> {
        let mut replays = BTreeMap::new();
        for document in self.store.documents(Kind::Setting).await? {
            if document.id.starts_with(NOTE) {
                let replay: Replay = serde_json::from_str(&document.body)
                    .map_err(|error| Error::Internal(format!("`{}` in the store is not understood: {error}", document.id)))?;
                replays.insert(replay.id.clone(), replay);
            }
        }
        *self.replays.lock() = replays;
        Ok(())
    }

    /// Orders a replay. It goes on by itself.
    ///
    /// # Errors
    /// The order does not fit.
    pub async fn replay(&self, order: ReplayInput) -> Result<Replay, Error> {
        order.check()?;
        if let Some(id) = order.subscription {
            self.can_deliver(id)?;
        }
        let total = match order.status() {
            Status::Failed => {
                let failures = self.store.failures(order.filter()).await?;
                (!failures.cut).then(|| failures.groups.iter().map(|group| group.count).sum())
            }
            _ => None,
        };
        let id = postern_core::EventId::generate().to_string();
        let started_at = self.clock.now();
        let state = ReplayState::Running;
        let replay = Replay { id, order, state, total, replayed: 0, started_at, ended_at: None, after: None };
        self.note_replay(&replay, "replay.start").await?;
        self.forget_old_replays().await?;
        self.replay_ordered.notify_one();
        Ok(replay)
    }

    /// Every replay that is remembered, newest first.
    pub fn replays(&self) -> Vec<Replay> {
        self.replays.lock().values().rev().cloned().collect()
    }

    /// One replay.
    ///
    /// # Errors
    /// There is none of this id.
    pub fn replay_of(&self, id: &str) -> Result<Replay, Error> {
        self.replays.lock().get(id).cloned().ok_or_else(|| Error::not_found("replay", id))
    }

    /// Stops a replay. What was begun again goes on.
    ///
    /// # Errors
    /// There is none of this id.
    pub async fn stop_replay(&self, id: &str) -> Result<Replay, Error> {
        let _changing = self.replaying.lock().await;
        let replay = self.replay_of(id)?;
        if replay.state != ReplayState::Running {
            return Ok(replay);
        }
        let stopped = Replay { state: ReplayState::Stopped, ended_at: Some(self.clock.now()), ..replay };
        self.note_replay(&stopped, "replay.stop").await?;
        Ok(stopped)
    }

    /// Keeps a replay that somebody ordered or stopped, with the record of it.
    async fn note_replay(&self, replay: &Replay, action: &str) -> Result<(), Error> {
        let entry = audit::entry(self.clock.now(), action, replay.id.clone(), replay.order.tenant.clone());
        self.store.apply_audited(vec![replay.note()], vec![entry]).await?;
        self.replays.lock().insert(replay.id.clone(), replay.clone());
        Ok(())
    }

    async fn forget_old_replays(&self) -> Result<(), Error> {
        let old: Vec<String> = {
            let replays = self.replays.lock();
            let ended = replays.values().rev().filter(|replay| replay.state != ReplayState::Running);
            ended.skip(REMEMBERED).map(|replay| replay.id.clone()).collect()
        };
        let gone = |id: &String| Change { kind: Kind::Setting, id: format!("{NOTE}{id}"), expect: Expect::Anything, body: None };
        if !old.is_empty() {
            self.store.apply(old.iter().map(gone).collect()).await?;
            old.iter().for_each(|id| drop(self.replays.lock().remove(id)));
        }
        Ok(())
    }

    /// One step of a replay: as many as its pace allows in this time. Answers with how it stands now.
    async fn replay_step(&self, id: &str) -> Result<Replay, Error> {
        let _alone = self.replaying.lock().await;
        let replay = self.replay_of(id)?;
        if replay.state != ReplayState::Running {
            return Ok(replay);
        }
        let rate = u64::from(replay.order.per_second.unwrap_or(50));
        // Slow ones make a step only when a whole delivery is due: the pace is kept over the whole time.
        let elapsed = self.clock.now().since(replay.started_at);
        let due = (elapsed.as_millis() as u64 * rate / 1_000)
            .saturating_sub(replay.replayed as u64)
            .max(u64::from(replay.replayed == 0));
        let most = usize::try_from(due.min(rate.div_ceil(5).max(1))).unwrap_or(usize::MAX).min(1_000);
        if most == 0 {
            return Ok(replay);
        }
        let order = &replay.order;
        let found = self.store.final_deliveries(order.filter(), order.status(), replay.started_at, replay.after, most).await?;
        let (before, after, now) = (replay, found.after, self.clock.now());
        let beside = {
            let before = before.clone();
            move |begun: &[DeliveryId]| Beside {
                changes: vec![before.advanced(begun.len(), after, now).note()],
                ..Beside::default()
            }
        };
        let begun = self.store.reopen_beside(found.deliveries, now, Some(before.started_at), Box::new(beside)).await?;
        let replay = before.advanced(begun.len(), after, now);
        if replay.state == ReplayState::Done {
            tracing::info!(replay = %replay.id, replayed = replay.replayed, "the replay is done");
        }
        self.replays.lock().insert(replay.id.clone(), replay.clone());
        Ok(replay)
    }
}

/// Makes the steps of all replays until `stop`.
pub(crate) async fn run(catalog: Arc<Catalog>, stop: CancellationToken) {
    loop {
        let running: Vec<String> = {
            let replays = catalog.replays.lock();
            replays.values().filter(|replay| replay.state == ReplayState::Running).map(|replay| replay.id.clone()).collect()
        };
        let idle = running.is_empty();
        for id in running {
            if let Err(error) = catalog.replay_step(&id).await {
                tracing::error!(replay = %id, %error, "a step of a replay failed; it is tried again");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = catalog.replay_ordered.notified() => {}
            () = tokio::time::sleep(STEP), if !idle => {}
        }
    }
}
