//! Which IP addresses a provider may be connected to.
//!
//! Special addresses are denied unless the operator names them. The tables follow the IANA special-purpose registries
//! (RFC 6890 and its successors) and add what cloud providers serve metadata on. An IPv6 address that carries an IPv4
//! address is judged by both.

use crate::listeners::Listeners;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use url::Host;

/// First address, length of the prefix, what such an address is.
type Row<T> = (T, u32, &'static str);

const IPV4: [Row<Ipv4Addr>; 19] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "an address of this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "a private address"),
    (Ipv4Addr::new(100, 100, 100, 200), 32, "a cloud metadata address"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "a carrier-grade NAT address"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "a loopback address"),
    (Ipv4Addr::new(169, 254, 169, 254), 32, "a cloud metadata address"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "a link-local address"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "a private address"),
    (Ipv4Addr::new(192, 0, 0, 192), 32, "a cloud metadata address"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "an IETF protocol address"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "a documentation address"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a 6to4 relay address"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "a private address"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "a benchmarking address"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "a documentation address"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "a documentation address"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "a multicast address"),
    (Ipv4Addr::new(255, 255, 255, 255), 32, "the broadcast address"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "a reserved address"),
];

const IPV6: [Row<Ipv6Addr>; 17] = [
    (Ipv6Addr::UNSPECIFIED, 128, "the unspecified address"),
    (Ipv6Addr::LOCALHOST, 128, "a loopback address"),
    (Ipv6Addr::UNSPECIFIED, 96, "an IPv4-compatible address"),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, "a NAT64 address"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "a local NAT64 address"),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "a discard-only address"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, "a Teredo address"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "an IETF protocol address"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "a documentation address"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "a 6to4 address"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "a documentation address"),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, "a segment routing address"),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128, "a cloud metadata address"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "a unique local address"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "a link-local address"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "a site-local address"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "a multicast address"),
];

/// What is special about an address; none: it is an ordinary public one.
pub(crate) fn special(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let covers = |row: &&Row<Ipv4Addr>| (u32::from(v4) ^ u32::from(row.0)) >> (32 - row.1) == 0;
            IPV4.iter().find(covers).map(|row| row.2)
        }
        IpAddr::V6(v6) => {
            let covers = |row: &&Row<Ipv6Addr>| (u128::from(v6) ^ u128::from(row.0)) >> (128 - row.1) == 0;
            // Only 2000::/3 is handed out for global unicast; whatever else there may be is not for providers.
            IPV6.iter().find(covers).map(|row| row.2).or_else(|| (v6.segments()[0] >> 13 != 1).then_some("a reserved address"))
        }
    }
}

/// The IPv4 address that an IPv6 address carries, where it stands for a way to that address.
pub(crate) fn embedded(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address.to_canonical() else { return None };
    let segments = v6.segments();
    let v4 = |high: u16, low: u16| Some(IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))));
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] => {
            v4(high, low)
        }
        [0x2002, high, low, ..] => v4(high, low),
        // RFC 4380: the client's address stands at the end with every bit turned round.
        [0x2001, 0, _, _, _, _, high, low] => v4(!high, !low),
        _ => None,
    }
}

/// A special address, a subnet or a name that the operator lets providers reach after all: `egress.allow`.
///
/// Written `10.0.0.0/8`, `127.0.0.1`, `::1` or `receiver.internal`. A name allows whatever special addresses exactly that
/// name resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowRule {
    /// The addresses of a subnet; one address is the subnet with all bits.
    Subnet(IpNet),
    /// A name in lower case, without a dot at its end.
    Name(String),
}

/// The text is no address, subnet or name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address, subnet or name; expected for example \"10.0.0.0/8\", \"127.0.0.1\" or \"receiver.internal\"")]
pub struct ParseAllowRuleError(String);

impl FromStr for AllowRule {
    type Err = ParseAllowRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(subnet) = text.parse::<IpNet>() {
            return Ok(Self::Subnet(subnet.trunc()));
        }
        if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Ok(Self::Subnet(address.into()));
        }
        // A dot at a name's end says that it is whole; more of them, or none between labels, are no name.
        match Host::parse(text.strip_suffix('.').unwrap_or(text)) {
            Ok(Host::Domain(name)) if name.split('.').all(is_label) => Ok(Self::Name(name)),
            _ => Err(ParseAllowRuleError(text.chars().take(80).collect())),
        }
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

impl fmt::Display for AllowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subnet(subnet) => subnet.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl Serialize for AllowRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AllowRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The address rules that are in force.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    allow: Vec<AllowRule>,
    listeners: Listeners,
}

/// A special address that no rule allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forbidden {
    /// The address to allow: the one itself or the IPv4 address that it carries.
    pub(crate) address: IpAddr,
    /// `a loopback address`.
    pub(crate) what: &'static str,
}

impl Policy {
    pub(crate) fn new(allow: Vec<AllowRule>) -> Self {
        Self { allow, listeners: Listeners::default() }
    }

    /// The operator's rules.
    pub(crate) fn allowed(&self) -> &[AllowRule] {
        &self.allow
    }

    /// Where the daemon itself listens, which no rule allows.
    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Whether a connection to this address is allowed by what it is or by a rule for addresses.
    pub(crate) fn judge(&self, address: IpAddr) -> Result<(), Forbidden> {
        for candidate in [Some(address), embedded(address)].into_iter().flatten() {
            let canonical = candidate.to_canonical();
            if let Some(what) = special(canonical)
                && !self.allow.iter().any(|rule| {
                    matches!(rule, AllowRule::Subnet(subnet) if subnet.contains(&canonical) || subnet.contains(&candidate))
                })
            {
                return Err(Forbidden { address: canonical, what });
            }
        }
        Ok(())
    }

    /// Whether a rule allows whatever this name resolves to.
    pub(crate) fn allows_name(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.');
        self.allow.iter().any(|rule| matches!(rule, AllowRule::Name(allowed) if allowed.eq_ignore_ascii_case(name)))
    }
}

impl Forbidden {
    /// The rule that would allow it, as it stands in the configuration.
    pub(crate) fn rule(&self) -> IpNet {
        self.address.into()
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
