//! Bringing the settings of a provider's users forward when a build takes a newer version of them.
//!
//! What a new build can bring forward quickly is ready, in memory, at the moment when the build is put in force, and stored
//! afterwards; the rest follows one by one. Nothing here holds the catalog's lock while a provider works. Whatever is cut
//! off is done again: what is stored stays of its version until it is replaced as a whole.

use super::migration::{self, New, Old};
use super::settings::{Opened, accept, fill_kept};
use super::{Catalog, Provider, ProviderState, connection_form, connections, parse, subscriptions};
use crate::Error;
use crate::catalog::routing::Rules;
use futures::StreamExt as _;
use postern_core::{ConnectionId, ProviderId, SubscriptionId};
use postern_runtime::SettingsKind;
use postern_store::Kind;
use semver::Version;
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How many records are brought forward before a build is put in force, at most; the rest follows.
const MOST_STAGED: usize = 1000;
/// How many bytes of settings, at most.
const MOST_STAGED_BYTES: usize = 16 << 20;
/// How long that may take.
const STAGING: Duration = Duration::from_secs(5);
/// How many providers' users are brought forward side by side.
const SIDE_BY_SIDE: usize = 8;
/// After so many records the log tells how far it is.
const PROGRESS: usize = 100;
/// When what could not be stored is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// Whether settings are of the version that their provider takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// They are, as far as anybody can tell.
    Current,
    /// They are to be brought forward.
    Waiting,
    /// They could not be.
    Stuck,
}

/// Settings that were made ready, or why they are not.
pub(super) struct Readied {
    pub(super) opened: Opened,
    pub(super) problem: Option<String>,
    pub(super) standing: Standing,
}

/// Which record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RecordId {
    Connection(ConnectionId),
    Subscription(SubscriptionId),
}

/// A stored object with settings.
#[derive(Clone)]
pub(super) enum Record {
    Connection(Box<connections::Stored>),
    Subscription(Box<subscriptions::Stored>),
}

/// What became of records before a build is put in force.
#[derive(Default)]
pub(super) struct Staged(BTreeMap<RecordId, (u64, Result<New, String>)>);

/// Records that are ready in memory and not stored yet.
#[derive(Default)]
pub(super) struct Unsaved(parking_lot::Mutex<VecDeque<(Record, u64)>>);

/// One more try to bring a record forward, because somebody changes it.
pub(super) struct Retried {
    pub(super) revision: u64,
    pub(super) record: Record,
    /// Why it stays as it is, if it does.
    pub(super) problem: Option<String>,
}

impl RecordId {
    fn place(self) -> (Kind, String) {
        match self {
            Self::Connection(id) => (Kind::Connection, id.to_string()),
            Self::Subscription(id) => (Kind::Subscription, id.to_string()),
        }
    }
}

impl Record {
    fn id(&self) -> RecordId {
        match self {
            Self::Connection(stored) => RecordId::Connection(stored.connection.id),
            Self::Subscription(stored) => RecordId::Subscription(stored.subscription.id),
        }
    }

    /// The version of the provider that is pinned, if one is.
    fn pinned(&self) -> Option<&Version> {
        match self {
            Self::Connection(_) => None,
            Self::Subscription(stored) => stored.subscription.provider_version.as_ref(),
        }
    }

    fn provider(&self) -> &ProviderId {
        match self {
            Self::Connection(stored) => &stored.connection.provider_id,
            Self::Subscription(stored) => &stored.subscription.provider_id,
        }
    }

    fn old<'a>(&'a self, record: &'a str) -> Old<'a> {
        match self {
            Self::Connection(stored) => stored.old(record),
            Self::Subscription(stored) => stored.old(record),
        }
    }
}

impl Catalog {
    /// Makes stored settings ready for the build that uses them. `stuck` says why they could not be brought forward, if
    /// that was tried.
    pub(super) fn ready(&self, provider: Result<Arc<Provider>, Error>, old: Old<'_>, stuck: Option<String>) -> Readied {
        let unusable = |problem, standing| Readied {
            opened: Opened::unusable(&self.vault, old.record, old.value, old.secrets),
            problem: Some(problem),
            standing,
        };
        if let Some(problem) = stuck {
            return unusable(problem, Standing::Stuck);
        }
        let provider = match provider {
            Ok(provider) => provider,
            Err(error) => return unusable(error.to_string(), Standing::Current),
        };
        let form = match old.kind {
            SettingsKind::Connection => connection_form(&provider),
            SettingsKind::Config => provider.form.as_deref().ok_or_else(|| format!("{} is not loaded", provider.manifest.id)),
        };
        let form = match form {
            Ok(form) => form,
            Err(problem) => return unusable(problem, Standing::Current),
        };
        let ready = |opened| Readied { opened, problem: None, standing: Standing::Current };
        match old.version.cmp(&form.version()) {
            Ordering::Less => unusable(migration::waiting(&provider, old.kind, old.version), Standing::Waiting),
            Ordering::Equal => Opened::open(&self.vault, form, old.record, old.value, old.secrets)
                .map_or_else(|problem| unusable(problem, Standing::Current), ready),
            // An older build was put in force again. What fits it is used and stays as it is stored.
            Ordering::Greater => {
                let before = Opened::unusable(&self.vault, old.record, old.value, old.secrets);
                let opened = accept(form, old.value.clone(), Some(&before), &[], "")
                    .map_err(|violations| migration::list(&violations))
                    .and_then(|mut accepted| {
                        fill_kept(form, &mut accepted, Some(&before));
                        Opened::unsaved(form, accepted)
                    });
                let stuck = |reason: String| migration::problem(&provider, old.kind, old.version, &reason);
                opened.map_or_else(|reason| unusable(stuck(reason), Standing::Stuck), ready)
            }
        }
    }

    /// How many subscriptions and connections of a provider are not of the versions that it takes.
    pub fn unmigrated(&self, provider: &ProviderId) -> usize {
        self.standings(|of, standing| of == provider && standing != Standing::Current).len()
    }

    /// Brings forward what waits for it, until `stop`. One task does this for as long as the catalog is used.
    pub async fn bring_settings_forward(&self, stop: CancellationToken) {
        loop {
            let unfinished = !self.store_unsaved(&stop).await | !self.forward_waiting(&stop).await;
            let again = async {
                if unfinished {
                    tokio::time::sleep(AGAIN).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.forwarding.notified() => {}
                () = again => {}
            }
        }
    }

    /// Brings a build's users forward as far as that is quickly done, before it is put in force.
    pub(super) async fn stage(&self, provider: &Provider) -> Result<Staged, Error> {
        let mut staged = Staged::default();
        let id = &provider.manifest.id;
        if provider.state != ProviderState::Active || self.standings(|of, _| of == id).is_empty() {
            return Ok(staged);
        }
        let (began, mut bytes) = (Instant::now(), 0);
        for (record, revision) in self.records_of(id).await? {
            if staged.0.len() == MOST_STAGED || bytes > MOST_STAGED_BYTES || began.elapsed() > STAGING {
                break;
            }
            if record.pinned().is_some_and(|version| *version != provider.manifest.version) {
                continue;
            }
            if let Some(outcome) = self.forward(provider, &record).await {
                bytes += outcome.as_ref().map_or(0, |new| new.value.to_string().len());
                staged.0.insert(record.id(), (revision, outcome));
            }
        }
        if !staged.0.is_empty() {
            let failed = staged.0.values().filter(|(_, outcome)| outcome.is_err()).count();
            tracing::info!(provider = %id, version = %provider.manifest.version, records = staged.0.len(), failed, "settings brought forward");
        }
        Ok(staged)
    }

    /// Makes the settings of a provider's users ready anew, because its schemas may have changed.
    pub(super) async fn settings_again(&self, id: &ProviderId, mut staged: Staged) -> Result<(), Error> {
        self.unsaved.0.lock().retain(|(record, _)| record.provider() != id);
        for (mut record, revision) in self.records_of(id).await? {
            match staged.0.remove(&record.id()).filter(|(of, _)| *of == revision) {
                Some((_, Ok(new))) => {
                    self.replace(&mut record, new);
                    self.unsaved.0.lock().push_back((record.clone(), revision));
                    self.hold_record(record, revision, None);
                }
                Some((_, Err(problem))) => self.hold_record(record, revision, Some(problem)),
                None => self.hold_record(record, revision, None),
            }
        }
        self.forwarding.notify_one();
        Ok(())
    }

    /// Brings forward what waits since the last run, before anything is delivered.
    pub(super) async fn settings_at_start(&self) -> Result<(), Error> {
        for provider in self.providers() {
            let id = &provider.manifest.id;
            if !self.standings(|of, standing| of == id && standing == Standing::Waiting).is_empty() {
                let staged = self.stage(&provider).await?;
                self.settings_again(id, staged).await?;
            }
        }
        Ok(())
    }

    /// Tries once more to bring a record forward that is not current, or whose version of the provider becomes another one,
    /// because somebody changes it. Nothing is stored.
    pub(super) async fn forward_again(&self, id: RecordId, version: Option<Option<Version>>) -> Result<Option<Retried>, Error> {
        let (standing, problem) = match id {
            RecordId::Connection(id) => self.connection(id).map(|found| (found.standing, found.problem.clone()))?,
            RecordId::Subscription(id) => self.subscription(id).map(|found| (found.standing, found.problem.clone()))?,
        };
        if standing == Standing::Current && version.is_none() {
            return Ok(None);
        }
        let Some((mut record, revision)) = self.read_record(id).await? else { return Ok(None) };
        if let (Record::Subscription(stored), Some(version)) = (&mut record, version) {
            stored.subscription.provider_version = version;
        }
        let outcome = match self.build_of(record.provider(), record.pinned()) {
            Ok(provider) => self.forward(&provider, &record).await,
            Err(_) => None,
        };
        let problem = match outcome {
            None => problem,
            Some(Err(problem)) => Some(problem),
            Some(Ok(new)) => {
                self.replace(&mut record, new);
                None
            }
        };
        Ok(Some(Retried { revision, record, problem }))
    }

    /// Brings one record forward; none if there is nothing to do.
    async fn forward(&self, provider: &Provider, record: &Record) -> Option<Result<New, String>> {
        let (_, id) = record.id().place();
        let old = record.old(&id);
        if provider.form_of(old.kind).is_none_or(|form| form.version() <= old.version) {
            return None;
        }
        let mut outcome = migration::bring_forward(&self.vault, provider, old).await;
        if let (Ok(new), Record::Subscription(stored)) = (&outcome, record) {
            let misfits = self.misfits(&stored.subscription, &Rules::default(), &new.templates);
            if !misfits.is_empty() {
                outcome = Err(migration::list(&misfits));
            }
        }
        Some(outcome.map_err(|reason| migration::problem(provider, old.kind, old.version, &reason)))
    }

    fn replace(&self, record: &mut Record, new: New) {
        let now = self.clock.now();
        match record {
            Record::Connection(stored) => stored.replace(new, now),
            Record::Subscription(stored) => stored.replace(new, now),
        }
    }

    fn hold_record(&self, record: Record, revision: u64, stuck: Option<String>) {
        match record {
            Record::Connection(stored) => self.hold(*stored, revision, stuck),
            Record::Subscription(stored) => self.hold_subscription(*stored, revision, stuck),
        }
    }

    async fn store_record(&self, record: &Record) -> Result<u64, Error> {
        let (kind, id) = record.id().place();
        match record {
            Record::Connection(stored) => self.put_as(Some("migrate"), kind, id, &**stored).await,
            Record::Subscription(stored) => self.put_as(Some("migrate"), kind, id, &**stored).await,
        }
    }

    /// Stores what is ready in memory, unless somebody changed it meanwhile. Whether all of it is stored.
    async fn store_unsaved(&self, stop: &CancellationToken) -> bool {
        while !stop.is_cancelled() {
            let _changing = self.changing.lock().await;
            let Some((record, revision)) = self.unsaved.0.lock().pop_front() else { break };
            if self.revision_of(record.id()) != Some(revision) {
                continue;
            }
            match self.store_record(&record).await {
                Ok(revision) => self.hold_record(record, revision, None),
                Err(error) => {
                    tracing::error!(%error, "settings that were brought forward cannot be stored; trying again in a minute");
                    self.unsaved.0.lock().push_front((record, revision));
                    return false;
                }
            }
        }
        true
    }

    /// Brings forward what waits, several providers side by side, so that a slow one does not keep the others waiting.
    /// Whether nothing is left that could be tried again later.
    async fn forward_waiting(&self, stop: &CancellationToken) -> bool {
        let mut providers = BTreeMap::<ProviderId, Vec<RecordId>>::new();
        for (provider, id) in self.standings(|_, standing| standing == Standing::Waiting) {
            providers.entry(provider).or_default().push(id);
        }
        let work: Vec<_> = providers.into_iter().map(|(provider, waiting)| self.forward_users(provider, waiting, stop)).collect();
        let finished: Vec<bool> = futures::stream::iter(work).buffer_unordered(SIDE_BY_SIDE).collect().await;
        finished.into_iter().all(|finished| finished)
    }

    async fn forward_users(&self, provider: ProviderId, waiting: Vec<RecordId>, stop: &CancellationToken) -> bool {
        let (mut done, mut stuck) = (0, 0);
        for id in &waiting {
            if stop.is_cancelled() {
                return true;
            }
            match self.forward_one(*id).await {
                Ok(true) => done += 1,
                Ok(false) => stuck += 1,
                Err(error) => {
                    tracing::error!(%provider, %error, "settings cannot be brought forward; trying again in a minute");
                    return false;
                }
            }
            if (done + stuck) % PROGRESS == 0 || done + stuck == waiting.len() {
                tracing::info!(%provider, done, stuck, of = waiting.len(), "settings brought forward");
            }
        }
        true
    }

    /// Brings one record forward and stores it. Whether it is no longer of an old version.
    async fn forward_one(&self, id: RecordId) -> Result<bool, Error> {
        let Some((mut record, revision)) = self.read_record(id).await? else { return Ok(true) };
        let Ok(provider) = self.build_of(record.provider(), record.pinned()) else { return Ok(false) };
        // One that waits for approval does nothing yet; its approval looks at them again.
        if provider.state != ProviderState::Active {
            return Ok(true);
        }
        let Some(outcome) = self.forward(&provider, &record).await else { return Ok(true) };
        let _changing = self.changing.lock().await;
        let now = self.build_of(record.provider(), record.pinned());
        let same_build = now.is_ok_and(|now| now.digest == provider.digest);
        if self.revision_of(id) != Some(revision) || !same_build {
            // Whoever changed it made it ready, or told this task to look again.
            return Ok(true);
        }
        match outcome {
            Ok(new) => {
                self.replace(&mut record, new);
                let revision = self.store_record(&record).await?;
                self.hold_record(record, revision, None);
                Ok(true)
            }
            Err(problem) => {
                self.hold_record(record, revision, Some(problem));
                Ok(false)
            }
        }
    }

    /// Every record of a provider, connections first, since subscriptions use them.
    async fn records_of(&self, id: &ProviderId) -> Result<Vec<(Record, u64)>, Error> {
        let connections = self.read(Kind::Connection).await?.into_iter();
        let subscriptions = self.read(Kind::Subscription).await?.into_iter();
        let connections = connections.map(|(stored, revision)| (Record::Connection(Box::new(stored)), revision));
        let subscriptions = subscriptions.map(|(stored, revision)| (Record::Subscription(Box::new(stored)), revision));
        Ok(connections.chain(subscriptions).filter(|(record, _)| record.provider() == id).collect())
    }

    async fn read_record(&self, id: RecordId) -> Result<Option<(Record, u64)>, Error> {
        let (kind, name) = id.place();
        let Some(document) = self.store.document(kind, &name).await? else { return Ok(None) };
        let record = match id {
            RecordId::Connection(_) => Record::Connection(Box::new(parse(&document)?)),
            RecordId::Subscription(_) => Record::Subscription(Box::new(parse(&document)?)),
        };
        Ok(Some((record, document.revision)))
    }

    /// The records whose provider and standing are looked for, with their providers; connections first.
    fn standings(&self, wanted: impl Fn(&ProviderId, Standing) -> bool) -> Vec<(ProviderId, RecordId)> {
        let mut found = Vec::new();
        for known in self.connections.read().values() {
            let connection = &known.connection;
            if wanted(&connection.provider_id, known.standing) {
                found.push((connection.provider_id.clone(), RecordId::Connection(connection.id)));
            }
        }
        for known in self.subscriptions.read().all() {
            let subscription = &known.subscription;
            if wanted(&subscription.provider_id, known.standing) {
                found.push((subscription.provider_id.clone(), RecordId::Subscription(subscription.id)));
            }
        }
        found
    }

    fn revision_of(&self, id: RecordId) -> Option<u64> {
        match id {
            RecordId::Connection(id) => self.connection(id).ok().map(|found| found.revision),
            RecordId::Subscription(id) => self.subscription(id).ok().map(|found| found.revision),
        }
    }
}
