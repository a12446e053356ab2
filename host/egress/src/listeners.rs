//! The daemon's own listeners, which no provider reaches, whatever is granted or allowed.
//!
//! Whoever may make the daemon send requests must not speak to its API from the inside, where proxies and firewalls stand
//! behind it. An address that only a translator outside of this machine leads back here cannot be known.

use crate::address::embedded;
use crate::message::Denial;
use parking_lot::RwLock;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Where this daemon listens.
#[derive(Debug, Default)]
pub(crate) struct Listeners(RwLock<Vec<SocketAddr>>);

impl Listeners {
    /// Adds a bound address. An unspecified one stands for every address of this machine.
    pub(crate) fn add(&self, bound: SocketAddr) {
        self.0.write().push(bound);
    }

    /// Refuses an address that leads to a listener. Without a port, every port of a listener's address counts.
    pub(crate) fn judge(&self, address: IpAddr, port: Option<u16>) -> Result<(), Denial> {
        let listeners = self.0.read();
        let at_port = || listeners.iter().filter(|listener| port.is_none_or(|port| port == listener.port()));
        let leads =
            |candidate: IpAddr| at_port().any(|listener| leads_to(candidate.to_canonical(), listener.ip().to_canonical()));
        if !leads(address) && !embedded(address).is_some_and(leads) {
            return Ok(());
        }
        let target = port.map_or_else(|| address.to_string(), |port| SocketAddr::new(address, port).to_string());
        let message = format!(
            "{target} is where this daemon itself listens. No provider reaches that, and nothing allows it; use another address or \
             port for the receiver."
        );
        Err(Denial::denied("own-listener", message))
    }
}

/// Whether a connection to an address arrives at a listener that is bound to another.
fn leads_to(address: IpAddr, bound: IpAddr) -> bool {
    // A connection to the unspecified address goes to this machine's loopback address.
    address == bound || address.is_unspecified() || bound.is_unspecified() && is_local(address)
}

/// Whether an address belongs to this machine: only then can a socket be bound to it. When in doubt, it does.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback()
        || !matches!(UdpSocket::bind((address, 0)), Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bound: &str, address: &str, port: u16) -> bool {
        let listeners = Listeners::default();
        listeners.add(bound.parse().unwrap());
        listeners.judge(address.parse().unwrap(), Some(port)).is_err()
    }

    #[test]
    fn a_listener_is_found_in_every_spelling_of_its_address_and_at_its_port_only() {
        let spellings = ["127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::", "64:ff9b::7f00:1", "::127.0.0.1", "2002:7f00:1::"];
        for spelling in spellings {
            assert!(refused("127.0.0.1:7676", spelling, 7676), "{spelling}");
            assert!(!refused("127.0.0.1:7676", spelling, 7677), "{spelling}");
        }
        for other in ["127.0.0.2", "8.8.8.8", "::1"] {
            assert!(!refused("127.0.0.1:7676", other, 7676), "{other}");
        }
        assert!(refused("[::1]:7676", "::1", 7676));
    }

    #[test]
    fn a_wildcard_counts_for_every_local_address() {
        for bound in ["0.0.0.0:7676", "[::]:7676"] {
            for local in ["127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::ffff:127.0.0.1"] {
                assert!(refused(bound, local, 7676), "{bound} {local}");
                assert!(!refused(bound, local, 80), "{bound} {local}");
            }
            for remote in ["8.8.8.8", "192.0.2.1", "2606:4700::1111"] {
                assert!(!refused(bound, remote, 7676), "{bound} {remote}");
            }
        }
    }

    #[test]
    fn without_a_port_every_listener_counts_and_the_message_says_that_nothing_allows_it() {
        let listeners = Listeners::default();
        assert!(listeners.judge(IpAddr::from([127, 0, 0, 1]), None).is_ok(), "there is none");
        listeners.add(SocketAddr::from(([127, 0, 0, 1], 7676)));
        let denial = listeners.judge(IpAddr::from([127, 0, 0, 1]), None).unwrap_err();
        assert_eq!(denial.code, "own-listener");
        assert!(denial.message.contains("nothing allows it"), "{}", denial.message);
    }
}
