//! Makes outcomes durable, many in one commit, and tells of them.

use crate::Catalog;
use crate::watch::{Seen, Watch};
use postern_core::{EventTypeId, TenantId};
use postern_store::{Error, Finish, NewEvent};
use std::sync::Arc;
use tokio::sync::mpsc;

/// So many outcomes are recorded in one request.
const MOST: usize = 256;

/// What became of a claimed delivery, and what of its event must be known to tell of it.
pub(super) struct Outcome {
    pub(super) finish: Finish,
    pub(super) event_type: EventTypeId,
    pub(super) tenant: TenantId,
}

/// Records outcomes until nobody sends any more.
pub(super) async fn run(catalog: Arc<Catalog>, mut watch: Watch, mut outcomes: mpsc::Receiver<Outcome>) {
    let mut batch = Vec::with_capacity(MOST);
    while outcomes.recv_many(&mut batch, MOST).await > 0 {
        let (mut finishes, mut told, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        for Outcome { finish, event_type, tenant } in batch.drain(..) {
            let one = Seen::of(&finish, event_type, tenant);
            told.push(watch.announces(&one).and_then(|event| catalog.announcement(event)));
            seen.push(one);
            finishes.push(finish);
        }
        let became: Vec<_> = finishes.iter().map(|finish| finish.step.state.status()).collect();
        let announced = told.iter().flatten().cloned().collect();
        let recorded = match catalog.store.finish_beside(&finishes, announced).await {
            Ok(()) => vec![true; seen.len()],
            // One of them is refused, and with it all; the others can be recorded.
            Err(Error::LostClaim(_) | Error::TooLarge(_)) => one_by_one(&catalog, finishes, told).await,
            Err(error) => {
                // The claims end with the process; the deliveries are then attempted again under the same ids.
                tracing::error!(%error, outcomes = seen.len(), "outcomes of attempts could not be recorded");
                continue;
            }
        };
        for (status, _) in became.into_iter().zip(&recorded).filter(|(_, recorded)| **recorded) {
            catalog.figures.became(status);
        }
        for (seen, _) in seen.into_iter().zip(recorded).filter(|(_, recorded)| *recorded) {
            // Nobody may be listening.
            let _ = catalog.finished.send(seen.delivery);
            watch.note(seen).await;
        }
    }
}

async fn one_by_one(catalog: &Catalog, finishes: Vec<Finish>, told: Vec<Option<NewEvent>>) -> Vec<bool> {
    let mut recorded = Vec::with_capacity(finishes.len());
    for (finish, told) in finishes.into_iter().zip(told) {
        let id = finish.id;
        let result = catalog.store.finish_beside(&[finish], told.into_iter().collect()).await;
        if let Err(error) = &result {
            tracing::error!(delivery = %id, %error, "the outcome of an attempt could not be recorded");
        }
        recorded.push(result.is_ok());
    }
    recorded
}
