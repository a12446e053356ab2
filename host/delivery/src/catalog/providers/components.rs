//! The folder of components: each that a provider needs, now or for the way back, under its digest.
//!
//! A file is written before the provider that needs it is stored, and removed after the last one that does was. What a crash
//! leaves in between is removed at the next start.

use super::Provider;
use crate::Error;
use crate::catalog::Catalog;
use postern_core::ProviderId;
use semver::Version;
use std::collections::BTreeSet;
use std::path::PathBuf;

impl Catalog {
    pub(super) fn component_path(&self, digest: &str) -> PathBuf {
        self.components.join(format!("{digest}.wasm"))
    }

    /// Reads a component that is kept.
    pub(super) async fn kept_component(&self, digest: &str) -> Result<Vec<u8>, Error> {
        let path = self.component_path(digest);
        let read = tokio::fs::read(&path).await;
        read.map_err(|error| Error::Internal(format!("the component {} cannot be read: {error}", path.display())))
    }

    /// Keeps a component, so that a loss of power leaves the whole of it or nothing.
    pub(super) async fn keep_component(&self, digest: &str, bytes: Vec<u8>) -> Result<(), Error> {
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
            std::fs::rename(&temporary, &path)?;
            std::fs::File::open(path.parent().unwrap_or(&path))?.sync_all()
        };
        tokio::task::spawn_blocking(write)
            .await
            .map_err(|error| Error::Internal(error.to_string()))?
            .map_err(|error| Error::Internal(format!("the component cannot be kept in {}: {error}", self.components.display())))
    }

    /// Leaves of a provider's builds those that are kept: the newest, as many as is configured, and those that a
    /// subscription pins.
    pub(super) fn trim(&self, provider: &mut Provider) {
        let pinned = self.pinned_versions(&provider.manifest.id);
        let mut seen = BTreeSet::<Version>::new();
        let mut place = 0;
        provider.builds.retain(|build| {
            place += 1;
            // A pin means the newest build of its version.
            let pinned = pinned.contains(&build.version) && seen.insert(build.version.clone());
            place <= self.keep_builds.max(1) || pinned
        });
    }

    /// The digests that nobody needs any more once this provider is as it is here.
    pub(super) fn dropped_by(&self, after: &Provider) -> BTreeSet<String> {
        let Ok(before) = self.provider(&after.manifest.id) else { return BTreeSet::new() };
        let needed = self.needed(Some(&after.manifest.id), after.digests());
        before.digests().filter(|digest| !needed.contains(*digest)).map(str::to_owned).collect()
    }

    /// The digests that are needed by all providers but one, and these.
    pub(super) fn needed<'a>(&self, but: Option<&ProviderId>, more: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
        let mut needed: BTreeSet<String> = more.map(str::to_owned).collect();
        for other in self.providers().iter().filter(|other| but != Some(&other.manifest.id)) {
            needed.extend(other.digests().map(str::to_owned));
        }
        needed
    }

    /// Removes components. That one stays is told, and does no harm.
    pub(super) async fn drop_components(&self, digests: BTreeSet<String>) {
        for digest in digests {
            let path = self.component_path(&digest);
            match tokio::fs::remove_file(&path).await {
                Ok(()) => tracing::info!(%digest, "a component that no provider needs any more was removed"),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a component that no provider needs cannot be removed")
                }
            }
        }
    }

    /// Removes what a crash left: components that no provider needs, and files that were not written to their end.
    pub(super) async fn drop_orphans(&self) -> Result<(), Error> {
        let needed = self.needed(None, std::iter::empty());
        let failed = |error: std::io::Error| Error::Internal(format!("{} cannot be read: {error}", self.components.display()));
        let mut entries = tokio::fs::read_dir(&self.components).await.map_err(failed)?;
        let mut orphans = BTreeSet::new();
        while let Some(entry) = entries.next_entry().await.map_err(failed)? {
            let path = entry.path();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("wasm") if !needed.contains(name) => {
                    orphans.insert(name.to_owned());
                }
                Some("new") => drop(tokio::fs::remove_file(&path).await),
                _ => {}
            }
        }
        self.drop_components(orphans).await;
        Ok(())
    }
}

impl Provider {
    /// The digests of the components that it needs in the folder.
    pub(super) fn digests(&self) -> impl Iterator<Item = &str> {
        let pending = self.pending.iter().map(|pending| &pending.build);
        self.builds.iter().chain(pending).map(|build| build.digest.as_str())
    }
}
