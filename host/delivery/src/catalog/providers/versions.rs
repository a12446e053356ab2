//! The way back, and builds that subscriptions pin.
//!
//! A pinned build that is not the one in force is held beside it, with the same grant. It is the newest of its version that
//! is kept; while somebody pins it, it is kept however many come after it.

use super::stored::Paused;
use super::{Build, Described, Provider, ProviderState, describe, plugin_of, recognise_file};
use crate::Error;
use crate::catalog::Catalog;
use postern_core::{ProviderId, Subscription};
use postern_store::Kind;
use schemars::JsonSchema;
use semver::Version;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Builds that are pinned and not in force.
pub(in crate::catalog) type Pins = BTreeMap<(ProviderId, Version), Arc<Provider>>;

/// The least of a digest that names a build.
const SHORTEST_DIGEST: usize = 8;

/// What a build is to its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BuildStanding {
    /// New calls get it.
    InForce,
    /// It asks for more than the grant.
    AwaitingApproval,
    /// It was in force, and can be again.
    Kept,
}

/// A build of a provider, as operators see it.
#[derive(Clone, Debug)]
pub struct KeptBuild {
    /// The build.
    pub build: Build,
    /// What it is to the provider.
    pub standing: BuildStanding,
    /// How many subscriptions pin its version.
    pub pinned_by: usize,
}

impl Catalog {
    /// The builds of a provider: one that waits for approval, the one in force, then those before it.
    ///
    /// # Errors
    /// There is no such provider.
    pub fn versions(&self, id: &ProviderId) -> Result<Vec<KeptBuild>, Error> {
        let provider = self.provider(id)?;
        let pins = self.pinning(id);
        let mut seen = BTreeSet::new();
        let mut view = |build: Build, standing| {
            let newest = standing != BuildStanding::AwaitingApproval && seen.insert(build.version.clone());
            let pinned_by = if newest { pins.iter().filter(|version| **version == build.version).count() } else { 0 };
            KeptBuild { build, standing, pinned_by }
        };
        let waiting = provider.pending.iter().map(|pending| view(pending.build.clone(), BuildStanding::AwaitingApproval));
        let mut all: Vec<_> = waiting.collect();
        all.extend(provider.in_force().map(|build| view(build, BuildStanding::InForce)));
        all.extend(provider.builds.iter().skip(1).map(|build| view(build.clone(), BuildStanding::Kept)));
        Ok(all)
    }

    /// Puts an earlier build of a provider in force again: the one before the present one, or the one that is named by its
    /// version or the beginning of its digest. The grant stays as it is.
    ///
    /// # Errors
    /// There is no such provider or build, it does not load any more, or it is no longer trusted. The present one serves on.
    pub async fn roll_back_provider(&self, id: &ProviderId, target: Option<&str>) -> Result<(), Error> {
        self.settled(id).await;
        let build = self.provider(id)?.target(target)?;
        let described = self.kept_again(id, &build).await?;
        let grant = |of: &Provider| (*of.grant).clone();
        let staged = self.stage(&described.clone().with(grant(&*self.provider(id)?), true)).await?;
        let _changing = self.changing.lock().await;
        let before = self.provider(id)?;
        if before.target(Some(&build.digest))? != build {
            return Err(Error::Conflict(format!("{id} was changed meanwhile; look at its versions again")));
        }
        let paused = before.state.paused().filter(|paused| *paused == Paused::Disabled);
        let provider = Provider {
            pending: before.pending.clone().filter(|pending| pending.build.digest != build.digest),
            builds: before.builds.clone(),
            followed: before.followed.clone(),
            ..described.with(grant(&before), true).paused(paused)
        };
        self.put_in_force("rollback", provider, build, staged).await
    }

    /// The build that delivers for a subscription: the one in force, or the one that it pins.
    ///
    /// # Errors
    /// There is no such provider, or the build that it pins is not kept.
    pub fn serving(&self, subscription: &Subscription) -> Result<Arc<Provider>, Error> {
        self.build_of(&subscription.provider_id, subscription.provider_version.as_ref())
    }

    /// The build of this version, or the one in force.
    pub(in crate::catalog) fn build_of(&self, id: &ProviderId, version: Option<&Version>) -> Result<Arc<Provider>, Error> {
        let provider = self.provider(id)?;
        let Some(version) = version.filter(|version| **version != provider.manifest.version) else { return Ok(provider) };
        let pinned = self.pins.load().get(&(id.clone(), version.clone())).cloned();
        pinned.ok_or_else(|| {
            Error::Conflict(format!(
                "version {version} of {id} is not kept; `postern provider versions {id}` shows those that are. Pin another, or none"
            ))
        })
    }

    /// Why the deliveries of a subscription wait for its provider, for people, if they do.
    pub fn waits(&self, subscription: &Subscription) -> Option<String> {
        match self.serving(subscription) {
            Ok(provider) => provider.waits(),
            Err(Error::NotFound { .. }) => {
                let id = &subscription.provider_id;
                Some(format!("there is no provider `{id}`: add it again, or choose another for the subscription"))
            }
            Err(error) => Some(error.to_string()),
        }
    }

    /// The versions that subscriptions pin, once for each subscription.
    fn pinning(&self, id: &ProviderId) -> Vec<Version> {
        let subscriptions = self.subscriptions.read();
        let of_provider = subscriptions.all().filter(|prepared| prepared.subscription.provider_id == *id);
        of_provider.filter_map(|prepared| prepared.subscription.provider_version.clone()).collect()
    }

    /// The versions that are pinned.
    pub(super) fn pinned_versions(&self, id: &ProviderId) -> BTreeSet<Version> {
        let held = self.pins.load();
        let held = held.keys().filter(|(of, _)| of == id).map(|(_, version)| version.clone());
        held.chain(self.pinning(id)).collect()
    }

    /// What is stored of pins, before subscriptions are held in memory.
    pub(super) async fn stored_pins(&self) -> Result<BTreeSet<(ProviderId, Version)>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Pin {
            provider_id: ProviderId,
            provider_version: Option<Version>,
        }
        #[derive(Deserialize)]
        struct Pinning {
            subscription: Pin,
        }
        let stored = self.read::<Pinning>(Kind::Subscription).await?.into_iter();
        Ok(stored.filter_map(|(found, _)| Some((found.subscription.provider_id, found.subscription.provider_version?))).collect())
    }

    /// Loads a build that somebody is about to pin, if it is kept and not there yet.
    ///
    /// # Errors
    /// It does not load.
    pub(in crate::catalog) async fn load_pin(&self, id: &ProviderId, version: &Version) -> Result<(), Error> {
        self.settled(id).await;
        let Ok(provider) = self.provider(id) else { return Ok(()) };
        if self.build_of(id, Some(version)).is_ok_and(|build| build.component.is_some()) {
            return Ok(());
        }
        let Some(build) = provider.builds.iter().find(|build| build.version == *version) else { return Ok(()) };
        let described = self.kept_again(id, build).await?;
        self.put_pin(id, version, described.with((*provider.grant).clone(), true));
        Ok(())
    }

    /// Loads a build that is kept, if it is still trusted and the file that was added.
    async fn kept_again(&self, id: &ProviderId, build: &Build) -> Result<Described, Error> {
        let component = self.kept_component(&build.digest).await?;
        let (component, judged) = self.trust.judged(component, build.signature.clone()).await;
        judged.map_err(Error::Untrusted)?;
        recognise_file(describe(&self.runtime, &plugin_of(id), component).await?, &build.digest)
    }

    /// Holds a build beside the one in force.
    pub(super) fn put_pin(&self, id: &ProviderId, version: &Version, build: Provider) {
        let build = Arc::new(match self.provider(id) {
            Ok(now) => build.beside(&now),
            Err(_) => build,
        });
        self.change_pins(|pins| {
            pins.insert((id.clone(), version.clone()), build.clone());
        });
    }

    /// Takes what is pinned along to another build that is about to be in force, or to another state.
    pub(super) fn carry_pins(&self, after: &Provider) {
        let id = &after.manifest.id;
        let before = self.provider(id).ok().filter(|before| before.component.is_some());
        let pinned = self.pinned_versions(id);
        self.change_pins(|pins| {
            for version in &pinned {
                let key = (id.clone(), version.clone());
                if *version == after.manifest.version {
                    pins.remove(&key);
                    continue;
                }
                let replaced = before.as_ref().filter(|before| before.manifest.version == *version);
                if let Some(build) = pins.get(&key).or(replaced).map(|build| Arc::new(build.beside(after))) {
                    pins.insert(key, build);
                }
            }
        });
    }

    /// Lets go what nobody pins any more.
    pub(in crate::catalog) fn release_pins(&self, id: &ProviderId) {
        let pinned = self.pinning(id);
        if self.pins.load().keys().any(|(of, version)| of == id && !pinned.contains(version)) {
            self.change_pins(|pins| pins.retain(|(of, version), _| of != id || pinned.contains(version)));
        }
    }

    /// Lets go everything that is pinned of a provider.
    pub(super) fn unload_pins(&self, id: &ProviderId) {
        self.change_pins(|pins| pins.retain(|(of, _), _| of != id));
    }

    fn change_pins(&self, change: impl Fn(&mut Pins)) {
        self.pins.rcu(|pins| {
            let mut pins = (**pins).clone();
            change(&mut pins);
            pins
        });
        self.tell_changed();
    }
}

impl Provider {
    /// The same build, beside the one that is in force.
    fn beside(&self, now: &Self) -> Self {
        let state = match (&now.state, &self.component) {
            (_, None) => self.state.clone(),
            // An operator pauses a provider, whatever its build; the rest is about the build in force.
            (ProviderState::Disabled, Some(_)) => ProviderState::Disabled,
            (_, Some(_)) => ProviderState::Active,
        };
        let component = self.component.as_ref().map(|component| component.granted(&now.grant.limits));
        Self { state, grant: now.grant.clone(), component, pending: None, builds: Vec::new(), followed: None, ..self.again() }
    }

    /// What is known of the build in force.
    pub fn in_force(&self) -> Option<Build> {
        let bundled = || Build {
            digest: self.digest.clone(),
            version: self.manifest.version.clone(),
            size: self.size,
            added_at: postern_core::Timestamp::default(),
            file: None,
            signature: None,
            signed_by: None,
        };
        self.builds.first().cloned().or_else(|| self.bundled.then(bundled))
    }

    /// The build that a way back leads to.
    fn target(&self, named: Option<&str>) -> Result<Build, Error> {
        let id = &self.manifest.id;
        let Some(named) = named else {
            let why = if self.bundled { "it comes with the program" } else { "none was in force before the present one" };
            let found = self.builds.get(1).cloned();
            return found.ok_or_else(|| Error::Conflict(format!("there is no build of {id} to go back to: {why}")));
        };
        let is_named = |build: &&Build| {
            build.version.to_string() == named || (named.len() >= SHORTEST_DIGEST && build.digest.starts_with(named))
        };
        match self.builds.iter().find(is_named) {
            Some(build) if build.digest == self.digest => {
                Err(Error::Conflict(format!("{id} {} ({named}) is the build in force", build.version)))
            }
            Some(build) => Ok(build.clone()),
            None => Err(Error::not_found("kept build of the provider with the version or digest", named)),
        }
    }
}
