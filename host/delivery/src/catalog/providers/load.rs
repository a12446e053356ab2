//! The start: providers are loaded side by side. What the compile cache has is there within milliseconds; what has to be
//! compiled follows while the others serve, and its deliveries wait.

use super::stored::{Paused, Stored, unknown_version};
use super::{Described, Provider, ProviderState, describe, recognise, recognise_file};
use crate::Error;
use crate::catalog::Catalog;
use crate::catalog::forward::Staged;
use postern_core::grant::Grant;
use postern_core::manifest::{Capabilities, Documentation, SettingsSchema};
use postern_core::{Manifest, PluginId, ProviderId};
use postern_store::Kind;
use semver::Version;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long a start waits for providers: 1 second. All that are in the cache need a tenth of it; on a first start most of those
/// that come with the program are compiled meanwhile, and nobody sees them being loaded.
const GRACE: Duration = Duration::from_secs(1);

/// How many are loaded at once: their files are in memory meanwhile.
const SIDE_BY_SIDE: usize = 16;

/// A provider that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// The plugin that it belongs to.
    pub plugin: &'static str,
    /// Its own id, as its manifest has it.
    pub name: &'static str,
    /// The component.
    pub component: &'static [u8],
}

/// Providers that are being loaded.
#[derive(Default)]
pub(in crate::catalog) struct Loads(JoinSet<(Loading, Result<Described, String>)>);

/// What is being loaded, with what is stored of it.
enum Loading {
    Bundled(ProviderId, Option<Box<Stored>>),
    Added(Box<Stored>),
    /// A build that subscriptions pin, which is not the one in force.
    Pinned(ProviderId, Version),
}

impl Loading {
    fn id(&self) -> &ProviderId {
        match self {
            Self::Bundled(id, _) | Self::Pinned(id, _) => id,
            Self::Added(stored) => &stored.manifest.id,
        }
    }

    /// The provider as it is when this ended.
    fn ended(self, result: Result<Described, String>) -> Provider {
        match (self, result) {
            (Self::Bundled(_, known), Ok(described)) => {
                let grant = known.as_ref().map(|known| known.grant.clone());
                let grant = grant.unwrap_or_else(|| Grant { hosts: described.manifest.hosts.clone(), ..Grant::default() });
                let provider = Provider { bundled: true, ..described.with(grant, true) };
                // A quarantine is of one build.
                let paused = known.filter(|known| known.digest == provider.digest || known.paused == Some(Paused::Disabled));
                provider.paused(paused.and_then(|known| known.paused))
            }
            (Self::Added(stored), Ok(described)) => {
                let build = stored.build();
                let provider = described.with(stored.grant, stored.approved);
                let builds = if stored.builds.is_empty() { vec![build] } else { stored.builds };
                let provider = Provider { pending: stored.pending, builds, followed: stored.followed, ..provider };
                provider.paused(stored.paused)
            }
            (loading, Err(reason)) => Provider { state: ProviderState::Failed(reason), ..loading.unloaded() },
            (Self::Pinned(..), Ok(described)) => described.with(Grant::default(), true),
        }
    }

    /// The provider as long as this goes on.
    fn unloaded(self) -> Provider {
        let (manifest, bundled, stored) = match self {
            Self::Bundled(id, known) => (known.as_ref().map_or_else(|| unknown(id), |known| known.manifest.clone()), true, known),
            Self::Added(stored) => (stored.manifest.clone(), false, Some(stored)),
            Self::Pinned(id, version) => (Manifest { version, ..unknown(id) }, false, None),
        };
        let digest = stored.as_ref().map(|stored| stored.digest.clone()).unwrap_or_default();
        let build = stored.as_ref().filter(|stored| !bundled && stored.builds.is_empty()).map(|stored| stored.build());
        let size = stored.as_ref().map(|stored| stored.size).unwrap_or_default();
        let (grant, approved, pending, builds, followed) = match stored.map(|stored| *stored) {
            Some(Stored { grant, approved, pending, builds, followed, .. }) => (grant, approved, pending, builds, followed),
            None => (Grant::default(), true, None, Vec::new(), None),
        };
        Provider {
            state: ProviderState::Loading,
            grant: Arc::new(grant),
            digest,
            size,
            bundled,
            pending,
            builds: build.map_or(builds, |build| vec![build]),
            followed,
            approved,
            wish: manifest.hosts.clone().into(),
            form: None,
            connection_form: None,
            component: None,
            footprint: Arc::default(),
            manifest,
        }
    }
}

/// What is known of a provider before anybody asked it.
fn unknown(id: ProviderId) -> Manifest {
    Manifest {
        display_name: id.as_str().to_owned(),
        id,
        version: unknown_version(),
        description: String::new(),
        icon: None,
        supported_events: None,
        config: SettingsSchema { version: 1, schema: serde_json::json!({ "type": "object" }) },
        connection: None,
        hosts: Vec::new(),
        implements: Capabilities::default(),
        documentation: Documentation::default(),
        rate: None,
    }
}

impl Catalog {
    /// Begins to load all providers, and puts those in force that are there soon.
    pub(in crate::catalog) async fn begin_loading(&self, bundled: &[Bundled]) -> Result<Loads, Error> {
        let internal = |error: postern_core::id::ParseIdError| Error::Internal(error.to_string());
        let stored = self.read::<Stored>(Kind::Provider).await?.into_iter();
        let mut stored: BTreeMap<_, _> = stored.map(|(stored, _)| (stored.manifest.id.clone(), Box::new(stored))).collect();
        let places = Arc::new(Semaphore::new(SIDE_BY_SIDE));
        let mut loads = JoinSet::new();
        for one in bundled {
            let plugin: PluginId = one.plugin.parse().map_err(internal)?;
            let id = ProviderId::new(&plugin, one.name).map_err(internal)?;
            let known = stored.remove(&id);
            self.install(Loading::Bundled(id.clone(), known.clone()).unloaded());
            let (runtime, component, name) = (self.runtime.clone(), one.component, id.clone());
            let work = async move {
                let described = describe(&runtime, &plugin, component.to_vec()).await.map_err(|error| error.to_string())?;
                let own = &described.manifest.id;
                if *own == name { Ok(described) } else { Err(format!("it calls itself {own}")) }
            };
            loads.spawn(in_turn(places.clone(), Loading::Bundled(id, known), work));
        }
        let pinned = self.stored_pins().await?;
        for (id, stored) in stored.into_iter().filter(|(_, stored)| !stored.bundled) {
            self.install(Loading::Added(stored.clone()).unloaded());
            let versions = pinned.iter().filter(|(of, version)| *of == id && *version != stored.manifest.version);
            for (_, version) in versions {
                let loading = || Loading::Pinned(id.clone(), version.clone());
                self.put_pin(&id, version, loading().unloaded());
                let build = stored.builds.iter().find(|build| build.version == *version).cloned();
                let missing = format!("version {version} of {id} is not kept any more");
                let kept = build.map(|build| self.kept(&id, build, None));
                let work = async move { kept.ok_or(missing)?.await };
                loads.spawn(in_turn(places.clone(), loading(), work));
            }
            let kept = self.kept(&id, stored.build(), Some(stored.manifest.clone()));
            loads.spawn(in_turn(places.clone(), Loading::Added(stored), kept));
        }
        let mut loads = Loads(loads);
        let until = Instant::now() + GRACE;
        while let Ok(Some(ended)) = timeout_at(until, loads.0.join_next()).await {
            if let Some(provider) = self.ended(ended) {
                self.install(provider);
            }
        }
        self.drop_orphans().await?;
        Ok(loads)
    }

    /// Loads a kept build, which must say of itself what it said when it was added, as far as that is known.
    fn kept(
        &self,
        id: &ProviderId,
        build: super::Build,
        said: Option<Manifest>,
    ) -> impl Future<Output = Result<Described, String>> + Send + use<> {
        let path = self.component_path(&build.digest);
        let (runtime, trust, plugin) = (self.runtime.clone(), self.trust.clone(), super::plugin_of(id));
        async move {
            let unread = |error| format!("its component {} cannot be read: {error}", path.display());
            let component = tokio::fs::read(&path).await.map_err(unread)?;
            let (component, judged) = trust.judged(component, build.signature).await;
            judged?;
            let described = describe(&runtime, &plugin, component).await.map_err(|error| error.to_string())?;
            let recognised = match said {
                Some(said) => recognise(described, &build.digest, &said),
                None => recognise_file(described, &build.digest),
            };
            recognised.map_err(|error| error.to_string())
        }
    }

    /// What became of loading: a provider to put in force; none if it was a build that is pinned, which is kept at once.
    fn ended(&self, ended: Result<(Loading, Result<Described, String>), tokio::task::JoinError>) -> Option<Provider> {
        // A task that panicked leaves its provider as it was: being loaded. That is a bug, and the log has it.
        let (loading, result) = ended.inspect_err(|error| tracing::error!(%error, "loading a provider failed")).ok()?;
        if let Err(reason) = &result {
            tracing::error!(provider = %loading.id(), %reason, "the provider did not load");
        }
        match loading {
            Loading::Pinned(id, version) => {
                let build = Loading::Pinned(id.clone(), version.clone()).ended(result);
                self.put_pin(&id, &version, build);
                None
            }
            loading => Some(loading.ended(result)),
        }
    }

    /// Puts the providers in force that were not loaded when everything else was, each as soon as it is, until `stop`.
    pub async fn load_the_rest(&self, stop: CancellationToken) {
        let mut loads = std::mem::take(&mut *self.loads.lock().await);
        let rest = async {
            while let Some(ended) = loads.0.join_next().await {
                let id = ended.as_ref().ok().map(|(loading, _)| loading.id().clone());
                let provider = self.ended(ended);
                if let Some(id) = id
                    && let Err(error) = self.begin_serving(&id, provider).await
                {
                    tracing::error!(provider = %id, %error, "the settings of its users cannot be made ready");
                }
                self.loaded.send_replace(false);
            }
        };
        tokio::select! {
            // Whoever waits for a provider waits no longer.
            () = stop.cancelled() => drop(self.loaded.send_replace(true)),
            () = rest => {}
        }
    }

    async fn begin_serving(&self, id: &ProviderId, provider: Option<Provider>) -> Result<(), Error> {
        let staged = match &provider {
            Some(provider) => self.stage(provider).await?,
            None => Staged::default(),
        };
        let _changing = self.changing.lock().await;
        if let Some(provider) = provider {
            tracing::info!(provider = %id, version = %provider.manifest.version, "the provider is loaded");
            self.install(provider);
        }
        self.settings_again(id, staged).await
    }

    /// Waits until a provider, and what is pinned of it, is loaded or failed to, or the daemon stops.
    pub async fn settled(&self, id: &ProviderId) {
        let mut told = self.loaded.subscribe();
        loop {
            let stops = *told.borrow_and_update();
            if stops || !self.is_loading(id) || told.changed().await.is_err() {
                return;
            }
        }
    }

    fn is_loading(&self, id: &ProviderId) -> bool {
        self.provider(id).is_ok_and(|provider| provider.state == ProviderState::Loading)
            || self.pins.load().iter().any(|((of, _), build)| of == id && build.state == ProviderState::Loading)
    }
}

/// Does the work of loading when a place is free.
async fn in_turn(
    places: Arc<Semaphore>,
    loading: Loading,
    work: impl Future<Output = Result<Described, String>>,
) -> (Loading, Result<Described, String>) {
    let _place = places.acquire().await;
    let result = work.await;
    (loading, result)
}
