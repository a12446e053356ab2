//! The messages of one segment.

use super::format::{Kind, LONGEST_HEADER, Message, SEGMENT, SEGMENT_HEADER, STEP};

/// The longest message that is looked for behind an unreadable place. Pages are smaller.
const LONGEST_MESSAGE: usize = 128 << 10;

/// How far a segment can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    /// Behind the last sound message, in bytes from the segment's beginning.
    pub(super) end: usize,
    /// Whether nothing more belongs to it.
    pub(super) complete: bool,
}

/// Shows the messages of the segment at this place of the log one after the other, each with where it begins in the
/// segment, up to the first that is not sound.
pub(super) fn walk(segment: &[u8], place: u64, mut visit: impl FnMut(usize, &Message)) -> Walk {
    let mut end = SEGMENT_HEADER;
    while end <= SEGMENT - LONGEST_HEADER {
        let message = segment.get(end..).and_then(Message::read).filter(|message| message.segment == place / STEP);
        let Some(message) = message else {
            // sled begins no message in so little space after an opening, though it may before.
            return Walk { end, complete: end == SEGMENT - LONGEST_HEADER };
        };
        visit(end, &message);
        end += message.length;
        if message.kind == Kind::Cap {
            break;
        }
    }
    Walk { end, complete: true }
}

/// What comes first behind an unreadable place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// Sound messages of the same segment: the place was not the end.
    Same,
    /// Sound messages of another one: of what the segment held before, or will hold next.
    Other,
    Nothing,
}

/// Looks behind an unreadable place of the segment at this place of the log.
pub(super) fn behind(segment: &[u8], end: usize, place: u64) -> Behind {
    for start in end + 1..segment.len().min(SEGMENT - LONGEST_HEADER) {
        let message = segment.get(start..).and_then(Message::read);
        match message.filter(|message| message.length <= LONGEST_MESSAGE) {
            Some(message) if message.segment == place / STEP => return Behind::Same,
            Some(_) => return Behind::Other,
            None => {}
        }
    }
    Behind::Nothing
}
