//! What an entity is known by inside the store: its text may be long, and there is a row for each.

use postern_core::delivery::Route;
use sha2::{Digest, Sha256};

/// The first bytes of the SHA-256 of an entity's text. A collision would have to be made on purpose, and two entities
/// of one subscription would then share an external id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntityHash(pub(crate) [u8; 16]);

/// Half of it, as the queue keeps it. A collision orders two entities as if they were one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ShortHash(pub(crate) [u8; 8]);

impl EntityHash {
    /// The hash of an entity's text.
    pub(crate) fn of(text: &str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(bytes)
    }

    /// That of the entity that a route names.
    pub(crate) fn of_route(route: &Route) -> Option<Self> {
        route.entity.as_deref().map(Self::of)
    }

    /// As the queue keeps it.
    pub(crate) fn short(self) -> ShortHash {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[..8]);
        ShortHash(bytes)
    }
}
