//! Event types, providers and subscriptions: held in memory, ready for use, and kept in the store.

mod change;
mod connections;
mod event_types;
mod forward;
mod kept;
mod lanes;
mod migration;
mod providers;
pub(crate) mod quarantine;
mod routing;
pub(crate) mod settings;
mod subscriptions;
mod token;
pub mod trust;

pub(crate) use connections::connection_form;
pub use connections::{ConnectionInput, PreparedConnection};
pub use event_types::EventTypeInput;
pub(crate) use kept::host_fields;
pub use lanes::ProviderLimits;
pub(crate) use providers::Purpose;
pub use providers::{Added, Build, BuildStanding, Bundled, Followed, KeptBuild, Offer, Pending, Provider, ProviderState};
pub use subscriptions::{Prepared, SubscriptionFilter, SubscriptionInput};

use crate::Error;
use crate::figures::Figures;
use crate::folders::WatchedFile;
use crate::replay::Replay;
use arc_swap::ArcSwap;
use forward::Unsaved;
use parking_lot::{Mutex, RwLock};
use postern_core::{Clock, ConnectionId, DeliveryId, ProviderId};
use postern_egress::Broker;
use postern_events::Violation;
use postern_events::registry::Registry;
use postern_runtime::Runtime;
use postern_store::vault::Vault;
use postern_store::{Document, Kind, Store};
use providers::{Loads, Pins};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use subscriptions::Subscriptions;
use tokio::sync::{Notify, broadcast, watch};
use trust::Trust;

/// What a catalog is made of.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Seals what is secret.
    pub vault: Vault,
    /// Runs providers.
    pub runtime: Runtime,
    /// Sends their requests.
    pub broker: Broker,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where the components that were added are kept, each under its digest.
    pub components: PathBuf,
    /// The providers that come with the program.
    pub bundled: Vec<Bundled>,
    /// Which components are taken.
    pub trust: Trust,
    /// How many builds of each provider are kept, the one in force included. Default: [`KEPT_BUILDS`].
    pub keep_builds: usize,
    /// How many deliveries may be unfinished before emissions are refused. Default: [`LONGEST_BACKLOG`].
    pub longest_backlog: usize,
}

/// The default of [`Parts::longest_backlog`]: 2,000,000, some 100 MiB of memory; what they hold is on the disk.
pub const LONGEST_BACKLOG: usize = 2_000_000;

/// The default of [`Parts::keep_builds`]: 5.
pub const KEPT_BUILDS: usize = 5;

/// Everything that administrators and platform developers defined.
pub struct Catalog {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) runtime: Runtime,
    pub(crate) broker: Broker,
    pub(crate) clock: Arc<dyn Clock>,
    vault: Vault,
    components: PathBuf,
    event_types: RwLock<Registry>,
    providers: ArcSwap<BTreeMap<ProviderId, Arc<Provider>>>,
    /// Builds that subscriptions pin and that are not in force.
    pins: ArcSwap<Pins>,
    trust: Arc<Trust>,
    keep_builds: usize,
    /// Providers that were not loaded when the start was over.
    loads: tokio::sync::Mutex<Loads>,
    /// Tells of each of them that is, and whether no more will be: the daemon stops.
    loaded: watch::Sender<bool>,
    /// What became of the files in watched folders.
    pub(crate) files: Mutex<BTreeMap<PathBuf, WatchedFile>>,
    connections: RwLock<BTreeMap<ConnectionId, Arc<PreparedConnection>>>,
    subscriptions: RwLock<Subscriptions>,
    /// Tells of each delivery whose step was recorded.
    pub(crate) finished: broadcast::Sender<DeliveryId>,
    /// Held while something is changed, so that checks and changes belong together.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// Settings that were brought forward and are not stored yet.
    unsaved: Unsaved,
    /// Tells that settings wait to be brought forward, or to be stored.
    forwarding: Notify,
    /// Another number after each change, and who waits for one.
    generation: AtomicU64,
    pub(crate) changed: Notify,
    provider_limits: ArcSwap<ProviderLimits>,
    /// The last trap of each provider, with its backtrace.
    traps: Mutex<BTreeMap<ProviderId, String>>,
    pub(crate) replays: Mutex<BTreeMap<String, Replay>>,
    /// Held while a replay is changed.
    pub(crate) replaying: tokio::sync::Mutex<()>,
    pub(crate) replay_ordered: Notify,
    /// How many deliveries may be unfinished before emissions are refused.
    pub(crate) longest_backlog: usize,
    pub(crate) figures: Figures,
}

impl Catalog {
    /// Loads everything from the store, and the providers that come with the program. Those of them that take long are left
    /// to [`load_the_rest`](Self::load_the_rest).
    ///
    /// # Errors
    /// The store cannot be read, or holds what this version does not understand. A provider that does not load is no
    /// error: it is listed as failed, with the reason.
    pub async fn open(parts: Parts) -> Result<Arc<Self>, Error> {
        tokio::fs::create_dir_all(&parts.components)
            .await
            .map_err(|error| Error::Internal(format!("the directory {} cannot be made: {error}", parts.components.display())))?;
        let catalog = Self {
            store: parts.store,
            runtime: parts.runtime,
            broker: parts.broker,
            clock: parts.clock,
            vault: parts.vault,
            components: parts.components,
            event_types: RwLock::default(),
            providers: ArcSwap::default(),
            pins: ArcSwap::default(),
            trust: Arc::new(parts.trust),
            keep_builds: parts.keep_builds,
            loads: tokio::sync::Mutex::default(),
            loaded: watch::Sender::new(false),
            files: Mutex::default(),
            connections: RwLock::default(),
            subscriptions: RwLock::default(),
            finished: broadcast::channel(1024).0,
            changing: tokio::sync::Mutex::new(()),
            unsaved: Unsaved::default(),
            forwarding: Notify::new(),
            generation: AtomicU64::new(1),
            changed: Notify::new(),
            provider_limits: ArcSwap::default(),
            traps: Mutex::default(),
            replays: Mutex::default(),
            replaying: tokio::sync::Mutex::new(()),
            replay_ordered: Notify::new(),
            longest_backlog: parts.longest_backlog,
            figures: Figures::default(),
        };
        catalog.load_event_types().await?;
        let loads = catalog.begin_loading(&parts.bundled).await?;
        *catalog.loads.lock().await = loads;
        catalog.load_connections().await?;
        catalog.load_subscriptions().await?;
        catalog.settings_at_start().await?;
        catalog.load_replays().await?;
        Ok(Arc::new(catalog))
    }

    /// How many bytes a component may have.
    pub(crate) fn largest_component(&self) -> usize {
        self.runtime.limits().component_bytes
    }

    /// How many calls each provider may have at once.
    pub(crate) fn set_provider_limits(&self, limits: ProviderLimits) {
        self.provider_limits.store(Arc::new(limits));
        self.tell_changed();
    }

    /// What the schedule knows of subscriptions may be another from now on.
    fn tell_changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// Every stored object of a kind, with its revision.
    async fn read<T: DeserializeOwned>(&self, kind: Kind) -> Result<Vec<(T, u64)>, Error> {
        let documents = self.store.documents(kind).await?;
        documents.iter().map(|document| Ok((parse(document)?, document.revision))).collect()
    }
}

/// Two editors do not overwrite each other: a change that names the revision that it is for is made only to that.
fn check_revision(what: &'static str, found: u64, expected: Option<u64>) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != found => Err(Error::Stale { what, expected, found }),
        _ => Ok(()),
    }
}

/// What a name and a description must be.
fn check_names(name: &str, description: Option<&str>) -> Vec<Violation> {
    let mut violations = Vec::new();
    if !(1..=100).contains(&name.trim().chars().count()) {
        violations.push(Violation::new("/name", "1 to 100 characters are needed"));
    }
    if description.is_some_and(|text| text.chars().count() > 1000) {
        violations.push(Violation::new("/description", "at most 1000 characters are allowed"));
    }
    violations
}

fn parse<T: DeserializeOwned>(document: &Document) -> Result<T, Error> {
    serde_json::from_str(&document.body)
        .map_err(|error| Error::Internal(format!("`{}` in the store is not understood: {error}", document.id)))
}
