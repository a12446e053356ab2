//! The unfinished events that are not marked as such in the store. Most events are final soon after they came: those of them
//! cost no key for a mark and none for taking it away. An opening looks at every event since a noted one instead, so these are
//! few; whatever is still unfinished when there are more gets its mark then.

use crate::key;
use postern_core::EventId;
use std::collections::{BTreeMap, HashSet};

/// So many may be unfinished without a mark; beyond, the oldest get one, beside the other keys of a commit. Few in tests, so that
/// they meet what happens then.
const MOST: usize = if cfg!(test) { 8 } else { 512 };
/// So much room there is then.
const ROOM: usize = MOST / 8;
/// An opening looks at about so many events, which takes a tenth of a second.
const LATELY: usize = if cfg!(test) { 64 } else { 8192 };

/// See the module. By default every event gets a mark.
#[derive(Debug, Default)]
pub(crate) struct Unmarked {
    /// The least event that needs no mark.
    since: Option<EventId>,
    /// The greatest that was admitted.
    newest: Option<EventId>,
    /// With how many deliveries each has.
    events: BTreeMap<EventId, u32>,
    /// Those whose marks are on their way to the disk.
    leaving: HashSet<EventId>,
    /// How many were admitted since all were marked.
    admitted: usize,
}

impl Unmarked {
    /// Whatever is unfinished before this event is marked.
    pub(crate) fn since(event: EventId) -> Self {
        Self { since: Some(event), ..Self::default() }
    }

    /// Takes an event that is about to be stored. Answers whether it needs no mark.
    pub(crate) fn admit(&mut self, event: EventId, deliveries: u32) -> bool {
        if self.since.is_none_or(|since| event < since) {
            return deliveries == 0;
        }
        self.newest = self.newest.max(Some(event));
        self.admitted += 1;
        if deliveries > 0 {
            self.events.insert(event, deliveries);
        }
        true
    }

    /// Whether this event is unfinished without a mark, so that none is to be taken away.
    pub(crate) fn contains(&self, event: EventId) -> bool {
        self.events.contains_key(&event)
    }

    /// Whether this event may be unfinished though no mark can be seen in the store. To be asked before the store is.
    pub(crate) fn may_be_unfinished(&self, event: EventId) -> bool {
        self.contains(event) || self.leaving.contains(&event)
    }

    /// The last delivery of an event is final, and that is durable.
    pub(crate) fn finished(&mut self, event: EventId) {
        self.events.remove(&event);
    }

    /// Who is to get a mark, with its number of deliveries, and before which event all have one then; nothing if there are few.
    pub(crate) fn leave(&mut self) -> Option<(EventId, Vec<(EventId, u32)>)> {
        let (many, late) = (self.events.len() >= MOST, self.admitted >= LATELY);
        let since = match () {
            () if late => key::following(self.newest?)?,
            () if many => *self.events.keys().nth(self.events.len() - (MOST - ROOM))?,
            () => return None,
        };
        if late {
            self.admitted = 0;
        }
        let staying = self.events.split_off(&since);
        let events: Vec<_> = std::mem::replace(&mut self.events, staying).into_iter().collect();
        self.leaving.extend(events.iter().map(|(event, _)| event));
        self.since = Some(since);
        Some((since, events))
    }

    /// The marks of who was to get one are durable.
    pub(crate) fn left(&mut self) {
        self.leaving.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u128) -> EventId {
        EventId::from_bytes(number.to_be_bytes())
    }

    #[test]
    fn an_event_needs_no_mark_until_there_are_many() {
        let mut unmarked = Unmarked::since(event(1000));
        assert!(!unmarked.admit(event(999), 1), "it is looked for among the marked");
        assert!(unmarked.admit(event(1000), 0));
        let most = MOST as u128;
        for number in 1..=most {
            assert_eq!(unmarked.leave(), None);
            assert!(unmarked.admit(event(1000 + number), 2));
        }
        let room = ROOM as u128;
        let oldest: Vec<_> = (1..=room).map(|number| (event(1000 + number), 2)).collect();
        assert_eq!(unmarked.leave(), Some((event(1001 + room), oldest)));
        assert!(!unmarked.contains(event(1001)) && unmarked.may_be_unfinished(event(1001)));
        unmarked.left();
        assert!(!unmarked.may_be_unfinished(event(1001)) && unmarked.contains(event(1001 + room)));
        assert!(!unmarked.admit(event(1000 + room), 1), "it is late");
        for number in 1..=most {
            unmarked.admit(event(2000 + number), 1);
        }
        assert_eq!(unmarked.leave().unwrap().1.len(), MOST, "there is as much room as before");
    }

    #[test]
    fn what_is_final_needs_none_but_ages_the_note() {
        let mut unmarked = Unmarked::since(event(0));
        for number in 0..LATELY as u128 {
            assert_eq!(unmarked.leave(), None);
            unmarked.admit(event(number), 1);
            if number > 0 {
                unmarked.finished(event(number));
            }
        }
        assert_eq!(unmarked.leave(), Some((event(LATELY as u128), vec![(event(0), 1)])));
    }

    #[test]
    fn by_default_all_are_marked() {
        assert!(!Unmarked::default().admit(event(5), 1) && Unmarked::default().admit(event(5), 0));
    }
}
