//! A secret in clear, whom it is for, and what it is found by in texts.
//!
//! To work out the forms of a secret and to look for each of them takes longer than all else that a call does. So what it is found by
//! is kept with the secret and shared by its clones; that is wiped only in part when the last of them goes.

use crate::audience::Audience;
use crate::redact::Needles;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// How many bytes are kept of what secrets are found by, those of all secrets together: one takes 10 to 30 KiB. For further secrets
/// it is worked out in each call.
const KEPT_MOST: usize = 64 << 20;

static KEPT: AtomicUsize = AtomicUsize::new(0);

/// A secret in clear, and whom it is for. Cheap to clone; wiped from memory when the last clone is dropped. It does not show in debug
/// output.
#[derive(Clone)]
pub struct Secret {
    known: Arc<Known>,
    pub(crate) audience: Audience,
}

struct Known {
    text: Zeroizing<String>,
    /// As a text, and as a URL.
    found_by: [OnceLock<Kept>; 2],
}

struct Kept {
    needles: Arc<Needles>,
    bytes: usize,
}

impl Drop for Kept {
    fn drop(&mut self) {
        KEPT.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Secret {
    /// Takes a secret in clear that may go to every granted host: one of the subscription's settings.
    pub fn new(text: impl Into<String>) -> Self {
        let known = Known { text: Zeroizing::new(text.into()), found_by: Default::default() };
        Self { known: Arc::new(known), audience: Audience::default() }
    }

    /// Says where in the settings it stands and to which hosts it may go.
    #[must_use]
    pub fn with_audience(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }

    /// The secret in clear.
    pub fn expose(&self) -> &str {
        &self.known.text
    }

    /// What it is found by. `is_url`: its parts are secrets too.
    pub(crate) fn needles(&self, is_url: bool) -> Arc<Needles> {
        let place = &self.known.found_by[usize::from(is_url)];
        if let Some(kept) = place.get() {
            return kept.needles.clone();
        }
        let needles = Needles::new(self.expose(), is_url);
        if KEPT.load(Ordering::Relaxed) > KEPT_MOST {
            return Arc::new(needles);
        }
        let needles = Arc::new(needles.hastened());
        let bytes = needles.memory();
        KEPT.fetch_add(bytes, Ordering::Relaxed);
        // Two calls may have begun at once; then one of the two is dropped.
        let _ = place.set(Kept { needles: needles.clone(), bytes });
        needles
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_secret_is_found_by_is_worked_out_once_for_all_its_clones() {
        let secret = Secret::new("hunter2-hunter2");
        let (first, second) = (secret.needles(false), secret.clone().needles(false));
        assert!(Arc::ptr_eq(&first, &second));
        assert!(!Arc::ptr_eq(&first, &secret.needles(true)), "a URL has more forms");
        assert!((100..100_000).contains(&first.memory()), "{}", first.memory());
    }
}
