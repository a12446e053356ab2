//! Providers: those that come with the program and those that were added, each with its grant and its builds.
//!
//! | module | what it does |
//! |---|---|
//! | `stored` | how they are stored |
//! | `components` | the folder of components, and what may go from it |
//! | `load` | the start: all at once, the slow ones while the others serve |
//! | `versions` | the way back, and builds that subscriptions pin |

mod components;
mod load;
mod stored;
mod versions;

pub use load::Bundled;
pub(super) use load::Loads;
pub use stored::{Build, Followed, Pending};
pub(super) use versions::Pins;
pub use versions::{BuildStanding, KeptBuild};

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
use postern_store::{AuditEntry, Kind};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use stored::Paused;

/// A provider as it is now. A change makes a new one; calls that have begun keep the one that they began with.
pub struct Provider {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Whether it delivers.
    pub state: ProviderState,
    /// What the operator allows it.
    pub grant: Arc<Grant>,
    /// SHA-256 of its component, in hex; empty while nothing is known of it yet.
    pub digest: String,
    /// The size of its component in bytes.
    pub size: usize,
    /// Whether it came with the program.
    pub bundled: bool,
    /// A newer build that asks for more than the grant, waiting for approval.
    pub pending: Option<Pending>,
    /// The builds that are kept: the one in force first, then those before it. Empty for what came with the program.
    pub builds: Vec<Build>,
    /// The file in a watched folder that it follows, if it does.
    pub followed: Option<Followed>,
    /// Whether an operator let it deliver, or it never asked for more than its grant.
    pub(super) approved: bool,
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
    /// It asks for hosts that were not granted yet; its deliveries wait.
    AwaitingApproval,
    /// It did not load; its deliveries wait.
    Failed(String),
    /// Its calls trapped too often in a row; its deliveries wait.
    Quarantined(String),
    /// An operator paused it; its deliveries wait.
    Disabled,
    /// The program started just now and compiles it; its deliveries wait.
    Loading,
}

/// A component that somebody offers.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The plugin that it is to belong to.
    pub plugin: PluginId,
    /// The component, or a core module built for the contract.
    pub component: Vec<u8>,
    /// Its minisign signature, the whole text of a `.minisig` file.
    pub signature: Option<String>,
    /// The file in a watched folder that it is from.
    pub file: Option<String>,
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

/// What a provider is called for; nothing of it, to try settings out.
#[derive(Clone, Copy, Default)]
pub(crate) struct Purpose<'a> {
    pub(crate) delivery: Option<DeliveryId>,
    pub(crate) subscription: Option<&'a Subscription>,
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

    /// Adds a component as a provider of a plugin, or upgrades the one that it is. What asks for more than its grant waits
    /// for approval; meanwhile the build before serves on.
    ///
    /// # Errors
    /// It is no component that fits, it is not trusted, or its manifest or a schema of it does not hold what the contract
    /// says. Whatever served before serves on.
    pub async fn add_provider(&self, offer: Offer) -> Result<Added, Error> {
        let Offer { plugin, component, signature, file } = offer;
        if plugin.as_str() == OWN_PLUGIN {
            return Err(Error::Conflict(format!(
                "the plugin `{OWN_PLUGIN}` is for the providers that come with the program; choose another plugin id"
            )));
        }
        let (component, judged) = self.trust.judged(component, signature.clone()).await;
        let signed_by = judged.map_err(Error::Untrusted)?;
        let described = describe(&self.runtime, &plugin, component.clone()).await?;
        let id = described.manifest.id.clone();
        self.settled(&id).await;
        self.check_file(&id, file.as_deref())?;
        let build = Build {
            digest: described.component.digest().to_owned(),
            version: described.manifest.version.clone(),
            size: described.component.size(),
            added_at: self.clock.now(),
            file,
            signature,
            signed_by,
        };
        let asks = |grant: &Grant| described.manifest.hosts.iter().filter(|host| !grant.hosts.contains(host)).cloned().collect();
        // What can be put in force at once is prepared before anything is held up.
        let before = self.provider(&id).ok();
        let grant = before.as_ref().map(|before| (*before.grant).clone()).unwrap_or_default();
        let ungranted: Vec<HostPattern> = asks(&grant);
        let staged =
            if ungranted.is_empty() { self.stage(&described.clone().with(grant, true)).await? } else { Staged::default() };
        let _changing = self.changing.lock().await;
        self.keep_component(&build.digest, component).await?;
        let before = self.provider(&id).ok();
        let grant = before.as_ref().map(|before| (*before.grant).clone()).unwrap_or_default();
        let asks: Vec<_> = asks(&grant);
        let approved = asks.is_empty();
        let added = Added { id: id.clone(), new: before.is_none(), asks };
        let following = |before: Option<&Provider>| match &build.file {
            Some(file) => Some(Followed { file: file.clone(), digest: build.digest.clone() }),
            None => before.and_then(|before| before.followed.clone()),
        };
        let followed = following(before.as_deref());
        match before {
            Some(before) if !approved && before.serves() && before.digest != build.digest => {
                let pending = Some(Pending { build, manifest: described.manifest });
                self.put_provider("add", Provider { pending, followed, ..before.again() }).await?;
            }
            _ => {
                // Another build ends a quarantine, but not what an operator decided.
                let paused =
                    before.as_ref().and_then(|before| before.state.paused()).filter(|paused| *paused == Paused::Disabled);
                let mut provider = described.with(grant, approved).paused(paused);
                provider.builds = before.as_ref().map(|before| before.builds.clone()).unwrap_or_default();
                provider.followed = followed;
                self.put_in_force("add", provider, build, staged).await?;
            }
        }
        Ok(added)
    }

    /// Of two files that are the same provider, the one that it follows has its way.
    fn check_file(&self, id: &ProviderId, file: Option<&str>) -> Result<(), Error> {
        let followed = self.provider(id).ok().and_then(|before| before.followed.clone());
        match (file, followed) {
            (Some(file), Some(followed)) if followed.file != file && Path::new(&followed.file).exists() => {
                Err(Error::Conflict(format!("{id} follows the file {}; remove that one, or this", followed.file)))
            }
            _ => Ok(()),
        }
    }

    /// Puts a build of a provider in force, before those that were before.
    async fn put_in_force(&self, verb: &str, mut provider: Provider, build: Build, staged: Staged) -> Result<(), Error> {
        let id = provider.manifest.id.clone();
        provider.builds.retain(|other| other.digest != build.digest);
        provider.builds.insert(0, build);
        self.trim(&mut provider);
        self.put_provider(verb, provider).await?;
        self.settings_again(&id, staged).await
    }

    /// Grants a provider the hosts that it asks for, and puts the build that waits for them in force.
    ///
    /// # Errors
    /// There is none of this id, or the waiting build does not load.
    pub async fn approve_provider(&self, id: &ProviderId) -> Result<(), Error> {
        self.settled(id).await;
        let now = self.provider(id)?;
        let mut at_once = Staged::default();
        let waiting = match &now.pending {
            None if now.state == ProviderState::AwaitingApproval => {
                at_once = self.stage(&Provider { state: ProviderState::Active, ..now.again() }).await?;
                None
            }
            None => None,
            Some(pending) => {
                let component = self.kept_component(&pending.build.digest).await?;
                let described = describe(&self.runtime, &plugin_of(id), component).await?;
                let described = recognise(described, &pending.build.digest, &pending.manifest)?;
                let staged = self.stage(&described.clone().with(Grant::default(), true)).await?;
                Some((described, staged))
            }
        };
        let _changing = self.changing.lock().await;
        let before = self.provider(id)?;
        match (waiting, &before.pending) {
            (None, None) => {
                let hosts = union(&before.grant.hosts, &before.manifest.hosts);
                let state = match &before.state {
                    ProviderState::AwaitingApproval => ProviderState::Active,
                    other => other.clone(),
                };
                let grant = Arc::new(Grant { hosts, ..(*before.grant).clone() });
                self.put_provider("approve", Provider { state, grant, approved: true, ..before.again() }).await?;
                self.settings_again(id, at_once).await
            }
            (Some((described, staged)), Some(pending)) if described.component.digest() == pending.build.digest => {
                let hosts = union(&before.grant.hosts, &described.manifest.hosts);
                let paused = before.state.paused().filter(|paused| *paused == Paused::Disabled);
                let provider = Provider {
                    bundled: before.bundled,
                    builds: before.builds.clone(),
                    followed: before.followed.clone(),
                    ..described.with(Grant { hosts, ..(*before.grant).clone() }, true).paused(paused)
                };
                self.put_in_force("approve", provider, pending.build.clone(), staged).await
            }
            _ => Err(Error::Conflict(format!("another build of {id} was added meanwhile; look at what it asks for"))),
        }
    }

    /// Replaces what a provider is allowed. If it then asks for nothing more, what waited for approval is put in force.
    ///
    /// # Errors
    /// There is none of this id, or a limit is out of range. Or a build that waited for the hosts does not load; the grant is
    /// then replaced all the same.
    pub async fn set_grant(&self, id: &ProviderId, grant: Grant) -> Result<Arc<Provider>, Error> {
        self.runtime.limits().check_granted(&grant.limits).map_err(|wrong| {
            let violation = |wrong: OutOfRange| Violation::new(format!("/limits/{}", wrong.name()), wrong.to_string());
            Error::invalid("the grant does not fit", wrong.into_iter().map(violation).collect())
        })?;
        self.settled(id).await;
        {
            let _changing = self.changing.lock().await;
            let before = self.provider(id)?;
            let component = before.component.as_ref().map(|component| component.granted(&grant.limits));
            self.put_provider("grant", Provider { grant: Arc::new(grant), component, ..before.again() }).await?;
        }
        let now = self.provider(id)?;
        let waits = now.pending.is_some() || now.state == ProviderState::AwaitingApproval;
        if waits && now.asks().is_empty() {
            self.approve_provider(id).await?;
        }
        self.provider(id)
    }

    /// Removes a provider that was added. Forced, also one that subscriptions use: their deliveries wait until it is added
    /// again, and say so.
    ///
    /// # Errors
    /// There is none of this id, it came with the program, or a subscription uses it and `force` is not set.
    pub async fn remove_provider(&self, id: &ProviderId, force: bool) -> Result<(), Error> {
        self.settled(id).await;
        let _changing = self.changing.lock().await;
        let before = self.provider(id)?;
        if before.bundled {
            return Err(Error::Conflict(format!("{id} comes with the program and cannot be removed; disable it instead")));
        }
        let users = self.subscriptions_of(id);
        if users > 0 && !force {
            return Err(Error::Conflict(format!(
                "{id} is used by {users} subscription(s); remove or move those first, or force it: their deliveries then wait \
                 until it is added again"
            )));
        }
        self.remove(Kind::Provider, id).await?;
        self.providers.rcu(|providers| {
            let mut providers = (**providers).clone();
            providers.remove(id);
            providers
        });
        self.broker.forget(id);
        self.unload_pins(id);
        let needed = self.needed(Some(id), std::iter::empty());
        self.drop_components(before.digests().filter(|digest| !needed.contains(*digest)).map(str::to_owned).collect()).await;
        self.tell_changed();
        // Who used it says from now on that it is gone.
        self.settings_again(id, Staged::default()).await
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

    /// From now on, calls that begin get this one.
    fn install(&self, provider: Provider) {
        let provider = Arc::new(provider);
        // Whoever pins the build that is replaced finds it there before it is gone here.
        self.carry_pins(&provider);
        self.providers.rcu(|providers| {
            let mut providers = (**providers).clone();
            providers.insert(provider.manifest.id.clone(), provider.clone());
            providers
        });
        self.tell_changed();
    }
}

/// Loads a component and asks it what it is: twice, since all that is granted is granted to what it says.
async fn describe(runtime: &Runtime, plugin: &PluginId, bytes: Vec<u8>) -> Result<Described, Error> {
    let component = runtime.load(bytes).await?;
    let manifest = Manifest::check(plugin, component.describe().await.result?)?;
    if manifest != Manifest::check(plugin, component.describe().await.result?)? {
        return Err(Error::Manifest(fickle()));
    }
    // Milliseconds, for which deliveries would wait.
    let forms = move || {
        let compile = |what, schema| settings::compile(what, schema).map(Arc::new);
        let form = compile("config", &manifest.config)?;
        let connection_form = manifest.connection.as_ref().map(|connection| compile("connection", connection)).transpose()?;
        Ok(Described { component, manifest, form, connection_form })
    };
    runtime.apart(forms).await?
}

/// Whether a component that was read again is what was added: a grant and an approval are for that file and for what it said
/// then, and for nothing that it says later.
fn recognise(described: Described, digest: &str, manifest: &Manifest) -> Result<Described, Error> {
    let described = recognise_file(described, digest)?;
    if described.manifest == *manifest { Ok(described) } else { Err(Error::Manifest(fickle())) }
}

/// Whether a component that was read again is the file that was added.
fn recognise_file(described: Described, digest: &str) -> Result<Described, Error> {
    if described.component.digest() == digest {
        return Ok(described);
    }
    Err(Error::Conflict("its component is not the file that was added; add it again: postern provider add".to_owned()))
}

/// A manifest that is now this and then that.
fn fickle() -> ManifestError {
    ManifestError { field: "contents", reason: "they changed; `describe` must answer the same each time".into() }
}

impl Described {
    /// As a provider with this grant.
    fn with(self, grant: Grant, approved: bool) -> Provider {
        let Self { component, manifest, form, connection_form } = self;
        let component = component.granted(&grant.limits);
        Provider {
            state: if approved { ProviderState::Active } else { ProviderState::AwaitingApproval },
            grant: Arc::new(grant),
            digest: component.digest().to_owned(),
            size: component.size(),
            bundled: false,
            pending: None,
            builds: Vec::new(),
            followed: None,
            approved,
            wish: manifest.hosts.clone().into(),
            form: Some(form),
            connection_form,
            component: Some(component),
            footprint: Arc::default(),
            manifest,
        }
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
            pending: self.pending.clone(),
            builds: self.builds.clone(),
            followed: self.followed.clone(),
            approved: self.approved,
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

    /// Whether it delivers, or would if it were not paused: then a build that asks for more must not take its place.
    fn serves(&self) -> bool {
        self.component.is_some() && self.state != ProviderState::AwaitingApproval
    }

    /// Why its deliveries wait, for people, if they do.
    pub fn waits(&self) -> Option<String> {
        let id = &self.manifest.id;
        match &self.state {
            ProviderState::Active if self.component.is_some() => None,
            ProviderState::Active => Some(format!("{id} is not loaded")),
            ProviderState::AwaitingApproval => {
                Some(format!("{id} waits for approval; approve it: postern provider approve {id}"))
            }
            ProviderState::Failed(reason) => Some(format!("{id} is not loaded: {reason}")),
            ProviderState::Quarantined(_) => {
                Some(format!("{id} is paused: it is quarantined; enable it: postern provider enable {id}"))
            }
            ProviderState::Disabled => Some(format!("{id} is paused: it is disabled; enable it: postern provider enable {id}")),
            ProviderState::Loading => Some(format!("{id} is being loaded")),
        }
    }

    /// The version of the contract that it speaks, if it is loaded.
    pub fn contract(&self) -> Option<String> {
        self.component.as_ref().map(|component| component.contract().to_string())
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
