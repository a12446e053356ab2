//! A provider whose calls trap again and again is paused until somebody enables it, or another build is put in force.

use super::{Catalog, Provider, ProviderState};
use crate::Error;
use crate::own_events::{Hook, OwnEvent};
use postern_core::{ProviderId, TenantId};
use postern_store::NewEvent;
use serde_json::json;

/// Quarantines a provider, if this build of it is still in force.
pub(crate) async fn begin(catalog: &Catalog, id: &ProviderId, build: &str, traps: u32) {
    if let Err(error) = quarantine(catalog, id, build, traps).await {
        tracing::error!(provider = %id, %error, "the provider could not be quarantined");
    }
}

async fn quarantine(catalog: &Catalog, id: &ProviderId, build: &str, traps: u32) -> Result<(), Error> {
    let _changing = catalog.changing.lock().await;
    let provider = catalog.provider(id)?;
    if provider.digest != build || provider.state != ProviderState::Active {
        return Ok(());
    }
    let last = catalog.last_trap(id).unwrap_or_else(|| "the last trap is not known".to_owned());
    let reason = format!("{traps} calls in a row trapped; the last: {last}");
    tracing::error!(provider = %id, %reason, "the provider is quarantined; its deliveries wait. Enable it again: postern provider enable {id}");
    let payload = json!({
        "provider": id, "version": provider.manifest.version.to_string(), "digest": provider.digest, "error": reason,
    });
    let event = OwnEvent { hook: Hook::ProviderQuarantined, tenant: TenantId::default(), payload };
    let events = catalog.announcement(event).into_iter().collect();
    catalog.set_state("quarantine", &provider, ProviderState::Quarantined(reason), events).await
}

impl Catalog {
    /// Lets a quarantined or disabled provider deliver again.
    ///
    /// # Errors
    /// There is none of this id, or what keeps it from delivering is something else.
    pub async fn enable_provider(&self, id: &ProviderId) -> Result<(), Error> {
        self.settled(id).await;
        let _changing = self.changing.lock().await;
        let provider = self.provider(id)?;
        match &provider.state {
            ProviderState::Active => Ok(()),
            ProviderState::Quarantined(_) | ProviderState::Disabled => {
                self.set_state("enable", &provider, ProviderState::Active, Vec::new()).await
            }
            ProviderState::Loading => Err(Error::Conflict(format!("{id} is being loaded; try again"))),
            ProviderState::AwaitingApproval => {
                Err(Error::Conflict(format!("{id} waits for approval; approve it: postern provider approve {id}")))
            }
            ProviderState::Failed(reason) => {
                Err(Error::Conflict(format!("{id} did not load: {reason}; add a build that does: postern provider add FILE")))
            }
        }
    }

    /// Pauses a provider: its deliveries wait until it is enabled again.
    ///
    /// # Errors
    /// There is none of this id, or it does not deliver anyway.
    pub async fn disable_provider(&self, id: &ProviderId) -> Result<(), Error> {
        self.settled(id).await;
        let _changing = self.changing.lock().await;
        let provider = self.provider(id)?;
        match &provider.state {
            ProviderState::Disabled => Ok(()),
            ProviderState::Active | ProviderState::Quarantined(_) => {
                self.set_state("disable", &provider, ProviderState::Disabled, Vec::new()).await
            }
            ProviderState::AwaitingApproval | ProviderState::Failed(_) | ProviderState::Loading => {
                Err(Error::Conflict(format!("{id} does not deliver as it is; there is nothing to disable")))
            }
        }
    }

    async fn set_state(&self, verb: &str, provider: &Provider, state: ProviderState, events: Vec<NewEvent>) -> Result<(), Error> {
        self.put_provider_announced(verb, Provider { state, ..provider.again() }, events).await
    }

    /// The last trap of a provider, with its backtrace.
    fn last_trap(&self, id: &ProviderId) -> Option<String> {
        self.traps.lock().get(id).cloned()
    }

    /// Remembers a trap, so that a quarantine can tell of it.
    pub(crate) fn note_trap(&self, id: &ProviderId, trap: String) {
        self.traps.lock().insert(id.clone(), trap);
    }
}
