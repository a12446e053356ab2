//! How many deliveries are not final, in all and of each event.

use postern_core::EventId;
use std::collections::HashMap;

/// Below this many events the map keeps its memory.
const SMALL: usize = 4096;

/// Of an event only what is more than one is remembered: that most events have one is what makes a million small.
#[derive(Debug, Default)]
pub(super) struct Count {
    several: HashMap<[u8; 16], u32>,
    total: usize,
}

impl Count {
    /// How many there are.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Counts an event's unfinished deliveries.
    pub(super) fn add_event(&mut self, event: EventId, unfinished: u32) {
        self.total += unfinished as usize;
        if unfinished > 1 {
            self.several.insert(event.to_bytes(), unfinished);
        }
    }

    /// Counts one more of an event that had some, or none.
    pub(super) fn add_one(&mut self, event: EventId, had_some: bool) {
        self.total += 1;
        if had_some {
            *self.several.entry(event.to_bytes()).or_insert(1) += 1;
        }
    }

    /// Notes that one of the event becomes final. Answers whether it was the last one.
    pub(super) fn note_final(&mut self, event: EventId) -> bool {
        let key = event.to_bytes();
        match self.several.get_mut(&key) {
            Some(count) if *count > 2 => *count -= 1,
            Some(_) => {
                self.several.remove(&key);
                if self.several.capacity() > SMALL && self.several.len() < self.several.capacity() / 8 {
                    self.several.shrink_to(self.several.len() * 2);
                }
            }
            None => return true,
        }
        false
    }

    /// Takes final deliveries out of the total, once that is durable.
    pub(super) fn settle(&mut self, count: usize) {
        self.total = self.total.saturating_sub(count);
    }
}
