//! How providers are stored: each with its grant and with the builds of it that are kept.

use super::{Provider, ProviderState};
use crate::Error;
use crate::catalog::Catalog;
use postern_core::grant::Grant;
use postern_core::{Manifest, Timestamp};
use postern_store::{Kind, NewEvent};
use semver::Version;
use serde::{Deserialize, Serialize};

/// A component that was put in force or waits for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// SHA-256 of its component, in hex.
    pub digest: String,
    /// As its author counts.
    #[serde(default = "unknown_version")]
    pub version: Version,
    /// The size of its component in bytes.
    #[serde(default)]
    pub size: usize,
    /// When it was added, for the last time.
    #[serde(default)]
    pub added_at: Timestamp,
    /// The file in a watched folder that it came from; none: somebody uploaded it, or it came with the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The minisign signature that it came with, to be verified again at each start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The name of the key that the signature is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
}

/// What is known of a build's version before anybody asked it.
pub(super) fn unknown_version() -> Version {
    Version::new(0, 0, 0)
}

/// A build that waits for approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// The build.
    #[serde(flatten)]
    pub build: Build,
    /// What it says of itself.
    pub manifest: Manifest,
}

/// The file in a watched folder that a provider follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Followed {
    /// Its path.
    pub file: String,
    /// SHA-256 of the content that was taken from it last, in hex: what is in force may be another since.
    pub digest: String,
}

/// Why a provider that is loaded is paused, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Paused {
    Quarantined(String),
    Disabled,
}

impl ProviderState {
    pub(super) fn paused(&self) -> Option<Paused> {
        match self {
            Self::Quarantined(reason) => Some(Paused::Quarantined(reason.clone())),
            Self::Disabled => Some(Paused::Disabled),
            Self::Active | Self::AwaitingApproval | Self::Failed(_) | Self::Loading => None,
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

/// How a provider is stored.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored {
    pub(super) digest: String,
    pub(super) size: usize,
    pub(super) manifest: Manifest,
    pub(super) grant: Grant,
    pub(super) approved: bool,
    #[serde(default)]
    pub(super) bundled: bool,
    #[serde(default)]
    pub(super) pending: Option<Pending>,
    #[serde(default)]
    pub(super) paused: Option<Paused>,
    /// The one in force first, then those before it. Empty for what came with the program.
    #[serde(default)]
    pub(super) builds: Vec<Build>,
    #[serde(default)]
    pub(super) followed: Option<Followed>,
}

impl Stored {
    /// What is stored of a provider.
    fn of(provider: &Provider) -> Self {
        Self {
            digest: provider.digest.clone(),
            size: provider.size,
            manifest: provider.manifest.clone(),
            grant: (*provider.grant).clone(),
            approved: provider.approved,
            bundled: provider.bundled,
            pending: provider.pending.clone(),
            paused: provider.state.paused(),
            builds: provider.builds.clone(),
            followed: provider.followed.clone(),
        }
    }

    /// The build in force. One that was stored before builds were kept is known by its digest alone.
    pub(super) fn build(&self) -> Build {
        let plain = || Build {
            digest: self.digest.clone(),
            version: self.manifest.version.clone(),
            size: self.size,
            added_at: Timestamp::default(),
            file: None,
            signature: None,
            signed_by: None,
        };
        self.builds.first().cloned().unwrap_or_else(plain)
    }
}

impl Catalog {
    /// Stores a provider and puts it in force. The record calls it `verb`.
    pub(super) async fn put_provider(&self, verb: &str, provider: Provider) -> Result<(), Error> {
        self.put_provider_announced(verb, provider, Vec::new()).await
    }

    /// Likewise, with what the host announces of it.
    pub(in crate::catalog) async fn put_provider_announced(
        &self,
        verb: &str,
        provider: Provider,
        events: Vec<NewEvent>,
    ) -> Result<(), Error> {
        let dropped = self.dropped_by(&provider);
        let stored = Stored::of(&provider);
        self.put_announced(Some(verb), Kind::Provider, &provider.manifest.id, &stored, events).await?;
        self.install(provider);
        self.drop_components(dropped).await;
        Ok(())
    }
}
