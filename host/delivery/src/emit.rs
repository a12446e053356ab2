//! Takes an emission: validates, matches, and makes event and deliveries durable before anybody is answered.

use crate::{Catalog, Error};
use postern_core::{Event, EventId, EventTypeId, Json, TenantId, Timestamp};
use postern_events::Violation;
use postern_store::NewEvent;
use std::sync::Arc;

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
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// The event's id.
    pub event: EventId,
    /// How many deliveries it made.
    pub deliveries: usize,
}

impl Catalog {
    /// Emits events. When this answers, they and their deliveries are on the disk.
    ///
    /// # Errors
    /// An event type is not registered or a payload does not fit its schema: nothing is stored then. Or the store cannot
    /// take one: those before it may be stored.
    pub async fn emit(&self, emissions: Vec<Emission>) -> Result<Vec<Emitted>, Error> {
        let many = emissions.len() > 1;
        for (index, emission) in emissions.iter().enumerate() {
            self.check(emission, if many { format!("/{index}") } else { String::new() })?;
        }
        let ingests = emissions.into_iter().map(|emission| {
            let routes = self.routes(&emission.tenant, &emission.event_type);
            let event = Event {
                id: EventId::generate(),
                event_type: emission.event_type,
                tenant: emission.tenant,
                timestamp: emission.timestamp.unwrap_or_else(|| self.clock.now()),
                payload: emission.payload,
            };
            let emitted = Emitted { event: event.id, deliveries: routes.len() };
            async move {
                self.store.ingest(NewEvent { event: Arc::new(event), routes }).await?;
                Ok(emitted)
            }
        });
        futures::future::try_join_all(ingests).await
    }

    fn check(&self, emission: &Emission, place: String) -> Result<(), Error> {
        let event_type = self.event_type(&emission.event_type)?;
        event_type.schema.validate(&emission.payload.to_value()).map_err(|violations| {
            let at = |violation: Violation| Violation::new(format!("{place}/payload{}", violation.path), violation.message);
            let message = format!("the payload does not fit the schema of `{}`; nothing was emitted", emission.event_type);
            Error::invalid(message, violations.into_iter().map(at).collect())
        })
    }
}
