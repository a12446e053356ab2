//! The listings: event rows and step rows lie in the same order, so a page joins two forward scans.
//!
//! A listing reads group by group and lets go of the engine between groups. A record that is damaged is left out and
//! logged: one bad row must not hide all that is older.

use crate::cursor::{self, Listing};
use crate::key;
use crate::kv::{Direction, Kv};
use crate::read::{self, EventHead, LastSteps};
use crate::record::Damage;
use crate::{DeliveryFilter, Error, EventFilter, Page, PageRequest};
use postern_core::delivery::Route;
use postern_core::{Delivery, DeliveryId, Event, EventId};
use std::sync::Arc;

/// An event with its deliveries.
pub(crate) type Listed = (Arc<Event>, Vec<Delivery>);

/// A page under construction. It looks one object further than it needs, so that the last page says that it is one;
/// but only for one group, since the next match may be far away.
pub(crate) struct Scan<T> {
    listing: Listing,
    limit: usize,
    items: Vec<(DeliveryId, T)>,
    after: Option<DeliveryId>,
    /// What is left to read.
    rest: Option<(EventId, EventId)>,
    done: bool,
}

impl<T> Scan<T> {
    fn new(listing: Listing, page: &PageRequest, range: Option<(EventId, EventId)>) -> Result<Self, Error> {
        let after = page.after.as_deref().map(|text| cursor::decode(listing, text)).transpose()?;
        let rest = range.and_then(|(newest, oldest)| {
            let newest = after.map_or(newest, |after| newest.min(after.event));
            (newest >= oldest).then_some((newest, oldest))
        });
        Ok(Self { listing, limit: page.limit.max(1), items: Vec::new(), after, rest, done: rest.is_none() })
    }

    /// Whether the page is ready.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    fn heads(&mut self, kv: &dyn Kv) -> Result<Vec<EventHead>, Error> {
        let Some((newest, oldest)) = self.rest else { return Ok(Vec::new()) };
        let group = self.limit.saturating_add(1).clamp(16, 128);
        let found = read::event_heads(kv, newest, oldest, group, Direction::Forward)?;
        self.rest = match found.last() {
            Some((last, _)) if found.len() >= group => {
                key::previous(*last).filter(|next| *next >= oldest).map(|next| (next, oldest))
            }
            _ => None,
        };
        Ok(found.into_iter().filter_map(|(id, head)| head.map_err(|damage| report(id, &damage)).ok()).collect())
    }

    fn is_full(&self) -> bool {
        self.items.len() > self.limit
    }

    fn end_group(&mut self, was_complete: bool) {
        self.done = self.is_full() || self.rest.is_none() || was_complete;
    }

    /// The page.
    pub(crate) fn into_page(mut self) -> Page<T> {
        let more = self.is_full() || (self.rest.is_some() && self.items.len() == self.limit);
        self.items.truncate(self.limit);
        let next = if more { self.items.last().map(|(id, _)| cursor::encode(self.listing, *id)) } else { None };
        Page { items: self.items.into_iter().map(|(_, item)| item).collect(), next }
    }
}

/// Says that something was left out.
pub(crate) fn report(id: EventId, damage: &Damage) {
    tracing::error!(event = %id, %damage, "a damaged record was left out of a listing");
}

/// The last steps of the events in a group that matter: one scan if they are most of it, else one for each.
fn last_steps(kv: &dyn Kv, group: usize, wanted: &[EventHead]) -> Result<LastSteps, Error> {
    let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return Ok(LastSteps::new()) };
    if wanted.len() * 2 >= group {
        return Ok(read::last_steps(kv, first.id, last.id)?);
    }
    let mut steps = LastSteps::new();
    for head in wanted {
        steps.append(&mut read::last_steps(kv, head.id, head.id)?);
    }
    Ok(steps)
}

/// Begins a listing of deliveries.
pub(crate) fn begin_deliveries(filter: &DeliveryFilter, page: &PageRequest) -> Result<Scan<Delivery>, Error> {
    let mut range = key::accepted(filter.since, filter.until);
    if let Some(event) = filter.event {
        range = range.filter(|(newest, oldest)| (*oldest..=*newest).contains(&event)).map(|_| (event, event));
    }
    Scan::new(Listing::Deliveries, page, range)
}

/// Reads one group of events.
pub(crate) fn read_deliveries(kv: &dyn Kv, filter: &DeliveryFilter, scan: &mut Scan<Delivery>) -> Result<(), Error> {
    let was_complete = scan.items.len() == scan.limit;
    let mut heads = scan.heads(kv)?;
    let group = heads.len();
    heads.retain(|EventHead { header, .. }| {
        filter.tenant.as_ref().is_none_or(|tenant| *tenant == header.tenant)
            && filter.event_type.as_ref().is_none_or(|event_type| *event_type == header.event_type)
            && header.routes.iter().any(|route| goes_to(route, filter))
    });
    let last = last_steps(kv, group, &heads)?;
    'group: for head in heads {
        for (index, route) in (0..=u16::MAX).zip(&head.header.routes) {
            let id = DeliveryId { event: head.id, index };
            let before = scan.after.is_some_and(|after| after.event == id.event && id.index <= after.index);
            if before || !goes_to(route, filter) {
                continue;
            }
            match read::delivery(id, &head.header, &last) {
                Ok(Some(delivery)) if filter.status.is_none_or(|status| status == delivery.state.status()) => {
                    scan.items.push((id, delivery));
                }
                Ok(_) => {}
                Err(damage) => report(id.event, &damage),
            }
            if scan.is_full() {
                break 'group;
            }
        }
    }
    scan.end_group(was_complete);
    Ok(())
}

fn goes_to(route: &Route, filter: &DeliveryFilter) -> bool {
    filter.subscription.is_none_or(|subscription| subscription == route.subscription)
        && filter.provider.as_ref().is_none_or(|provider| *provider == route.provider)
        && filter.entity.as_ref().is_none_or(|entity| route.entity.as_ref() == Some(entity))
}

/// Begins a listing of events.
pub(crate) fn begin_events(filter: &EventFilter, page: &PageRequest) -> Result<Scan<Listed>, Error> {
    Scan::new(Listing::Events, page, key::accepted(filter.since, filter.until))
}

/// Reads one group of events.
pub(crate) fn read_events(kv: &dyn Kv, filter: &EventFilter, scan: &mut Scan<Listed>) -> Result<(), Error> {
    let was_complete = scan.items.len() == scan.limit;
    let mut heads = scan.heads(kv)?;
    let group = heads.len();
    heads.retain(|EventHead { id, header, .. }| {
        filter.tenant.as_ref().is_none_or(|tenant| *tenant == header.tenant)
            && filter.event_type.as_ref().is_none_or(|event_type| *event_type == header.event_type)
            && scan.after.is_none_or(|after| *id < after.event)
    });
    let last = last_steps(kv, group, &heads)?;
    for head in heads {
        let whole = read::deliveries(head.id, &head.header, &last).map_err(Error::from);
        let whole = whole.and_then(|deliveries| Ok((read::event(kv, head.id)?, deliveries)));
        match whole {
            Ok((Some((event, _)), deliveries)) => {
                scan.items.push((DeliveryId { event: head.id, index: 0 }, (Arc::new(event), deliveries)));
            }
            Ok((None, _)) => {}
            Err(Error::Damaged(reason)) => {
                tracing::error!(event = %head.id, %reason, "a damaged event was left out of a listing")
            }
            Err(error) => return Err(error),
        }
        if scan.is_full() {
            break;
        }
    }
    scan.end_group(was_complete);
    Ok(())
}
