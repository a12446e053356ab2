//! The operations of the store. Those that write encode on the caller's side and leave the rest to the committer; those
//! that read run on threads that may block.

use super::committer::{self, KEYS_PER_COMMIT, NewStep, Reply, Request, Subject};
use super::ingest::{Encoded, Ingest};
use super::{Embedded, claim};
use crate::codec::EventHeader;
use crate::entity::EntityHash;
use crate::failure::Failure;
use crate::key::{self, ends};
use crate::kv::{Direction, Kv, Op};
use crate::list::{self, Scan};
use crate::record::{self, Head};
use crate::stats::{self, Stats, Tally};
use crate::{
    AuditEntry, AuditFilter, Backlog, Beside, BesideRuns, Cancelled, Claim, ClaimId, DeliveryFilter, Document, Error,
    EventFilter, Expiry, FailureFilter, Failures, FinalDeliveries, Finish, Ingested, Kind, MOST_REOPENED, NewEvent, Page,
    PageRequest, Purged, PurgedExpired, Retention, StatsFilter, Store, audit, codec, external, failure, idempotency, outcome,
    purge, read,
};
use async_trait::async_trait;
use postern_core::delivery::{Reason, State, Status, Step};
use postern_core::{Delivery, DeliveryId, Event, EventId, SubscriptionId, Timestamp};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::oneshot;

/// What the caller hears when the committer ended without an answer, and nobody said why.
const NO_ANSWER: &str = "the committer ended without an answer";

impl Embedded {
    /// Hands a request to the committer and waits for the answer.
    async fn submit<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Error> {
        self.check_usable()?;
        let sender = self.requests.lock().clone().ok_or(Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        let no_answer = || self.shared.failure().unwrap_or_else(|| Error::Failed(NO_ANSWER.into()));
        sender.send(request(reply)).await.map_err(|_| no_answer())?;
        drop(sender);
        // The committer drops a reply while it unwinds, just before it says why.
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(tokio::time::timeout(std::time::Duration::from_secs(1), self.shared.failed())
                .await
                .map_or_else(|_| no_answer(), Error::Failed)),
        }
    }

    fn check_usable(&self) -> Result<(), Error> {
        if self.requests.lock().is_none() {
            return Err(Error::Closed);
        }
        self.shared.failure().map_or(Ok(()), Err)
    }

    /// Reads on a thread that may block.
    async fn read<T: Send + 'static>(&self, read: impl FnOnce(&dyn Kv) -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
        let shared = self.shared.clone();
        blocking(move || shared.read(read)).await
    }

    /// Removes up to about `budget` keys, a commit's worth at a time, that `find` finds; it answers with how many
    /// objects they are as well. The answer is how many objects are gone, and whether some may be left.
    async fn remove(
        &self,
        budget: usize,
        find: impl Fn(&dyn Kv, usize) -> Result<(usize, Vec<Vec<u8>>), Error> + Clone + Send + 'static,
    ) -> Result<(usize, bool), Error> {
        let (mut objects, mut removed) = (0, 0);
        while removed < budget {
            let (find, limit) = (find.clone(), KEYS_PER_COMMIT.min(budget - removed));
            let (found, keys) = self.read(move |kv| find(kv, limit)).await?;
            let ended = keys.len() < limit;
            removed += keys.len();
            if !keys.is_empty() {
                self.submit(|reply| Request::Purge { keys, holds: Vec::new(), reply }).await?;
                objects += found;
            }
            if ended {
                return Ok((objects, false));
            }
        }
        Ok((objects, true))
    }

    /// Removes the external ids of entities that were not used since, a commit's worth at a time.
    async fn forget_entities(&self, before: Timestamp) -> Result<(), Error> {
        loop {
            let sweep = self.sweep.lock().clone();
            let swept = self.read(move |kv| Ok(external::sweep(kv, sweep, before, KEYS_PER_COMMIT)?)).await?;
            let keys = swept.keys;
            if !keys.is_empty() {
                self.submit(|reply| Request::Forget { keys, before, reply }).await?;
            }
            *self.sweep.lock() = swept.sweep;
            if swept.done {
                return Ok(());
            }
        }
    }

    /// Reads a listing group by group until its page is done or nobody waits for it any more.
    async fn list<T: Send + 'static>(
        &self,
        mut scan: Scan<T>,
        group: impl Fn(&dyn Kv, &mut Scan<T>) -> Result<(), Error> + Send + 'static,
    ) -> Result<Page<T>, Error> {
        let _turn = self.listings.acquire().await.map_err(|_| Error::Closed)?;
        let (shared, interest) = (self.shared.clone(), Interest::default());
        let wanted = interest.0.clone();
        blocking(move || {
            while !scan.is_done() && !wanted.load(Ordering::Relaxed) {
                shared.read(|kv| group(kv, &mut scan))?;
            }
            Ok(scan.into_page())
        })
        .await
    }
}

/// Works on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Error::Failed(format!("a read ended early: {error}"))))
}

/// Turns true when its owner is dropped.
#[derive(Default)]
struct Interest(Arc<AtomicBool>);

impl Drop for Interest {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The deliveries of these ids, with what never changes about them; those that do not exist are left out.
fn subjects(kv: &dyn Kv, ids: &[DeliveryId]) -> Result<Vec<Subject>, Error> {
    let mut headers: HashMap<EventId, Option<EventHeader>> = HashMap::new();
    let mut subjects = Vec::with_capacity(ids.len());
    for id in ids {
        let header = match headers.entry(id.event) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(read::event_header(kv, id.event)?),
        };
        let Some(EventHeader { event_type, tenant, routes, .. }) = header else { continue };
        let Some(route) = routes.get(usize::from(id.index)) else { continue };
        let (route, event_type, tenant) = (route.clone(), event_type.clone(), tenant.clone());
        let deliveries = u32::try_from(routes.len()).unwrap_or(u32::MAX);
        subjects.push(Subject { id: *id, route, event_type, tenant, deliveries });
    }
    Ok(subjects)
}

/// The rows of the index of failures for these deliveries.
fn failure_rows(kv: &dyn Kv, failed: Vec<(DeliveryId, Option<Reason>, Timestamp)>) -> Result<HashMap<DeliveryId, Op>, Error> {
    let mut rows = HashMap::with_capacity(failed.len());
    for (id, reason, at) in failed {
        match subjects(kv, &[id]) {
            Ok(found) => {
                for Subject { route, event_type, tenant, .. } in found {
                    rows.insert(id, Failure::new(tenant, event_type, &route, reason, at).op(id)?);
                }
            }
            Err(Error::Damaged(reason)) => tracing::error!(delivery = %id, %reason, "a failure cannot be indexed"),
            Err(error) => return Err(error),
        }
    }
    Ok(rows)
}

#[async_trait]
impl Store for Embedded {
    async fn ingest(&self, event: NewEvent) -> Result<Ingested, Error> {
        let ingest = Ingest::of(event)?;
        self.submit(|reply| Request::Ingest { ingest, reply }).await
    }

    fn ready(&self, now: Timestamp) -> Vec<SubscriptionId> {
        self.shared.queue.lock().ready(now)
    }

    async fn claim(&self, now: Timestamp, wanted: Vec<(SubscriptionId, usize)>) -> Result<Vec<Claim>, Error> {
        self.check_usable()?;
        self.claim_due(now, wanted).await
    }

    async fn finish_beside(&self, steps: &[Finish], events: Vec<NewEvent>) -> Result<(), Error> {
        let events = Ingest::announced(events);
        let failed: Vec<_> = steps
            .iter()
            .filter_map(|Finish { id, step, .. }| match step.state {
                State::Failed { reason, .. } => Some((*id, reason, step.at)),
                _ => None,
            })
            .collect();
        let mut rows = match failed.is_empty() {
            true => HashMap::new(),
            false => self.read(move |kv| failure_rows(kv, failed)).await?,
        };
        let mut encoded = Vec::with_capacity(steps.len());
        for &Finish { claim, id, ref route, ref step, hold } in steps {
            let record = codec::step_record(step)?;
            let entity = EntityHash::of_route(route).map(|entity| (route.subscription, entity));
            let failure = rows.remove(&id);
            encoded.push(NewStep { claim, id, entity, state: step.state.clone(), at: step.at, record, failure, hold });
        }
        self.submit(|reply| Request::Finish { steps: encoded, events, reply }).await
    }

    async fn release(&self, claims: Vec<ClaimId>) -> Result<(), Error> {
        self.check_usable()?;
        claim::release(&self.shared, claims.into_iter());
        Ok(())
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.shared.queue.lock().next_due()
    }

    async fn due_changed(&self) {
        self.shared.changed.notified().await;
    }

    fn backlog(&self) -> Backlog {
        self.shared.queue.lock().backlog()
    }

    fn waits_for(&self, subscription: SubscriptionId, entity: &str, delivery: DeliveryId) -> Option<DeliveryId> {
        let lot = committer::lot(delivery, subscription, Some(EntityHash::of(entity)));
        self.shared.queue.lock().waits_for(lot)
    }

    async fn reopen_beside(
        &self,
        deliveries: Vec<DeliveryId>,
        at: Timestamp,
        unless_since: Option<Timestamp>,
        beside: BesideRuns,
    ) -> Result<Vec<DeliveryId>, Error> {
        if deliveries.len() > MOST_REOPENED {
            return Err(Error::TooLarge(format!("{} deliveries at once; {MOST_REOPENED} are possible", deliveries.len())));
        }
        let ids: Vec<_> = deliveries.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let _no_purge = self.history.lock().await;
        let subjects = self.read(move |kv| subjects(kv, &ids)).await?;
        self.submit(|reply| Request::Reopen { subjects, at, unless_since, beside, reply }).await
    }

    async fn cancel_audited(
        &self,
        delivery: DeliveryId,
        at: Timestamp,
        error: String,
        entries: Vec<AuditEntry>,
    ) -> Result<Cancelled, Error> {
        let entries = entries.iter().map(audit::encode).collect::<Result<_, _>>()?;
        let _no_purge = self.history.lock().await;
        match self.read(move |kv| subjects(kv, &[delivery])).await?.pop() {
            Some(subject) => self.submit(|reply| Request::Cancel { subject, at, error, entries, reply }).await,
            None => Ok(Cancelled::Unknown),
        }
    }

    async fn release_holds(&self, subscription: SubscriptionId) -> Result<usize, Error> {
        let (mut released, limit) = (0, KEYS_PER_COMMIT);
        loop {
            let some = self.submit(|reply| Request::ReleaseHolds { subscription, limit, reply }).await?;
            released += some;
            if some < limit {
                return Ok(released);
            }
        }
    }

    async fn failures(&self, filter: FailureFilter) -> Result<Failures, Error> {
        let _turn = self.listings.acquire().await.map_err(|_| Error::Closed)?;
        let (shared, interest) = (self.shared.clone(), Interest::default());
        let wanted = interest.0.clone();
        blocking(move || {
            let mut count = failure::Count::new(filter, failure::BOUND, failure::GROUPS);
            while !count.is_done() && !wanted.load(Ordering::Relaxed) {
                shared.read(|kv| count.read(kv))?;
            }
            Ok(count.into_failures())
        })
        .await
    }

    async fn final_deliveries(
        &self,
        filter: FailureFilter,
        status: Status,
        changed_before: Timestamp,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<FinalDeliveries, Error> {
        let _turn = self.listings.acquire().await.map_err(|_| Error::Closed)?;
        let (shared, interest) = (self.shared.clone(), Interest::default());
        let wanted = interest.0.clone();
        blocking(move || {
            let mut search = outcome::Search::new(filter, status, changed_before, after, limit);
            while !search.is_done() && !wanted.load(Ordering::Relaxed) {
                shared.read(|kv| search.read(kv))?;
            }
            Ok(search.into_found())
        })
        .await
    }

    async fn event(&self, id: EventId) -> Result<Option<(Arc<Event>, Vec<Delivery>)>, Error> {
        self.read(move |kv| {
            let Some((event, routes)) = read::event(kv, id)? else { return Ok(None) };
            let last = read::last_steps(kv, id, id)?;
            let Event { event_type, tenant, timestamp, .. } = event.clone();
            let header = codec::EventHeader { event_type, tenant, timestamp, routes };
            Ok(Some((Arc::new(event), read::deliveries(id, &header, &last)?)))
        })
        .await
    }

    async fn list_events(&self, filter: EventFilter, page: PageRequest) -> Result<Page<(Arc<Event>, Vec<Delivery>)>, Error> {
        let scan = list::begin_events(&filter, &page)?;
        self.list(scan, move |kv, scan| list::read_events(kv, &filter, scan)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<(Delivery, Vec<Step>)>, Error> {
        self.read(move |kv| {
            let Some(header) = read::event_header(kv, id.event)? else { return Ok(None) };
            let last = read::last_steps_of(kv, id)?;
            let Some(delivery) = read::delivery(id, &header, &last)? else { return Ok(None) };
            Ok(Some((delivery, read::history(kv, id)?)))
        })
        .await
    }

    async fn list_deliveries(&self, filter: DeliveryFilter, page: PageRequest) -> Result<Page<Delivery>, Error> {
        let scan = list::begin_deliveries(&filter, &page)?;
        self.list(scan, move |kv, scan| list::read_deliveries(kv, &filter, scan)).await
    }

    async fn purge(&self, retention: Retention, budget: usize) -> Result<Purged, Error> {
        let mut marks = self.marks.lock().await;
        let mut purged = Purged::default();
        let mut removed = 0;
        while removed < budget {
            let history = self.history.lock().await;
            if let Some(least) = self.shared.least_ingested.lock().take() {
                marks.note_ingested(least);
            }
            let (from, limit) = (marks.clone(), KEYS_PER_COMMIT.min(budget - removed));
            let shared = self.shared.clone();
            let unmarked = move |id| shared.queue.lock().unmarked.may_be_unfinished(id);
            let plan = self.read(move |kv| Ok(purge::plan(kv, from, retention, limit, &unmarked)?)).await?;
            if !plan.keys.is_empty() {
                removed += plan.keys.len();
                let (keys, holds) = (plan.keys, plan.holds);
                self.submit(|reply| Request::Purge { keys, holds, reply }).await?;
            }
            purged.events += plan.events;
            purged.deliveries += plan.deliveries;
            *marks = plan.marks;
            if plan.done {
                drop(history);
                self.forget_entities(retention.failed_before).await?;
                // Their events are gone, or keep no key: only those that no `purge_expired` removed in time are left.
                let expired = retention.before.max(retention.failed_before);
                let keys = self.remove(budget.saturating_sub(removed), move |kv, limit| {
                    let keys = idempotency::expired(kv, expired, limit)?;
                    Ok((keys.len(), keys))
                });
                let (_, more) = keys.await?;
                return Ok(Purged { more, ..purged });
            }
        }
        Ok(Purged { more: true, ..purged })
    }

    async fn purge_expired(&self, expiry: Expiry, budget: usize) -> Result<PurgedExpired, Error> {
        let _alone = self.marks.lock().await;
        let keys = self.remove(budget, move |kv, limit| {
            let keys = idempotency::expired(kv, expiry.now, limit)?;
            Ok((keys.len(), keys))
        });
        let (idempotency_keys, more_keys) = keys.await?;
        let entries = self.remove(budget.saturating_sub(idempotency_keys), move |kv, limit| {
            let (keys, entries) = audit::expired(kv, expiry.audit_before, limit)?;
            Ok((entries, keys))
        });
        let (audit_entries, more_entries) = entries.await?;
        Ok(PurgedExpired { idempotency_keys, audit_entries, more: more_keys || more_entries })
    }

    async fn stats(&self, filter: StatsFilter) -> Result<Stats, Error> {
        let _turn = self.listings.acquire().await.map_err(|_| Error::Closed)?;
        let (shared, interest) = (self.shared.clone(), Interest::default());
        let wanted = interest.0.clone();
        blocking(move || {
            let mut tally = Tally::new(filter, stats::BOUND);
            while !tally.is_done() && !wanted.load(Ordering::Relaxed) {
                shared.read(|kv| tally.read(kv))?;
            }
            Ok(tally.stats)
        })
        .await
    }

    async fn documents(&self, kind: Kind) -> Result<Vec<Document>, Error> {
        self.read(move |kv| {
            let mut heads: Vec<(Vec<u8>, Result<Head, record::Damage>)> = Vec::new();
            kv.scan(ends(&key::documents(kind)), Direction::Forward, &mut |key, value| {
                // The rows of a document follow its first one, and no other document's key begins like that one's.
                if !heads.last().is_some_and(|(first, _)| key.starts_with(first)) {
                    heads.push((key.to_vec(), Head::parse(key, value)));
                }
                ControlFlow::Continue(())
            })?;
            heads.into_iter().map(|(first, head)| Ok(codec::document(&record::complete(kv, &first, head?)?)?)).collect()
        })
        .await
    }

    async fn document(&self, kind: Kind, id: &str) -> Result<Option<Document>, Error> {
        let first = key::document(kind, id);
        self.read(move |kv| Ok(record::read(kv, &first)?.map(|whole| codec::document(&whole)).transpose()?)).await
    }

    async fn apply_beside(&self, beside: Beside) -> Result<Vec<u64>, Error> {
        let beside = Encoded::of(beside)?;
        self.submit(|reply| Request::Apply { beside, reply }).await
    }

    async fn list_audit(&self, filter: AuditFilter, page: PageRequest) -> Result<Page<AuditEntry>, Error> {
        let mut scan = audit::Scan::new(filter, &page)?;
        let _turn = self.listings.acquire().await.map_err(|_| Error::Closed)?;
        let (shared, interest) = (self.shared.clone(), Interest::default());
        let wanted = interest.0.clone();
        blocking(move || {
            while !scan.is_done() && !wanted.load(Ordering::Relaxed) {
                shared.read(|kv| scan.read(kv))?;
            }
            Ok(scan.into_page())
        })
        .await
    }

    async fn broken(&self) -> String {
        self.shared.failed().await
    }

    async fn close(&self) {
        drop(self.requests.lock().take());
        let mut committer = self.committer.lock().await;
        let Some(thread) = committer.take() else { return };
        let shared = self.shared.clone();
        let closed = blocking(move || {
            // A thread that panicked has said so in the failure already.
            thread.join().ok();
            shared.close();
            Ok(())
        });
        if let Err(error) = closed.await {
            tracing::error!(%error, "the store was not closed in order");
        }
    }
}
