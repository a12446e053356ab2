//! The operations of the store. Those that write encode on the caller's side and leave the rest to the committer; those
//! that read run on threads that may block.

use super::Embedded;
use super::committer::{KEYS_PER_COMMIT, NewStep, Reply, Request};
use super::shared::Shared;
use crate::cache::Routed;
use crate::due::Held;
use crate::key::{self, ends};
use crate::kv::{Direction, Kv};
use crate::list::{self, Scan};
use crate::record::{self, Head};
use crate::stats::{self, Stats, Tally};
use crate::{
    AuditEntry, AuditFilter, Change, Claim, ClaimId, DeliveryFilter, Document, Error, EventFilter, Expiry, Finish, Ingested,
    Kind, NewEvent, Page, PageRequest, Purged, PurgedExpired, Retention, StatsFilter, Store, audit, codec, idempotency, purge,
    read,
};
use async_trait::async_trait;
use postern_core::delivery::{State, Step};
use postern_core::{Delivery, DeliveryId, Event, EventId, Timestamp};
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
                self.submit(|reply| Request::Purge { keys, reply }).await?;
                objects += found;
            }
            if ended {
                return Ok((objects, false));
            }
        }
        Ok((objects, true))
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

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
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

/// Claims that nobody has got yet: they go back if whoever asked for them goes away.
struct Undelivered<'a> {
    shared: &'a Shared,
    claims: Vec<(ClaimId, Held)>,
}

impl Drop for Undelivered<'_> {
    fn drop(&mut self) {
        if !self.claims.is_empty() {
            release(self.shared, self.claims.iter().map(|(claim, _)| *claim));
        }
    }
}

fn release(shared: &Shared, claims: impl Iterator<Item = ClaimId>) {
    let mut released = false;
    let mut queue = shared.queue.lock();
    for claim in claims {
        released |= queue.release(claim);
    }
    drop(queue);
    if released {
        shared.changed.notify_one();
    }
}

fn claim_of(claim: ClaimId, held: Held, routed: &Routed, state: State) -> Option<Claim> {
    let route = routed.routes.get(usize::from(held.id.index))?.clone();
    Some(Claim { claim, id: held.id, event: routed.event.clone(), route, attempts: held.attempts, state })
}

#[async_trait]
impl Store for Embedded {
    async fn ingest(&self, event: NewEvent) -> Result<Ingested, Error> {
        if event.routes.len() > usize::from(u16::MAX) {
            return Err(Error::TooLarge(format!("an event for {} subscriptions; {} are possible", event.routes.len(), u16::MAX)));
        }
        event.idempotency.as_ref().map_or(Ok(()), idempotency::check)?;
        let record = codec::event_record(&event)?;
        self.submit(|reply| Request::Ingest { new: event, record, reply }).await
    }

    async fn claim(&self, now: Timestamp, max: usize) -> Result<Vec<Claim>, Error> {
        self.check_usable()?;
        let claims = self.shared.queue.lock().claim(now, max);
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let mut undelivered = Undelivered { shared: &self.shared, claims };
        let cached: Vec<_> = {
            let mut cache = self.shared.cache.lock();
            let take = |held: &Held| if held.due.is_none() { cache.take(held.id.event) } else { None };
            let mut take = take;
            undelivered.claims.iter().map(|(_, held)| take(held)).collect()
        };
        let absent: Vec<_> = undelivered
            .claims
            .iter()
            .zip(&cached)
            .filter(|((_, held), cached)| cached.is_none() || held.steps > 0)
            .map(|((_, held), cached)| (*held, cached.clone()))
            .collect();
        let mut loaded = match absent.is_empty() {
            true => Vec::new(),
            false => {
                let shared = self.shared.clone();
                blocking(move || shared.load(&absent)).await?
            }
        }
        .into_iter();
        let mut answer = Vec::with_capacity(cached.len());
        for ((claim, held), cached) in std::mem::take(&mut undelivered.claims).into_iter().zip(cached) {
            let whole = match cached {
                Some(routed) if held.steps == 0 => Ok((routed, State::Pending)),
                _ => loaded.next().unwrap_or_else(|| Err(Error::Damaged("it was not read".into()))),
            };
            let no_route = || Error::Damaged("the event has no route for it".into());
            match whole.and_then(|(routed, state)| claim_of(claim, held, &routed, state).ok_or_else(no_route)) {
                Ok(claim) => answer.push(claim),
                // It stays claimed, and so out of the way of the others, until the next opening.
                Err(error) => {
                    self.shared.counters.damaged.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(delivery = %held.id, %error, "a delivery cannot be attempted");
                }
            }
        }
        Ok(answer)
    }

    async fn finish(&self, steps: Vec<Finish>) -> Result<(), Error> {
        let mut encoded = Vec::with_capacity(steps.len());
        for Finish { claim, id, step } in steps {
            let record = codec::step_record(&step)?;
            encoded.push(NewStep { claim, id, state: step.state, attempts: step.attempts, at: step.at, record });
        }
        self.submit(|reply| Request::Finish { steps: encoded, reply }).await
    }

    async fn release(&self, claims: Vec<ClaimId>) -> Result<(), Error> {
        self.check_usable()?;
        release(&self.shared, claims.into_iter());
        Ok(())
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.shared.queue.lock().next_due()
    }

    async fn due_changed(&self) {
        self.shared.changed.notified().await;
    }

    fn unfinished(&self) -> usize {
        self.shared.queue.lock().unfinished()
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
            if let Some(least) = self.shared.least_ingested.lock().take() {
                marks.note_ingested(least);
            }
            let (from, limit) = (marks.clone(), KEYS_PER_COMMIT.min(budget - removed));
            let plan = self.read(move |kv| Ok(purge::plan(kv, from, retention, limit)?)).await?;
            if !plan.keys.is_empty() {
                removed += plan.keys.len();
                let keys = plan.keys;
                self.submit(|reply| Request::Purge { keys, reply }).await?;
            }
            purged.events += plan.events;
            purged.deliveries += plan.deliveries;
            *marks = plan.marks;
            if plan.done {
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

    async fn apply_audited(&self, changes: Vec<Change>, entries: Vec<AuditEntry>) -> Result<Vec<u64>, Error> {
        let entries = entries.iter().map(audit::encode).collect::<Result<_, _>>()?;
        self.submit(|reply| Request::Apply { changes, entries, reply }).await
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
