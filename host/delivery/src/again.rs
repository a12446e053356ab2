//! Single deliveries that somebody wants tried again, or given up.

use crate::{Catalog, Error, audit};
use postern_core::Delivery;
use postern_store::Cancelled;

impl Catalog {
    /// Tries a final delivery again, as a new run whose attempts are added to its history.
    ///
    /// # Errors
    /// It does not exist, or is still being tried.
    pub async fn retry_delivery(&self, delivery: &Delivery) -> Result<(), Error> {
        let id = delivery.id;
        let begun = self.store.reopen(vec![id], self.clock.now(), None).await?;
        if begun.is_empty() {
            return Err(Error::Conflict(format!("the delivery {id} is still being tried; it can be retried once it is final")));
        }
        self.record_delivery("delivery.retry", delivery).await
    }

    /// Gives a delivery up that waits. A failed one that holds its entity lets it go on.
    ///
    /// # Errors
    /// It does not exist, is being attempted at this moment, or is final and holds nothing.
    pub async fn cancel_delivery(&self, delivery: &Delivery) -> Result<(), Error> {
        let id = delivery.id;
        let error = format!("cancelled by {}", audit::Actor::present().name);
        match self.store.cancel(id, self.clock.now(), error).await? {
            Cancelled::Done | Cancelled::Released => self.record_delivery("delivery.cancel", delivery).await,
            Cancelled::InFlight => {
                Err(Error::Conflict(format!("the delivery {id} is being attempted at this moment; look again in a moment")))
            }
            Cancelled::Final => Err(Error::Conflict(format!("the delivery {id} is final; there is nothing to cancel"))),
            Cancelled::Unknown => Err(Error::not_found("delivery", id)),
        }
    }

    async fn record_delivery(&self, action: &str, delivery: &Delivery) -> Result<(), Error> {
        let tenant = Some(delivery.tenant.clone());
        let entry = audit::entry(self.clock.now(), action, delivery.id.to_string(), tenant);
        Ok(self.store.audit_append(entry).await?)
    }
}
