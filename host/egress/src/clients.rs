//! Which HTTP client a request goes through: one for each provider and client certificate, so that what is pooled was opened for
//! the same provider, under the same rules, and with the same certificate shown.

use crate::client_certificate::{ClientCertificate, Digest};
use crate::transport::Client;
use parking_lot::RwLock;
use postern_core::id::ProviderId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many clients with a certificate are kept, each with its unused connections. Beyond, the one that was not used for the
/// longest time is forgotten.
const MOST_WITH_CERTIFICATE: usize = 256;

type Key = (ProviderId, Option<Digest>);

#[derive(Default)]
pub(crate) struct Clients {
    kept: RwLock<HashMap<Key, Kept>>,
    uses: AtomicU64,
}

struct Kept {
    client: Client,
    last_use: AtomicU64,
}

impl Clients {
    /// The client for a provider and a certificate, made if there is none.
    pub(crate) fn get(
        &self,
        provider: &ProviderId,
        certificate: Option<&ClientCertificate>,
        make: impl FnOnce() -> Client,
    ) -> Client {
        let key = (provider.clone(), certificate.map(|certificate| certificate.digest));
        let now = self.uses.fetch_add(1, Ordering::Relaxed);
        let used = |kept: &Kept| {
            kept.last_use.store(now, Ordering::Relaxed);
            kept.client.clone()
        };
        if let Some(client) = self.kept.read().get(&key).map(used) {
            return client;
        }
        let mut kept = self.kept.write();
        if let Some(client) = kept.get(&key).map(used) {
            return client;
        }
        let client = make();
        if key.1.is_some() {
            make_room(&mut kept);
        }
        kept.insert(key, Kept { client: client.clone(), last_use: AtomicU64::new(now) });
        client
    }

    /// Forgets those of a provider.
    pub(crate) fn forget(&self, provider: &ProviderId) {
        self.kept.write().retain(|(owner, _), _| owner != provider);
    }
}

fn make_room(kept: &mut HashMap<Key, Kept>) {
    let with_certificate = || kept.iter().filter(|((_, certificate), _)| certificate.is_some());
    if with_certificate().count() >= MOST_WITH_CERTIFICATE {
        let oldest = with_certificate().min_by_key(|(_, kept)| kept.last_use.load(Ordering::Relaxed)).map(|(key, _)| key.clone());
        oldest.map(|oldest| kept.remove(&oldest));
    }
}
