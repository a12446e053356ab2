//! A host for one provider and one subscription, as the daemon has it: a catalog on a store of its own. What a coordinator would
//! claim is claimed here by hand, so that each attempt comes when it is wanted.

use crate::error::Error;
use crate::script::{Ending, EventInput, Script};
use crate::stage::Stage;
use crate::tools::{Tools, directory};
use postern_core::delivery::{Attempt, Route, Run, State};
use postern_core::grant::Grant;
use postern_core::manifest::SECRET_MARK;
use postern_core::retry::{Policy, Span};
use postern_core::{
    DeliveryId, Event, EventId, EventType, EventTypeId, HookId, Json, Manifest, PluginId, ProviderId, Subscription, SystemClock,
    Timestamp,
};
use postern_delivery::attempt::Attempted;
use postern_delivery::catalog::trust::Trust;
use postern_delivery::catalog::{ConnectionInput, EventTypeInput, Offer, Provider, SubscriptionInput};
use postern_delivery::decision::{Decision, decide};
use postern_delivery::{Catalog, Parts, Trial};
use postern_egress::{Broker, Options};
use postern_store::vault::Vault;
use postern_store::{Claim, ClaimId, Embedded, Store};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// How the subscription and the connection are called.
const NAME: &str = "Tried out";

/// How much the store of a run holds in memory, and keeps free on the disk: it holds next to nothing.
const STORE_BYTES: u64 = 1 << 20;

/// A host for one provider, and its subscription if it has settings for one.
pub(crate) struct Workbench {
    catalog: Arc<Catalog>,
    store: Arc<dyn Store>,
    pub(crate) provider: Arc<Provider>,
    subscription: Option<Subscription>,
    settings: Trial,
    /// The secrets in the settings, in clear.
    pub(crate) secrets: BTreeSet<String>,
    _home: TempDir,
}

/// An attempt that was made, and what the daemon would decide.
pub(crate) struct Tried {
    pub(crate) attempt: Attempt,
    pub(crate) decision: Decision,
    /// How long it is until the next attempt, if there is to be one.
    pub(crate) wait: Option<Duration>,
}

impl Tried {
    pub(crate) fn ending(&self) -> Ending {
        match self.decision.state {
            State::Success { .. } => Ending::Delivered,
            State::Failed { .. } => Ending::Failed,
            State::Retrying { .. } | State::Pending => Ending::Again,
        }
    }

    /// The failure's message, if it failed.
    pub(crate) fn message(&self) -> Option<&str> {
        match &self.decision.state {
            State::Retrying { error, .. } | State::Failed { error, .. } => Some(error),
            State::Success { .. } | State::Pending => None,
        }
    }

    pub(crate) fn external_id(&self) -> Option<&String> {
        match &self.decision.state {
            State::Success { external_id } => external_id.as_ref(),
            _ => None,
        }
    }
}

/// What a delivery is claimed as.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) id: DeliveryId,
    /// How many attempts were made before.
    pub(crate) attempts: u32,
    pub(crate) run: Run,
    /// What the first success about the entity returned.
    pub(crate) external_id: Option<String>,
}

impl Claimed {
    /// A new delivery.
    pub(crate) fn new() -> Self {
        Self { id: DeliveryId { event: EventId::generate(), index: 0 }, attempts: 0, run: Run::default(), external_id: None }
    }
}

impl Workbench {
    /// Adds a component and nothing else. What it asks for is not granted.
    pub(crate) async fn add(tools: &Tools, component: Vec<u8>, stage: Option<&Stage>, script: &Script) -> Result<Self, Error> {
        let home = directory()?;
        let store = open_store(&home).await?;
        let vault = Vault::open(home.path(), &home.path().join("master-key"), None);
        let catalog = Catalog::open(Parts {
            store: store.clone(),
            vault: vault.map_err(|error| Error::machine("the vault of the run", error))?,
            runtime: tools.runtime.clone(),
            broker: broker(&tools.setup.egress, stage, script.timeout)?,
            clock: Arc::new(SystemClock),
            components: home.path().join("components"),
            bundled: Vec::new(),
            trust: Trust::default(),
            keep_builds: 1,
            longest_backlog: 1,
        })
        .await?;
        let offer = Offer { plugin: tools.setup.plugin.clone(), component, signature: None, file: None };
        let id = catalog.add_provider(offer).await?.id;
        let provider = catalog.provider(&id)?;
        let (settings, secrets) = (Trial::default(), BTreeSet::new());
        Ok(Self { catalog, store, provider, subscription: None, settings, secrets, _home: home })
    }

    /// Adds a component, grants what the script says, or what it asks for, and saves the script's settings.
    pub(crate) async fn open(tools: &Tools, component: Vec<u8>, stage: Option<&Stage>, script: &Script) -> Result<Self, Error> {
        let mut bench = Self::add(tools, component, stage, script).await?;
        let id = bench.provider.manifest.id.clone();
        bench.catalog.approve_provider(&id).await?;
        if let Some(grant) = &script.grant {
            bench.catalog.set_grant(&id, grant.clone()).await?;
        }
        bench.provider = bench.catalog.provider(&id)?;
        bench.register(&script.events).await?;
        bench.save(&id, script).await?;
        Ok(bench)
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.provider.manifest
    }

    pub(crate) fn grant(&self) -> &Grant {
        &self.provider.grant
    }

    async fn register(&self, events: &[EventInput]) -> Result<(), Error> {
        for event in events {
            let (plugin, hook) = split(&event.event_type)?;
            let input = EventTypeInput {
                display_name: event.event_type.to_string(),
                description: None,
                category: EventType::default_category(),
                payload_schema: json!({ "type": "object" }),
                transform: None,
                example: None,
            };
            self.catalog.register(plugin, hook, input, true).await?;
        }
        Ok(())
    }

    async fn save(&mut self, id: &ProviderId, script: &Script) -> Result<(), Error> {
        let settings = script.connection.clone().or_else(|| self.manifest().connection.as_ref().map(|_| json!({})));
        let connection = match settings {
            None => None,
            Some(settings) => {
                let input = ConnectionInput {
                    name: NAME.into(),
                    description: None,
                    provider_id: id.clone(),
                    settings: settings.clone(),
                    tenant: None,
                };
                let saved = self.catalog.create_connection(input).await?;
                secrets(&settings, &saved.connection.settings, &mut self.secrets);
                Some(saved.connection.id)
            }
        };
        let config = script.config.clone().unwrap_or_else(|| json!({}));
        let input = SubscriptionInput {
            name: NAME.into(),
            description: None,
            provider_id: id.clone(),
            provider_version: None,
            connection_id: connection,
            provider_config: config.clone(),
            events: script.events.iter().map(|event| event.event_type.as_str().parse()).collect::<Result<_, _>>().map_err(
                |error: postern_core::id::ParseIdError| Error::Input { origin: "events".into(), reason: error.to_string() },
            )?,
            filter: None,
            entity_key: None,
            retry: None,
            rate_limit: None,
            entity_order: Default::default(),
            enabled: true,
            tenant: None,
        };
        let saved = self.catalog.create_subscription(input).await?;
        secrets(&config, &saved.subscription.provider_config, &mut self.secrets);
        self.subscription = Some(saved.subscription.clone());
        self.settings = Trial { config: Some(config), connection: None, connection_id: connection };
        Ok(())
    }

    /// Makes an attempt as the daemon makes it, and decides as the daemon does, with the default schedule and no jitter.
    pub(crate) async fn attempt(&self, event: &EventInput, claimed: Claimed) -> Result<Tried, Error> {
        let Some(subscription) = &self.subscription else {
            return Err(Error::Machine("there is no subscription to deliver for".into()));
        };
        let event_id = claimed.id.event;
        let accepted = Event {
            id: event_id,
            event_type: event.event_type.clone(),
            tenant: subscription.tenant.clone(),
            timestamp: event.timestamp.unwrap_or_else(Timestamp::now),
            payload: Json::from_value(&event.payload),
        };
        let route = Route { entity: event.entity.clone(), ..Route::new(subscription.id, subscription.provider_id.clone()) };
        let claim = Claim {
            claim: ClaimId(0),
            id: claimed.id,
            event: Arc::new(accepted),
            route,
            attempts: claimed.attempts,
            state: State::Pending,
            run: claimed.run,
            external_id: claimed.external_id,
            recovered: false,
        };
        let attempt = match self.catalog.attempt(&claim).await {
            Attempted::Made { attempt, .. } => *attempt,
            Attempted::Withdrawn(reason, _) => return Err(Error::Machine(reason)),
        };
        let now = Timestamp::now();
        let policy = Policy { jitter: 0.0, ..Policy::default() };
        let decision = decide(&policy, &claim, &attempt, now, 0.0);
        let wait = match &decision.state {
            State::Retrying { next_attempt_at, .. } => Some(next_attempt_at.since(now)),
            _ => None,
        };
        Ok(Tried { attempt, decision, wait })
    }

    /// Tries the settings as an administrator would.
    pub(crate) async fn test_connection(&self) -> Result<postern_delivery::Report<Result<String, String>>, Error> {
        Ok(self.catalog.test_connection(&self.manifest().id, self.settings.clone()).await?)
    }

    /// Ends it, in peace with the disk.
    pub(crate) async fn close(self) {
        self.store.close().await;
    }
}

async fn open_store(home: &TempDir) -> Result<Arc<dyn Store>, Error> {
    let options = postern_store::Options {
        cache_bytes: STORE_BYTES,
        reserve_bytes: STORE_BYTES,
        ..postern_store::Options::new(home.path().join("store"))
    };
    let store = tokio::task::spawn_blocking(move || Embedded::open(options)).await;
    let store = store.map_err(|error| Error::machine("the store of the run", error))?;
    Ok(Arc::new(store.map_err(|error| Error::machine("the store of the run", error))?))
}

fn broker(options: &Options, stage: Option<&Stage>, timeout: Option<Span>) -> Result<Broker, Error> {
    let mut options = options.clone();
    if let Some(timeout) = timeout {
        let limits = &mut options.limits;
        for bound in [&mut limits.timeout, &mut limits.longest_timeout, &mut limits.first_byte_timeout] {
            *bound = Span(bound.0.min(timeout.0));
        }
    }
    let broker = match stage {
        Some(stage) => Broker::scripted(options, stage.for_broker()),
        None => Broker::new(options),
    };
    broker.map_err(|error| Error::machine("the broker", error))
}

/// `incident.incident.created` → the plugin `incident` and the hook `incident.created`.
fn split(id: &EventTypeId) -> Result<(PluginId, HookId), Error> {
    let parts = id.as_str().split_once('.').and_then(|(plugin, hook)| Some((plugin.parse().ok()?, hook.parse().ok()?)));
    parts.ok_or_else(|| Error::Input {
        origin: "events".into(),
        reason: format!("`{id}` is no event type: it looks like incident.incident.created, which is PLUGIN.HOOK"),
    })
}

/// Takes the secrets of settings: what is masked where they were saved.
fn secrets(given: &Value, saved: &Value, found: &mut BTreeSet<String>) {
    match (given, saved) {
        (Value::String(secret), Value::String(mark)) if mark == SECRET_MARK => {
            found.insert(secret.clone());
        }
        (Value::Object(given), Value::Object(saved)) => {
            for (name, given) in given {
                if let Some(saved) = saved.get(name) {
                    secrets(given, saved, found);
                }
            }
        }
        (Value::Array(given), Value::Array(saved)) => {
            given.iter().zip(saved).for_each(|(given, saved)| secrets(given, saved, found))
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_masked_is_a_secret() {
        let given = json!({"url": "https://a", "token": "t", "list": [{"key": "k"}], "new": 1});
        let saved = json!({"url": "https://a", "token": SECRET_MARK, "list": [{"key": SECRET_MARK}], "default": 2});
        let mut found = BTreeSet::new();
        secrets(&given, &saved, &mut found);
        assert_eq!(found, BTreeSet::from(["t".to_owned(), "k".to_owned()]));
    }

    #[test]
    fn an_event_type_is_a_plugin_and_a_hook() {
        let (plugin, hook) = split(&"incident.incident.created".parse().unwrap()).unwrap();
        assert_eq!((plugin.as_str(), hook.as_str()), ("incident", "incident.created"));
    }
}
