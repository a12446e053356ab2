//! What the operator configures, and why no broker can be made of it.

use crate::address::AllowRule;
use crate::limits::Limits;
use crate::record::RecordBodies;
use postern_core::host_pattern::HostPattern;
use std::path::PathBuf;

/// What the operator configures.
#[derive(Clone, Debug)]
pub struct Options {
    /// Special addresses that providers may reach after all. Default: none.
    pub allow: Vec<AllowRule>,
    /// The hosts that any provider may reach at most, whatever is granted. Default: empty, so that grants alone decide.
    pub hosts: Vec<HostPattern>,
    /// Hosts that a secret may be sent to without TLS. Default: none.
    pub plain_http: Vec<HostPattern>,
    /// Files with certificates in PEM that are trusted. Default: none.
    pub roots: Vec<PathBuf>,
    /// Whether the certificates that the platform trusts are trusted too. Default: yes.
    pub platform_roots: bool,
    /// The bounds.
    pub limits: Limits,
    /// What the records of exchanges keep of bodies. Default: their beginnings.
    pub record_bodies: RecordBodies,
    /// The `User-Agent` of requests that name none. Default: `Postern/` and the version.
    pub user_agent: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            hosts: Vec::new(),
            plain_http: Vec::new(),
            roots: Vec::new(),
            platform_roots: true,
            limits: Limits::default(),
            record_bodies: RecordBodies::Full,
            user_agent: concat!("Postern/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// The broker cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user agent cannot stand in a header.
    #[error("the user agent `{0}` cannot stand in a header")]
    UserAgent(String),
    /// A file of certificates cannot be used.
    #[error("[egress] roots: {} cannot be used: {reason}", file.display())]
    Roots {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The stage of a scripted broker cannot be set up.
    #[error("the stage cannot be set up on this machine: {0}")]
    Stage(std::io::Error),
    /// No HTTP client can be made.
    #[error("no HTTP client can be made")]
    Client(#[from] reqwest::Error),
}
