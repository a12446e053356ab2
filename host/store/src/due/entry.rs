//! A delivery in the queue, in as few bytes as it can be.

use postern_core::{DeliveryId, EventId, Timestamp};

/// An id in 18 bytes: the id type itself is aligned to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Packed([u8; 16], u16);

impl From<DeliveryId> for Packed {
    fn from(id: DeliveryId) -> Self {
        Self(id.event.to_bytes(), id.index)
    }
}

impl From<Packed> for DeliveryId {
    fn from(Packed(event, index): Packed) -> Self {
        Self { event: EventId::from_bytes(event), index }
    }
}

impl Packed {
    pub(super) const FIRST: Self = Self([0; 16], 0);
    pub(super) const LAST: Self = Self([u8::MAX; 16], u16::MAX);

    /// When the event was accepted, in milliseconds.
    pub(super) fn accepted(self) -> i64 {
        EventId::from_bytes(self.0).created_at().as_millis()
    }
}

/// When a delivery is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// It has no step yet and is due since its event was accepted, whatever the clock shows.
    Fresh,
    /// At a moment.
    At {
        /// The moment.
        due: Timestamp,
        /// How many steps it has.
        steps: u16,
        /// Whether it waited in the store when that was opened, and has no step since.
        recovered: bool,
    },
}

impl When {
    /// How many steps the delivery has.
    pub(crate) fn steps(self) -> u16 {
        match self {
            Self::Fresh => 0,
            Self::At { steps, .. } => steps,
        }
    }
}

/// A delivery that waits for a moment. Ordered by time, then id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting {
    pub(super) due: i64,
    pub(super) id: Packed,
    pub(super) steps: u16,
    pub(super) recovered: bool,
}

impl From<Waiting> for When {
    fn from(waiting: Waiting) -> Self {
        Self::At { due: Timestamp::from_millis(waiting.due), steps: waiting.steps, recovered: waiting.recovered }
    }
}
