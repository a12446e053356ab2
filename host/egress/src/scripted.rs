//! A broker for trying providers out: every rule holds, and every connection ends at one server on this machine, which plays
//! the targets.
//!
//! The grant, the limits and the secrets are judged by what a provider asks for, as always. Only then is the request led to the
//! stage, whatever host or address it names: no name is looked up, and nothing but the stage is connected to.

use crate::broker::Broker;
use crate::options::{Error, Options};
use crate::resolve::LookUp;
use http::header::HOST;
use http::{HeaderMap, HeaderValue};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpSocket;
use url::{Host, Url};

/// Where all requests of a scripted broker end.
#[derive(Clone)]
pub struct Stage {
    /// The server. It speaks TLS to who begins with it and plain HTTP/1.1 to who does not.
    pub server: SocketAddr,
    /// The one authority that is trusted, as a certificate in DER. It signs for every name.
    pub authority: Vec<u8>,
    /// What meets who looks for a host: its name in lower case, or its address.
    pub door: Arc<dyn Fn(&str) -> Door + Send + Sync>,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("server", &self.server).finish_non_exhaustive()
    }
}

/// What meets who looks for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The server.
    Open,
    /// Nobody listens.
    Closed,
    /// The name does not resolve.
    Unknown,
}

impl Broker {
    /// A broker whose requests all end at a stage. Of the options, the trusted certificates do not count, and the stage's own
    /// address is allowed. To be called within a tokio runtime.
    ///
    /// # Errors
    /// As [`Broker::new`], the authority is no certificate, or this machine has no loopback address.
    pub fn scripted(mut options: Options, stage: Stage) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(stage.authority))?;
        options.allow.push(crate::AllowRule::Subnet(stage.server.ip().into()));
        let closed = ClosedDoor::new().map_err(Error::Stage)?;
        let (server, door) = (stage.server, stage.door);
        let look_up: LookUp = Arc::new(move |name| {
            let found = match door(&shown_host(&name)) {
                Door::Open => Ok(vec![server]),
                Door::Closed => Ok(vec![closed.address]),
                Door::Unknown => Err(io::Error::new(io::ErrorKind::NotFound, "the script says that nobody knows this name")),
            };
            Box::pin(async { found })
        });
        Self::staged(options, roots, look_up)
    }
}

/// An address where nobody listens, and nobody else can begin to.
struct ClosedDoor {
    address: SocketAddr,
    _held: TcpSocket,
}

impl ClosedDoor {
    fn new() -> io::Result<Self> {
        let held = TcpSocket::new_v4()?;
        held.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { address: held.local_addr()?, _held: held })
    }
}

/// Behind an address that stands as a name: one that never resolves (RFC 6761).
const STANDS_FOR_ADDRESS: &str = ".address.invalid";

/// The host as the provider wrote it.
fn shown_host(name: &str) -> String {
    match name.strip_suffix(STANDS_FOR_ADDRESS) {
        Some(digits) => digits.replace('-', "."),
        None => name.to_owned(),
    }
}

/// Leads a request that was allowed to the stage: its connector asks the look-up about names only, and takes the look-up's port
/// only where the URL has none. The server learns what was meant by the header `Host`.
pub(crate) fn lead(url: &mut Url, headers: &mut HeaderMap) {
    let meant = &url[url::Position::BeforeHost..url::Position::AfterPort];
    if let Ok(meant) = HeaderValue::from_str(meant) {
        headers.insert(HOST, meant);
    }
    let digits = match url.host() {
        Some(Host::Ipv4(address)) => Some(address.to_string().replace('.', "-")),
        Some(Host::Ipv6(address)) => Some(address.segments().map(|segment| format!("{segment:x}")).join("-")),
        _ => None,
    };
    // Neither can fail: the URL has a host, and the name is one.
    let _ = url.set_port(None);
    if let Some(digits) = digits {
        let _ = url.set_host(Some(&format!("{digits}{STANDS_FOR_ADDRESS}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_url_names_becomes_a_name_without_a_port() {
        for (asked, name, meant) in [
            ("https://hooks.slack.com/a?b=c", "hooks.slack.com", "hooks.slack.com"),
            ("https://example.com:8443/a?b=c", "example.com", "example.com:8443"),
            ("http://127.0.0.1:9000/a?b=c", "127-0-0-1.address.invalid", "127.0.0.1:9000"),
            ("http://[2001:db8::1]/a?b=c", "2001-db8-0-0-0-0-0-1.address.invalid", "[2001:db8::1]"),
        ] {
            let (mut url, mut headers) = (Url::parse(asked).unwrap(), HeaderMap::new());
            lead(&mut url, &mut headers);
            assert_eq!((url.host_str(), url.port(), url.path(), url.query()), (Some(name), None, "/a", Some("b=c")));
            assert_eq!(headers[HOST], meant);
        }
        assert_eq!(shown_host("127-0-0-1.address.invalid"), "127.0.0.1");
        assert_eq!(shown_host("hooks.slack.com"), "hooks.slack.com");
    }
}
