//! Which pages a log accounts for.
//!
//! A part of the file that is cut off or cleared at the borders of segments leaves no unreadable place. But sled numbers its
//! pages without gaps, and changes only pages that it has begun.

use super::format::{Kind, Message};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Page {
    #[default]
    Unseen,
    /// Changed, but not begun.
    Dangling,
    Begun,
}

/// The pages that were seen, as the messages of a log come by in their order.
#[derive(Debug, Default)]
pub(super) struct Pages(Vec<Page>);

impl Pages {
    /// Takes a message of a log of so many bytes. Each page takes more than a byte in it.
    pub(super) fn take(&mut self, message: &Message, log: u64) {
        let index = usize::try_from(message.page).ok().filter(|_| message.page < log);
        let (Some(index), Kind::Base | Kind::Change) = (index, message.kind) else { return };
        if self.0.len() <= index {
            self.0.resize(index + 1, Page::default());
        }
        if let Some(page) = self.0.get_mut(index) {
            match message.kind {
                Kind::Base => *page = Page::Begun,
                _ if *page == Page::Unseen => *page = Page::Dangling,
                _ => {}
            }
        }
    }

    /// How many are not accounted for, and the first of them.
    pub(super) fn missing(&self) -> Option<(usize, usize)> {
        let mut missing = self.0.iter().enumerate().filter(|(_, page)| **page != Page::Begun).map(|(index, _)| index);
        let first = missing.next()?;
        Some((missing.count() + 1, first))
    }
}
