//! Providers: those that come with the program and those that were added, each with its grant.

use super::Catalog;
use super::forward::Staged;
use super::settings::{self, Opened};
use crate::Error;
use crate::audit::{self, Difference, Values};
use crate::own_events::PLUGIN as OWN_PLUGIN;
use postern_core::grant::Grant;
use postern_core::host_pattern::HostPattern;
use postern_core::manifest::ManifestError;
use postern_core::{DeliveryId, Json, Manifest, PluginId, ProviderId, Subscription};
use postern_egress::{Call, CallSettings, Seals, Witness};
use postern_events::Violation;
use postern_events::settings::Form;
use postern_runtime::limits::OutOfRange;
use postern_runtime::{Component, Limits, Runtime};
use postern_store::{AuditEntry, Kind, NewEvent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// A provider as it is now. A change makes a new one; calls that have begun keep the one that they began with.
pub struct Provider {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Whether it delivers.
    pub state: ProviderState,
    /// What the operator allows it.
    pub grant: Arc<Grant>,
    /// SHA-256 of its component, in hex.
    pub digest: String,
    /// The size of its component in bytes.
    pub size: usize,
    /// Whether it came with the program.
    pub bundled: bool,
    /// A newer build that asks for more than the grant, waiting for approval.
    pub pending: Option<Pending>,
    /// The manifest's hosts.
    pub(crate) wish: Arc<[HostPattern]>,
    /// None unless it is loaded.
    pub(crate) form: Option<Arc<Form>>,
    /// None unless it is loaded and has connections.
    pub(crate) connection_form: Option<Arc<Form>>,
    /// None unless it is loaded.
    pub(crate) component: Option<Component>,
    /// The most memory that a call of it was seen to need, in bytes.
    pub(crate) footprint: Arc<AtomicUsize>,
}

/// Whether a provider delivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "state", content = "reason")]
pub enum ProviderState {
    /// It does.
    Active,
    /// It asks for hosts that were not granted yet.
    AwaitingApproval,
    /// It did not load.
    Failed(String),
    /// Its calls trapped too often in a row; its deliveries wait.
    Quarantined(String),
    /// An operator paused it; its deliveries wait.
    Disabled,
}

/// Why a provider that is loaded is paused, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Paused {
    Quarantined(String),
    Disabled,
}

impl ProviderState {
    fn paused(&self) -> Option<Paused> {
        match self {
            Self::Quarantined(reason) => Some(Paused::Quarantined(reason.clone())),
            Self::Disabled => Some(Paused::Disabled),
            Self::Active | Self::AwaitingApproval | Self::Failed(_) => None,
        }
    }
}

impl From<Paused> for ProviderState {
    fn from(paused: Paused) -> Self {
        match paused {
            Paused::Quarantined(reason) => Self::Quarantined(reason),
            Paused::Disabled => Self::Disabled,
        }
    }
}

/// A build that waits for approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// SHA-256 of its component, in hex.
    pub digest: String,
    /// What it says of itself.
    pub manifest: Manifest,
}

/// What became of an added component.
#[derive(Debug)]
pub struct Added {
    /// The provider's id.
    pub id: ProviderId,
    /// Whether no provider had this id before.
    pub new: bool,
    /// Whether it waits for approval, and for which hosts.
    pub asks: Vec<HostPattern>,
}

/// How a provider is stored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    digest: String,
    size: usize,
    manifest: Manifest,
    grant: Grant,
    approved: bool,
    #[serde(default)]
    bundled: bool,
    #[serde(default)]
    pending: Option<Pending>,
    #[serde(default)]
    paused: Option<Paused>,
}

/// What a provider is called for; nothing of it, to try settings out.
#[derive(Clone, Copy, Default)]
pub(crate) struct Purpose<'a> {
    pub(crate) delivery: Option<DeliveryId>,
    pub(crate) subscription: Option<&'a Subscription>,
}

/// Whether a component that was read again is what was added: a grant and an approval are for that file and for what it said
/// then, and for nothing that it says later.
fn recognise(described: Described, digest: &str, manifest: &Manifest) -> Result<Described, Error> {
    if described.component.digest() != digest {
        let message = "its component is not the file that was added; add it again: postern provider add".to_owned();
        return Err(Error::Conflict(message));
    }
    if described.manifest != *manifest {
        return Err(Error::Manifest(fickle()));
    }
    Ok(described)
}

/// A manifest that is now this and then that.
fn fickle() -> ManifestError {
    ManifestError { field: "contents", reason: "they changed; `describe` must answer the same each time".into() }
}

/// A component that was loaded and said what it is.
#[derive(Clone)]
struct Described {
    component: Component,
    manifest: Manifest,
    form: Arc<Form>,
    connection_form: Option<Arc<Form>>,
}

impl Catalog {
    pub(super) async fn load_providers(&self, bundled: &[(&'static str, &'static [u8])]) -> Result<(), Error> {
        let mut stored: Vec<Stored> = self.read(Kind::Provider).await?.into_iter().map(|(stored, _)| stored).collect();
        for (plugin, bytes) in bundled {
            let plugin: PluginId =
                plugin.parse().map_err(|error: postern_core::id::ParseIdError| Error::Internal(error.to_string()))?;
            let described = self.describe(&plugin, bytes.to_vec()).await?;
            let known =
                stored.iter().position(|stored| stored.manifest.id == described.manifest.id).map(|at| stored.swap_remove(at));
            let grant = known.as_ref().map(|known| known.grant.clone());
            let grant = grant.unwrap_or_else(|| Grant { hosts: described.manifest.hosts.clone(), ..Grant::default() });
            let provider = provider(described, grant, true, true, None);
            // A quarantine is of one build.
            let paused = known.filter(|known| known.digest == provider.digest || known.paused == Some(Paused::Disabled));
            self.install(provider.paused(paused.and_then(|known| known.paused)));
        }
        for stored in stored.into_iter().filter(|stored| !stored.bundled) {
            let loaded = match tokio::fs::read(self.component_path(&stored.digest)).await {
                Ok(bytes) => match stored.manifest.id.as_str().split('.').next().map(str::parse::<PluginId>) {
                    Some(Ok(plugin)) => {
                        self.describe(&plugin, bytes).await.map_err(|error| error.to_string()).and_then(|described| {
                            recognise(described, &stored.digest, &stored.manifest).map_err(|error| error.to_string())
                        })
                    }
                    _ => Err("its id has no plugin".to_owned()),
                },
                Err(error) => Err(format!("its component cannot be read: {error}")),
            };
            match loaded {
                Ok(described) => {
                    let provider = provider(described, stored.grant, stored.approved, false, stored.pending);
                    self.install(provider.paused(stored.paused));
                }
                Err(reason) => {
                    tracing::error!(provider = %stored.manifest.id, %reason, "the provider did not load");
                    self.install(Provider {
                        state: ProviderState::Failed(reason),
                        grant: Arc::new(stored.grant),
                        digest: stored.digest,
                        size: stored.size,
                        bundled: false,
                        pending: stored.pending,
                        wish: stored.manifest.hosts.clone().into(),
                        form: None,
                        connection_form: None,
                        component: None,
                        footprint: Arc::default(),
                        manifest: stored.manifest,
                    });
                }
            }
        }
        Ok(())
    }

    /// One provider.
    ///
    /// # Errors
    /// There is none of this id.
    pub fn provider(&self, id: &ProviderId) -> Result<Arc<Provider>, Error> {
        self.providers.load().get(id).cloned().ok_or_else(|| Error::not_found("provider", id))
    }

    /// Every provider, by id.
    pub fn providers(&self) -> Vec<Arc<Provider>> {
        self.providers.load().values().cloned().collect()
    }

    /// Adds a component as a provider of `plugin`, or upgrades the one that it is. What asks for more than its grant
    /// waits for approval; meanwhile the build before serves on.
    ///
    /// # Errors
    /// It is no component that fits, or its manifest or a schema of it does not hold what the contract says.
    pub async fn add_provider(&self, plugin: &PluginId, bytes: Vec<u8>) -> Result<Added, Error> {
        if plugin.as_str() == OWN_PLUGIN {
            return Err(Error::Conflict(format!(
                "the plugin `{OWN_PLUGIN}` is for the providers that come with the program; choose another plugin id"
            )));
        }
        let described = self.describe(plugin, bytes.clone()).await?;
        let id = described.manifest.id.clone();
        let digest = described.component.digest().to_owned();
        let asks = |grant: &Grant| described.manifest.hosts.iter().filter(|host| !grant.hosts.contains(host)).cloned().collect();
        // What can be put in force at once is prepared before anything is held up.
        let grant = self.provider(&id).map(|before| (*before.grant).clone()).unwrap_or_default();
        let ungranted: Vec<HostPattern> = asks(&grant);
        let staged = if ungranted.is_empty() {
            self.stage(&provider(described.clone(), grant, true, false, None)).await?
        } else {
            Staged::default()
        };
        let _changing = self.changing.lock().await;
        self.keep_component(&digest, bytes).await?;
        let before = self.provider(&id).ok();
        let grant = before.as_ref().map(|before| (*before.grant).clone()).unwrap_or_default();
        let asks: Vec<_> = asks(&grant);
        let approved = asks.is_empty();
        let added = Added { id: id.clone(), new: before.is_none(), asks };
        match before {
            Some(before) if !approved && before.component.is_some() => {
                let pending = Some(Pending { digest, manifest: described.manifest });
                self.save_provider("add", &before, pending.clone()).await?;
                self.install(Provider { pending, ..before.again() });
            }
            _ => {
                // Another build ends a quarantine, but not what an operator decided.
                let paused = before.and_then(|before| before.state.paused()).filter(|paused| *paused == Paused::Disabled);
                let provider = provider(described, grant, approved, false, None).paused(paused);
                self.save_provider("add", &provider, None).await?;
                self.install(provider);
                self.settings_again(&id, staged).await?;
            }
        }
        Ok(added)
    }

    /// Grants a provider the hosts that it asks for, and puts the build that waits for them in force.
    ///
    /// # Errors
    /// There is none of this id, or the waiting build does not load.
    pub async fn approve_provider(&self, id: &ProviderId) -> Result<(), Error> {
        let now = self.provider(id)?;
        let mut at_once = Staged::default();
        let waiting = match &now.pending {
            None if now.state == ProviderState::AwaitingApproval => {
                at_once = self.stage(&Provider { state: ProviderState::Active, ..now.again() }).await?;
                None
            }
            None => None,
            Some(pending) => {
                let bytes = tokio::fs::read(self.component_path(&pending.digest))
                    .await
                    .map_err(|error| Error::Internal(format!("the waiting component cannot be read: {error}")))?;
                let described = self.describe(&plugin_of(id), bytes).await?;
                let described = recognise(described, &pending.digest, &pending.manifest)?;
                let staged = self.stage(&provider(described.clone(), Grant::default(), true, false, None)).await?;
                Some((pending.digest.clone(), described, staged))
            }
        };
        let _changing = self.changing.lock().await;
        let before = self.provider(id)?;
        let (approved, staged) = match (waiting, &before.pending) {
            (None, None) => {
                let hosts = union(&before.grant.hosts, &before.manifest.hosts);
                let provider = Provider {
                    state: match &before.state {
                        ProviderState::AwaitingApproval => ProviderState::Active,
                        other => other.clone(),
                    },
                    grant: Arc::new(Grant { hosts, ..(*before.grant).clone() }),
                    ..before.again()
                };
                (provider, at_once)
            }
            (Some((digest, described, staged)), Some(pending)) if digest == pending.digest => {
                let hosts = union(&before.grant.hosts, &described.manifest.hosts);
                (provider(described, Grant { hosts, ..(*before.grant).clone() }, true, before.bundled, None), staged)
            }
            _ => {
                return Err(Error::Conflict(format!("another build of {id} was added meanwhile; look at what it asks for")));
            }
        };
        self.save_provider("approve", &approved, None).await?;
        self.install(approved);
        self.settings_again(id, staged).await
    }

    /// Replaces what a provider is allowed.
    ///
    /// # Errors
    /// There is none of this id, or a limit is out of range.
    pub async fn set_grant(&self, id: &ProviderId, grant: Grant) -> Result<Arc<Provider>, Error> {
        self.runtime.limits().check_granted(&grant.limits).map_err(|wrong| {
            let violation = |wrong: OutOfRange| Violation::new(format!("/limits/{}", wrong.name()), wrong.to_string());
            Error::invalid("the grant does not fit", wrong.into_iter().map(violation).collect())
        })?;
        let _changing = self.changing.lock().await;
        let before = self.provider(id)?;
        let component = before.component.as_ref().map(|component| component.granted(&grant.limits));
        let changed = Provider { grant: Arc::new(grant), component, pending: before.pending.clone(), ..before.again() };
        self.save_provider("grant", &changed, before.pending.clone()).await?;
        self.install(changed);
        self.provider(id)
    }

    /// Removes a provider that was added.
    ///
    /// # Errors
    /// There is none of this id, it came with the program, or a subscription uses it.
    pub async fn remove_provider(&self, id: &ProviderId) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        let before = self.provider(id)?;
        if before.bundled {
            return Err(Error::Conflict(format!("{id} comes with the program and cannot be removed")));
        }
        let users = self.subscriptions_of(id);
        if users > 0 {
            return Err(Error::Conflict(format!("{id} is used by {users} subscription(s); remove or move those first")));
        }
        self.remove(Kind::Provider, id).await?;
        self.providers.rcu(|providers| {
            let mut providers = (**providers).clone();
            providers.remove(id);
            providers
        });
        self.broker.forget(id);
        self.tell_changed();
        // Connections may be left; they then say that their provider is gone.
        self.hold_connections_again(id).await
    }

    /// The broker's side of one call of a provider, for the sake of `purpose`.
    pub(crate) fn call(
        &self,
        provider: &Provider,
        config: &Opened,
        connection: Option<&Opened>,
        seals: Seals,
        purpose: Purpose<'_>,
    ) -> Arc<Call> {
        let call = self.broker.call(CallSettings {
            provider: provider.manifest.id.clone(),
            wish: provider.wish.clone(),
            grant: provider.grant.clone(),
            config: config.clear.clone(),
            connection: connection.map(|connection| connection.clear.clone()),
            seals,
            deadline: tokio::time::Instant::now() + provider.limits(&self.runtime).call(),
        });
        let reveals = provider.grant.reveal_secrets;
        Arc::new(if reveals { call.with_witness(self.witness(&provider.manifest.id, purpose)) } else { call })
    }

    /// Puts each secret that is handed out in clear on the audit's record, before that is done.
    fn witness(&self, provider: &ProviderId, purpose: Purpose<'_>) -> Witness {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let tenant = purpose.subscription.map(|subscription| subscription.tenant.clone());
        let entry = audit::entry(self.clock.now(), "secret.reveal", provider.to_string(), tenant);
        let told = |value: String| Values { from: None, to: Some(value.into()) };
        let mut values = BTreeMap::new();
        values.extend(purpose.delivery.map(|id| ("delivery".to_owned(), told(id.to_string()))));
        values.extend(purpose.subscription.map(|subscription| ("subscription".to_owned(), told(subscription.id.to_string()))));
        Box::new(move |place| {
            let mut difference = Difference { changed: Vec::new(), values: values.clone() };
            difference.values.insert("secret".to_owned(), told(place));
            let detail = serde_json::to_string(&difference).ok().and_then(|text| Json::parse(text).ok());
            let entry = AuditEntry { at: clock.now(), kind: Some(Kind::Provider), detail, ..entry.clone() };
            let store = store.clone();
            Box::pin(async move {
                let kept = store.audit_append(entry).await;
                kept.map_err(|error| format!("The secret is not handed out, because that cannot be put on record: {error}"))
            })
        })
    }

    /// Loads a component and asks it what it is: twice, since all that is granted is granted to what it says.
    async fn describe(&self, plugin: &PluginId, bytes: Vec<u8>) -> Result<Described, Error> {
        let component = self.runtime.load(bytes).await?;
        let manifest = Manifest::check(plugin, component.describe().await.result?)?;
        if manifest != Manifest::check(plugin, component.describe().await.result?)? {
            return Err(Error::Manifest(fickle()));
        }
        let form = Arc::new(settings::compile("config", &manifest.config)?);
        let connection_form = manifest
            .connection
            .as_ref()
            .map(|connection| settings::compile("connection", connection).map(Arc::new))
            .transpose()?;
        Ok(Described { component, manifest, form, connection_form })
    }

    pub(super) fn install(&self, provider: Provider) {
        let provider = Arc::new(provider);
        self.providers.rcu(|providers| {
            let mut providers = (**providers).clone();
            providers.insert(provider.manifest.id.clone(), provider.clone());
            providers
        });
        self.tell_changed();
    }

    pub(super) async fn save_provider(&self, verb: &str, provider: &Provider, pending: Option<Pending>) -> Result<(), Error> {
        self.save_provider_announced(verb, provider, pending, Vec::new()).await
    }

    /// Likewise, with what the host announces of it.
    pub(super) async fn save_provider_announced(
        &self,
        verb: &str,
        provider: &Provider,
        pending: Option<Pending>,
        events: Vec<NewEvent>,
    ) -> Result<(), Error> {
        let stored = Stored {
            digest: provider.digest.clone(),
            size: provider.size,
            manifest: provider.manifest.clone(),
            grant: (*provider.grant).clone(),
            approved: provider.state != ProviderState::AwaitingApproval,
            bundled: provider.bundled,
            pending,
            paused: provider.state.paused(),
        };
        self.put_announced(Some(verb), Kind::Provider, &provider.manifest.id, &stored, events).await?;
        Ok(())
    }

    fn component_path(&self, digest: &str) -> PathBuf {
        self.components.join(format!("{digest}.wasm"))
    }

    async fn keep_component(&self, digest: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let path = self.component_path(digest);
        let write = move || -> std::io::Result<()> {
            use std::io::Write;
            if path.exists() {
                return Ok(());
            }
            let temporary = path.with_extension("new");
            let mut file = std::fs::File::create(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)
        };
        tokio::task::spawn_blocking(write)
            .await
            .map_err(|error| Error::Internal(error.to_string()))?
            .map_err(|error| Error::Internal(format!("the component cannot be kept in {}: {error}", self.components.display())))
    }
}

impl Provider {
    /// The same provider once more, to change some of it.
    pub(super) fn again(&self) -> Self {
        Self {
            manifest: self.manifest.clone(),
            state: self.state.clone(),
            grant: self.grant.clone(),
            digest: self.digest.clone(),
            size: self.size,
            bundled: self.bundled,
            pending: None,
            wish: self.wish.clone(),
            form: self.form.clone(),
            connection_form: self.connection_form.clone(),
            component: self.component.clone(),
            footprint: self.footprint.clone(),
        }
    }

    /// The same, paused if it would deliver.
    fn paused(self, paused: Option<Paused>) -> Self {
        match (paused, &self.state) {
            (Some(paused), ProviderState::Active) => Self { state: paused.into(), ..self },
            _ => self,
        }
    }

    /// The hosts that it, or the build that waits, asks for and was not granted.
    pub fn asks(&self) -> Vec<&HostPattern> {
        let wish = self.pending.as_ref().map_or(&self.manifest.hosts, |pending| &pending.manifest.hosts);
        wish.iter().filter(|host| !self.grant.hosts.contains(host)).collect()
    }

    /// The bounds of its calls.
    pub(crate) fn limits<'a>(&'a self, runtime: &'a Runtime) -> &'a Limits {
        self.component.as_ref().map_or(runtime.limits(), Component::limits)
    }

    /// The version of the contract that it speaks, if it is loaded.
    pub fn contract(&self) -> Option<String> {
        self.component.as_ref().map(|component| component.contract().to_string())
    }
}

fn provider(described: Described, grant: Grant, approved: bool, bundled: bool, pending: Option<Pending>) -> Provider {
    let Described { component, manifest, form, connection_form } = described;
    let component = component.granted(&grant.limits);
    Provider {
        state: if approved { ProviderState::Active } else { ProviderState::AwaitingApproval },
        grant: Arc::new(grant),
        digest: component.digest().to_owned(),
        size: component.size(),
        bundled,
        pending,
        wish: manifest.hosts.clone().into(),
        form: Some(form),
        connection_form,
        component: Some(component),
        footprint: Arc::default(),
        manifest,
    }
}

fn union(granted: &[HostPattern], wished: &[HostPattern]) -> Vec<HostPattern> {
    let mut hosts = granted.to_vec();
    hosts.extend(wished.iter().filter(|host| !granted.contains(host)).cloned());
    hosts
}

fn plugin_of(id: &ProviderId) -> PluginId {
    id.as_str().split('.').next().and_then(|plugin| plugin.parse().ok()).expect("a provider's id begins with its plugin's")
}
