//! Single deliveries that somebody wants tried again, or given up.

use crate::{Catalog, Error, audit};
use postern_core::delivery::Status;
use postern_core::{Delivery, DeliveryId, SubscriptionId};
use postern_store::{AuditEntry, Beside, Cancelled};

impl Catalog {
    /// Tries a final delivery again, as a new run whose attempts are added to its history.
    ///
    /// # Errors
    /// It does not exist, or is still being tried.
    pub async fn retry_delivery(&self, delivery: &Delivery) -> Result<(), Error> {
        let id = delivery.id;
        self.can_deliver(delivery.route.subscription)?;
        let entry = self.delivery_entry("delivery.retry", delivery);
        let beside = move |begun: &[DeliveryId]| {
            let entries = if begun.is_empty() { Vec::new() } else { vec![entry] };
            Beside { entries, ..Beside::default() }
        };
        let begun = self.store.reopen_beside(vec![id], self.clock.now(), None, Box::new(beside)).await?;
        if begun.is_empty() {
            return Err(Error::Conflict(format!("the delivery {id} is still being tried; it can be retried once it is final")));
        }
        Ok(())
    }

    /// Another run for a subscription that gets nothing would only replace the cause of the first.
    pub(crate) fn can_deliver(&self, id: SubscriptionId) -> Result<(), Error> {
        let Ok(known) = self.subscription(id) else {
            return Err(Error::Conflict(format!("the subscription {id} was deleted; there is nobody to deliver to")));
        };
        if !known.subscription.enabled {
            let reason = known.subscription.disabled_reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            return Err(Error::Conflict(format!(
                "the subscription {id} is disabled{reason}; enable it first: postern subscription enable {id}"
            )));
        }
        Ok(())
    }

    /// Gives a delivery up that waits. A failed one that holds its entity lets it go on.
    ///
    /// # Errors
    /// It does not exist, is being attempted at this moment, or is final and holds nothing.
    pub async fn cancel_delivery(&self, delivery: &Delivery) -> Result<(), Error> {
        let id = delivery.id;
        let error = format!("cancelled by {}", audit::Actor::present().name);
        let entry = self.delivery_entry("delivery.cancel", delivery);
        match self.store.cancel_audited(id, self.clock.now(), error, vec![entry]).await? {
            Cancelled::Done => {
                self.figures.became(Status::Failed);
                Ok(())
            }
            Cancelled::Released => Ok(()),
            Cancelled::InFlight => {
                Err(Error::Conflict(format!("the delivery {id} is being attempted at this moment; look again in a moment")))
            }
            Cancelled::Final => Err(Error::Conflict(format!("the delivery {id} is final; there is nothing to cancel"))),
            Cancelled::Unknown => Err(Error::not_found("delivery", id)),
        }
    }

    fn delivery_entry(&self, action: &str, delivery: &Delivery) -> AuditEntry {
        audit::entry(self.clock.now(), action, delivery.id.to_string(), Some(delivery.tenant.clone()))
    }
}
