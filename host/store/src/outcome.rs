//! Final deliveries that a filter names, oldest event first, for those that are to be begun again.
//!
//! Failed ones are found in their index. Of those that succeeded there is none, so every event of the time is read.

use crate::failure::{self, Wanted};
use crate::key::{self, ends};
use crate::kv::{Direction, Kv};
use crate::read::{self, EventHead};
use crate::{Error, FailureFilter, FinalDeliveries, list};
use postern_core::delivery::Status;
use postern_core::{DeliveryId, EventId, Timestamp};
use std::ops::ControlFlow;

/// How many rows of the index, or events, are read in one hold of the engine.
const ROWS: usize = 1024;
const EVENTS: usize = 64;

/// A search ends after so many groups, with what it found until then: whoever asked may go on or stop.
const GROUPS: usize = 64;

/// A search that goes on.
pub(crate) struct Search {
    wanted: Wanted,
    status: Status,
    changed_before: Timestamp,
    after: Option<DeliveryId>,
    limit: usize,
    /// The newest and the oldest event that are left.
    rest: Option<(EventId, EventId)>,
    groups: usize,
    found: Vec<DeliveryId>,
    /// Whether nothing is left to look at.
    ended: bool,
}

impl Search {
    pub(crate) fn new(
        filter: FailureFilter,
        status: Status,
        changed_before: Timestamp,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Self {
        let possible = match status {
            Status::Failed => true,
            Status::Success => filter.class.is_none() && filter.http_status.is_none(),
            Status::Pending | Status::Retrying => false,
        };
        let rest = key::accepted(filter.since, filter.until).filter(|_| possible).and_then(|(newest, oldest)| {
            let oldest = after.map_or(oldest, |after| oldest.max(after.event));
            (newest >= oldest).then_some((newest, oldest))
        });
        let (wanted, limit) = (Wanted::from(filter), limit.max(1));
        Self { wanted, status, changed_before, after, limit, rest, groups: 0, found: Vec::new(), ended: rest.is_none() }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.ended || self.found.len() >= self.limit || self.groups >= GROUPS
    }

    /// Looks at one group.
    pub(crate) fn read(&mut self, kv: &dyn Kv) -> Result<(), Error> {
        let Some((newest, oldest)) = self.rest else { return Ok(()) };
        self.groups += 1;
        match self.status {
            Status::Failed => self.failed(kv, newest, oldest),
            _ => self.succeeded(kv, newest, oldest),
        }
    }

    /// What was found, and how far it looked.
    pub(crate) fn into_found(self) -> FinalDeliveries {
        let after = if self.ended { None } else { self.after };
        FinalDeliveries { deliveries: self.found, after }
    }

    fn failed(&mut self, kv: &dyn Kv, newest: EventId, oldest: EventId) -> Result<(), Error> {
        let mut range = key::failures(newest, oldest);
        if let Some(after) = self.after {
            range.end = range.end.min(key::failure(after));
        }
        let mut rows = 0;
        kv.scan(ends(&range), Direction::Backward, &mut |key, value| {
            rows += 1;
            let Some(id) = key::parse_failure(key) else { return ControlFlow::Continue(()) };
            self.after = Some(id);
            match failure::parse(key, value) {
                Ok(failure) if failure.at < self.changed_before && self.wanted.names(&failure) => self.found.push(id),
                Ok(_) => {}
                Err(damage) => failure::report(id, &damage),
            }
            if rows == ROWS || self.found.len() == self.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        self.ended = rows < ROWS && self.found.len() < self.limit;
        Ok(())
    }

    fn succeeded(&mut self, kv: &dyn Kv, newest: EventId, oldest: EventId) -> Result<(), Error> {
        let heads = read::event_heads(kv, newest, oldest, EVENTS, Direction::Backward)?;
        let (Some((first, _)), Some((last, _))) = (heads.first(), heads.last()) else {
            self.ended = true;
            return Ok(());
        };
        let steps = read::last_steps(kv, *last, *first)?;
        let next = key::following(*last).filter(|next| heads.len() == EVENTS && *next <= newest);
        for (id, head) in heads {
            match head {
                Ok(head) => self.take(&head, &steps),
                Err(damage) => list::report(id, &damage),
            }
            if self.found.len() >= self.limit {
                self.found.truncate(self.limit);
                self.after = self.found.last().copied();
                return Ok(());
            }
            self.after = Some(DeliveryId { event: id, index: u16::MAX });
        }
        self.rest = next.map(|next| (newest, next));
        self.ended = self.rest.is_none();
        Ok(())
    }

    /// Takes the deliveries of an event that are wanted and not before the place where the last search ended.
    fn take(&mut self, head: &EventHead, steps: &read::LastSteps) {
        for (index, route) in (0..=u16::MAX).zip(&head.header.routes) {
            let id = DeliveryId { event: head.id, index };
            let Some((_, Ok(step))) = steps.get(&id).filter(|_| self.after.is_none_or(|after| id > after)) else { continue };
            let header = &head.header;
            if step.state.status() == Status::Success
                && step.at < self.changed_before
                && self.wanted.names_route(&header.tenant, &header.event_type, route)
            {
                self.found.push(id);
            }
        }
    }
}
