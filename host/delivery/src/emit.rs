//! Takes an emission: validates, matches, and makes event and deliveries durable before anybody is answered.

use crate::{Catalog, Error, own_events};
use postern_core::{Event, EventId, EventTypeId, Json, TenantId, Timestamp};
use postern_events::Violation;
use postern_events::registry::Refused;
use postern_store::{Idempotency, NewEvent};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// What somebody emits.
#[derive(Clone, Debug)]
pub struct Emission {
    /// The event type.
    pub event_type: EventTypeId,
    /// What happened.
    pub payload: Json,
    /// When it happened; none means now.
    pub timestamp: Option<Timestamp>,
    /// Whose it is.
    pub tenant: TenantId,
    /// What makes a repetition known: a key of the emitter's, or a CloudEvent's source and id.
    pub key: Option<EmissionKey>,
}

/// What makes a repeated emission of the same tenant known for [`REMEMBERED`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmissionKey {
    /// The emitter's own, at most 256 bytes.
    Idempotency(String),
    /// A CloudEvent's `source` and `id`, which together name one event.
    CloudEvent {
        /// `source`.
        source: String,
        /// `id`.
        id: String,
    },
}

/// How long a repeated emission gets the first one's answer: 24 hours.
pub const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

impl EmissionKey {
    /// Each part with its length before it, so that no two different keys look alike.
    fn hash(&self, tenant: &TenantId) -> [u8; 32] {
        let parts: [&str; 4] = match self {
            Self::Idempotency(key) => [tenant.as_str(), "key", key, ""],
            Self::CloudEvent { source, id } => [tenant.as_str(), "cloud-event", source, id],
        };
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().into()
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// The event's id.
    pub event: EventId,
    /// How many deliveries it made.
    pub deliveries: usize,
    /// Whether this answer is that of an earlier emission.
    pub repeated: bool,
}

impl Catalog {
    /// Emits events. When this answers, they and their deliveries are on the disk. A repeated emission gets the first
    /// one's answer and makes nothing.
    ///
    /// # Errors
    /// Too much is unfinished: nothing is stored then. An event type is not registered or a payload does not fit its schema: nothing is stored then. Or the store cannot
    /// take one: those before it may be stored.
    pub async fn emit(&self, emissions: Vec<Emission>) -> Result<Vec<Emitted>, Error> {
        let count = emissions.len();
        let emitted = self.take(emissions).await;
        self.figures.emitted(count, &emitted);
        emitted
    }

    async fn take(&self, emissions: Vec<Emission>) -> Result<Vec<Emitted>, Error> {
        let unfinished = self.store.backlog().unfinished;
        if unfinished >= self.longest_backlog {
            return Err(Error::Busy { unfinished, most: self.longest_backlog });
        }
        let many = emissions.len() > 1;
        let mut accepted = Vec::with_capacity(emissions.len());
        for (index, emission) in emissions.into_iter().enumerate() {
            let place = if many { format!("/{index}") } else { String::new() };
            own_events::refuse_foreign(&emission.event_type)?;
            let payload = self.check(&emission, &place)?;
            accepted.push((emission, payload));
        }
        let mut ingests = accepted.into_iter().map(|(emission, (payload, transformed))| {
            let event = Event {
                id: EventId::generate(),
                event_type: emission.event_type,
                tenant: emission.tenant,
                timestamp: emission.timestamp.unwrap_or_else(|| self.clock.now()),
                payload: if transformed { Json::from_value(&payload) } else { emission.payload },
            };
            let routes = self.routes(&event, &payload);
            let now = self.clock.now();
            let idempotency =
                emission.key.map(|key| Idempotency { key: key.hash(&event.tenant), now, until: now.saturating_add(REMEMBERED) });
            async move {
                let ingested = self.store.ingest(NewEvent { event: Arc::new(event), routes, idempotency }).await?;
                Ok(Emitted { event: ingested.event, deliveries: ingested.deliveries, repeated: ingested.repeated })
            }
        });
        match ingests.next() {
            Some(only) if !many => Ok(vec![only.await?]),
            first => futures::future::try_join_all(first.into_iter().chain(ingests)).await,
        }
    }

    /// The payload as it is delivered, and whether it is another than was emitted.
    fn check(&self, emission: &Emission, place: &str) -> Result<(Value, bool), Error> {
        if let Some(EmissionKey::Idempotency(key)) = &emission.key
            && !(1..=256).contains(&key.len())
        {
            let violation = Violation::new(format!("{place}/idempotencyKey"), "1 to 256 bytes are needed");
            return Err(Error::invalid("the idempotency key does not fit; nothing was emitted", vec![violation]));
        }
        let id = &emission.event_type;
        let payload = emission.payload.to_value();
        match self.event_type(id)?.accept(&payload) {
            Ok(None) => Ok((payload, false)),
            Ok(Some(transformed)) => Ok((transformed, true)),
            Err(refused) => Err(refuse(id, refused, place, "nothing was emitted")),
        }
    }
}

/// What a payload was refused for, with places below `place` and what did not happen therefore.
pub(crate) fn refuse(id: &EventTypeId, refused: Refused, place: &str, consequence: &str) -> Error {
    match refused {
        Refused::Unfit(violations) => {
            let at = |violation: Violation| Violation::new(format!("{place}/payload{}", violation.path), violation.message);
            let message = format!("the payload does not fit the schema of `{id}`; {consequence}");
            Error::invalid(message, violations.into_iter().map(at).collect())
        }
        Refused::Transform(message) => {
            let violation = Violation::new(format!("{place}/payload"), message);
            Error::invalid(format!("the transform of `{id}` fails on the payload; {consequence}"), vec![violation])
        }
    }
}
