//! Watched folders: a `.wasm` file that appears, changes or goes is added, upgraded or removed as if somebody had uploaded it.
//!
//! A file in a folder belongs to the plugin `local`, one in a folder of it to the plugin that is called like that:
//! `acme/jira.wasm`. A signature lies beside its file: `jira.wasm.minisig`. The store of components is the same as for uploads,
//! so what was taken stays though the file is damaged later, and the way back leads to builds before it.
//!
//! The system tells when something happens; what is done follows from what is there, so that nothing depends on being told, and
//! what happened while the daemon was down is found at the start. What was taken from a file last is stored with its provider:
//! a build that an operator went back to stays until the file changes. That a folder cannot be read means nothing.
//!
//! | module | what it does |
//! |---|---|
//! | [`look`] | when a file is whole, and when one is gone; pure |
//! | [`scan`] | what is in the folders |

mod look;
mod scan;

use crate::catalog::Offer;
use crate::catalog::trust::LONGEST_SIGNATURE;
use crate::{Catalog, Error};
use look::{Files, Stamp};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use postern_core::{PluginId, ProviderId};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The plugin of files that are in no folder of their own.
const PLUGIN: &str = "local";
/// How often it is looked though nothing was told; where the system tells nothing (network file systems), what changed is
/// found then.
const EVERY: Duration = Duration::from_secs(5);
/// How long after a look the next one is at the earliest, however much is told.
const SHORTEST: Duration = Duration::from_millis(50);

/// A file in a watched folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WatchedFile {
    /// Its path.
    pub file: String,
    /// The provider that it is; null if it never was one.
    pub provider: Option<ProviderId>,
    /// Why what is in it now was not taken, or why its provider stays though it is gone; null if all is well.
    pub problem: Option<String>,
}

/// Follows the files in these folders until `stop`.
pub async fn run(catalog: Arc<Catalog>, folders: Vec<PathBuf>, stop: CancellationToken) {
    if folders.is_empty() {
        return;
    }
    let (tell, mut told) = mpsc::channel(1);
    let mut watching = Watching::new(tell);
    let mut follower = Follower { catalog, folders, files: Files::default(), unreadable: BTreeSet::new() };
    loop {
        watching.watch(&follower.folders);
        let again = follower.look().await;
        let pause = again.map_or(EVERY, |at| at.saturating_duration_since(Instant::now())).clamp(SHORTEST, EVERY);
        let next = async {
            tokio::time::sleep(SHORTEST).await;
            let _ = tokio::time::timeout(pause - SHORTEST, told.recv()).await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = next => {}
        }
    }
}

/// What the system tells.
struct Watching {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    /// Those that cannot be, and were told of.
    failed: BTreeSet<PathBuf>,
}

impl Watching {
    fn new(tell: mpsc::Sender<()>) -> Self {
        // One that waits to be heard is enough: whoever hears it looks at everything.
        let watcher = notify::recommended_watcher(move |told: notify::Result<notify::Event>| {
            // Looking is an access too.
            if told.map_or(true, |event| !event.kind.is_access()) {
                let _ = tell.try_send(());
            }
        });
        let watcher = watcher.inspect_err(|error| {
            tracing::warn!(%error, "the system does not tell of changed files; watched folders are looked at every 5 s");
        });
        Self { watcher: watcher.ok(), watched: BTreeSet::new(), failed: BTreeSet::new() }
    }

    /// Watches the folders that are there and are not watched yet.
    fn watch(&mut self, folders: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else { return };
        for folder in folders {
            if self.watched.contains(folder) || !folder.is_dir() {
                continue;
            }
            match watcher.watch(folder, RecursiveMode::Recursive) {
                Ok(()) => drop(self.watched.insert(folder.clone())),
                Err(error) if self.failed.insert(folder.clone()) => {
                    tracing::warn!(folder = %folder.display(), %error, "the system does not tell of changes in this folder; it is looked at every 5 s");
                }
                Err(_) => {}
            }
        }
    }
}

struct Follower {
    catalog: Arc<Catalog>,
    folders: Vec<PathBuf>,
    files: Files,
    /// Folders that could not be read at the last look.
    unreadable: BTreeSet<PathBuf>,
}

impl Follower {
    /// Looks at the folders and does what follows from it. Answers with when there may be more to do.
    async fn look(&mut self) -> Option<Instant> {
        let folders = self.folders.clone();
        let scanned = match tokio::task::spawn_blocking(move || scan::folders(&folders)).await {
            Ok(scanned) => scanned,
            Err(error) => {
                tracing::error!(%error, "the watched folders were not looked at");
                return None;
            }
        };
        for (folder, problem) in &scanned.unreadable {
            if !self.unreadable.contains(folder) {
                tracing::warn!(folder = %folder.display(), %problem, "a watched folder cannot be read; its providers stay as they are");
            }
        }
        self.unreadable = scanned.unreadable.into_keys().collect();
        let mut following = self.following();
        following.retain(|path, _| self.is_readable(path));
        let look = self.files.look(scanned.files, following.keys().cloned().collect(), Instant::now());
        self.catalog.forget_files(|path| path.exists() || following.contains_key(path));
        for (path, stamp) in look.whole {
            self.take(&path, &stamp).await;
        }
        for path in look.gone {
            if let Some(provider) = following.get(&path) {
                self.remove(&path, provider).await;
            }
        }
        look.again
    }

    /// The files that providers follow.
    fn following(&self) -> BTreeMap<PathBuf, ProviderId> {
        let providers = self.catalog.providers().into_iter();
        providers.filter_map(|one| Some((PathBuf::from(&one.followed.as_ref()?.file), one.manifest.id.clone()))).collect()
    }

    /// Whether a path is in a folder that was read.
    fn is_readable(&self, path: &Path) -> bool {
        self.folders.iter().any(|folder| path.starts_with(folder) && !self.unreadable.contains(folder))
    }

    /// Offers a file to the catalog, unless it was taken as it is.
    async fn take(&mut self, path: &PathBuf, stamp: &Stamp) {
        let known = self.catalog.providers().into_iter().find_map(|one| {
            let followed = one.followed.clone()?;
            (Path::new(&followed.file) == path).then(|| (one.manifest.id.clone(), followed.digest))
        });
        let (provider, before) = known.map_or((None, None), |(provider, digest)| (Some(provider), Some(digest)));
        let outcome = match self.read(path, stamp).await {
            Ok(None) => return self.files.changed(path, Instant::now()),
            Ok(Some(offer)) if before.as_deref() == Some(postern_runtime::digest(&offer.component).as_str()) => {
                Ok(provider.clone())
            }
            Ok(Some(offer)) => {
                self.catalog.add_provider(offer).await.map(|added| Some(added.id)).map_err(|error| error.to_string())
            }
            Err(problem) => Err(problem),
        };
        match outcome {
            Ok(provider) => {
                if let Some(taken) = provider.as_ref().and_then(|id| self.catalog.provider(id).ok()) {
                    let waits = taken.pending.as_ref().map(|pending| &pending.build.version);
                    let (id, version) = (&taken.manifest.id, waits.unwrap_or(&taken.manifest.version));
                    let asks = taken.asks().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    tracing::info!(file = %path.display(), provider = %id, %version, asks, "the provider follows this file");
                }
                self.catalog.note_file(path, provider, None);
            }
            Err(problem) => {
                let serves = provider.as_ref().map_or("nothing of it serves", |_| "what served before serves on");
                tracing::error!(file = %path.display(), %problem, serves, "a file in a watched folder is not taken");
                self.catalog.note_file(path, provider, Some(problem));
            }
        }
    }

    /// Reads a file; none if it changed meanwhile.
    async fn read(&self, path: &Path, stamp: &Stamp) -> Result<Option<Offer>, String> {
        let most = self.catalog.largest_component();
        if stamp.length > most as u64 {
            return Err(format!("it has {} bytes; at most {most} are allowed ([sandbox] component-bytes)", stamp.length));
        }
        let plugin = self.plugin(path)?;
        let read = |path: PathBuf| async move {
            tokio::fs::read(&path).await.map_err(|error| format!("{} cannot be read: {error}", path.display()))
        };
        let component = read(path.to_owned()).await?;
        let signature = match stamp.signature {
            None => None,
            Some((length, _)) if length > LONGEST_SIGNATURE as u64 => {
                return Err(format!("its signature has {length} bytes; at most {LONGEST_SIGNATURE} are allowed"));
            }
            Some(_) => {
                let signature = String::from_utf8(read(scan::signature_of(path)).await?);
                Some(signature.map_err(|_| "its signature is no text".to_owned())?)
            }
        };
        let file = path.to_str().ok_or("its path is no text")?.to_owned();
        let whole = component.len() as u64 == stamp.length;
        Ok(whole.then_some(Offer { plugin, component, signature, file: Some(file) }))
    }

    /// Whose a file is: the folder's name, if it is in one of its own.
    fn plugin(&self, path: &Path) -> Result<PluginId, String> {
        let parent = path.parent().unwrap_or(Path::new(""));
        if self.folders.iter().any(|folder| folder == parent) {
            return PLUGIN.parse().map_err(|error: postern_core::id::ParseIdError| error.to_string());
        }
        let name = parent.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.parse().map_err(|error| format!("its folder `{name}` should be called like the plugin that it is for: {error}"))
    }

    async fn remove(&self, path: &Path, provider: &ProviderId) {
        let problem = match self.catalog.remove_provider(provider, false).await {
            Ok(()) => {
                tracing::info!(file = %path.display(), %provider, "the file is gone, and its provider was removed");
                return self.catalog.forget_files(|known| known != path);
            }
            Err(Error::Conflict(problem)) => format!("the file is gone, and the provider stays: {problem}"),
            Err(error) => format!("the file is gone, and the provider cannot be removed: {error}"),
        };
        if self.catalog.note_file(path, Some(provider.clone()), Some(problem.clone())) {
            tracing::warn!(file = %path.display(), %provider, %problem, "a file in a watched folder is gone");
        }
    }
}

impl Catalog {
    /// The files in watched folders, by path.
    pub fn watched_files(&self) -> Vec<WatchedFile> {
        self.files.lock().values().cloned().collect()
    }

    /// Remembers what became of a file. Whether that is news.
    fn note_file(&self, path: &Path, provider: Option<ProviderId>, problem: Option<String>) -> bool {
        let noted = WatchedFile { file: path.display().to_string(), provider, problem };
        let before = self.files.lock().insert(path.to_owned(), noted.clone());
        before.as_ref() != Some(&noted)
    }

    /// Forgets files but these.
    fn forget_files(&self, keep: impl Fn(&Path) -> bool) {
        self.files.lock().retain(|path, _| keep(path));
    }
}
