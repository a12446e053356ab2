//! Hosts that a provider asks for, or that an operator grants or allows.
//!
//! A pattern is `[SCHEME://]HOST[:PORT]`:
//!
//! | pattern | fits |
//! |---|---|
//! | `hooks.slack.com` | `https` on port 443 of that name |
//! | `*.atlassian.net` | `https` on port 443 of every name below it, not of itself |
//! | `http://127.0.0.1:9000` | plain HTTP on that port of that address |
//! | `example.com:*` | `https` on any port |
//! | `{config.url}`, `{connection.baseUrl}` | exactly the scheme, host and port of the URL in that field of the settings |
//! | `any-host` | every host, `https` on any port; a bare `*` is refused, so that nobody grants everything by a slip |

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use url::{Host, Url};

/// A pattern of hosts. See the module for how it is written.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// The scheme, host and port of the URL in a field of the settings.
    Field(FieldReference),
    /// Hosts by name or address.
    Literal(Literal),
}

/// A field of the settings, at the top level.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FieldReference {
    /// Which settings.
    pub section: Section,
    /// The field's name.
    pub name: String,
}

/// Which settings a field belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// The subscription's.
    Config,
    /// The connection's.
    Connection,
}

/// Hosts by name or address.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Literal {
    scheme: Scheme,
    host: HostRule,
    port: PortRule,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Scheme {
    Https,
    Http,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum HostRule {
    Exact(Host),
    Below(String),
    Any,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum PortRule {
    Default,
    Exact(u16),
    Any,
}

/// The text is no host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a host pattern: {reason}")]
pub struct ParseHostPatternError {
    text: String,
    reason: &'static str,
}

impl HostPattern {
    /// Whether a request to `url` fits. `field` looks up what a field of the settings holds.
    pub fn allows<'a>(&self, url: &Url, field: impl Fn(&FieldReference) -> Option<&'a str>) -> bool {
        match self {
            Self::Field(reference) => field(reference)
                .and_then(|text| Url::parse(text).ok())
                .is_some_and(|wanted| wanted.host().is_some() && origin(&wanted) == origin(url)),
            Self::Literal(literal) => {
                let scheme = match literal.scheme {
                    Scheme::Https => "https",
                    Scheme::Http => "http",
                };
                url.scheme() == scheme && literal.covers(url)
            }
        }
    }

    /// Whether it fits every host.
    pub fn is_any_host(&self) -> bool {
        matches!(self, Self::Literal(Literal { host: HostRule::Any, .. }))
    }

    /// Whether the host and port of `url` fit, whatever the scheme: for the list of hosts that plain HTTP is allowed for.
    pub fn covers_host(&self, url: &Url) -> bool {
        matches!(self, Self::Literal(literal) if literal.covers(url))
    }
}

/// The scheme, host and port of the URL in a field, as [`HostPattern::Field`] takes them; none if it holds no URL of a host.
pub fn origin_of(text: &str) -> Option<url::Origin> {
    Url::parse(text).ok().filter(|url| url.host().is_some()).map(|url| url.origin())
}

fn origin(url: &Url) -> (&str, Option<Host<&str>>, Option<u16>) {
    (url.scheme(), url.host(), url.port_or_known_default())
}

impl Literal {
    fn covers(&self, url: &Url) -> bool {
        let host = match (&self.host, url.host()) {
            (_, None) => false,
            (HostRule::Any, Some(_)) => true,
            (HostRule::Exact(wanted), Some(host)) => wanted == &host.to_owned(),
            (HostRule::Below(suffix), Some(Host::Domain(name))) => {
                name.strip_suffix(suffix.as_str()).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
            }
            (HostRule::Below(_), Some(_)) => false,
        };
        host && match self.port {
            PortRule::Default => url.port().is_none(),
            PortRule::Exact(port) => url.port_or_known_default() == Some(port),
            PortRule::Any => true,
        }
    }
}

impl FromStr for HostPattern {
    type Err = ParseHostPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason| ParseHostPatternError { text: text.chars().take(80).collect(), reason };
        if let Some(inner) = text.strip_prefix('{') {
            let (section, name) = inner
                .strip_suffix('}')
                .and_then(|inner| inner.split_once('.'))
                .ok_or_else(|| error("a field is written `{config.NAME}` or `{connection.NAME}`"))?;
            let section = match section {
                "config" => Section::Config,
                "connection" => Section::Connection,
                _ => return Err(error("a field is written `{config.NAME}` or `{connection.NAME}`")),
            };
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
                return Err(error("a field's name has letters, digits, `_` and `-`"));
            }
            return Ok(Self::Field(FieldReference { section, name: name.to_owned() }));
        }
        if text == "any-host" {
            return Ok(Self::Literal(Literal { scheme: Scheme::Https, host: HostRule::Any, port: PortRule::Any }));
        }
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(_) => return Err(error("the scheme is `https` or `http`")),
            None => (Scheme::Https, text),
        };
        if rest.contains(['/', '?', '#', '@', '\\', '%']) || rest.chars().any(char::is_whitespace) {
            return Err(error("it ends with the host or the port, without user, path or query"));
        }
        let colon = rest.rfind(':').filter(|at| !rest[*at..].contains(']'));
        let (host, port) = match colon {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let port = match port {
            None => PortRule::Default,
            Some("*") => PortRule::Any,
            Some(port) => match port.parse() {
                Ok(0) | Err(_) => return Err(error("the port is a number from 1 to 65535, or `*`")),
                Ok(443) if scheme == Scheme::Https => PortRule::Default,
                Ok(80) if scheme == Scheme::Http => PortRule::Default,
                Ok(port) => PortRule::Exact(port),
            },
        };
        if host == "*" {
            return Err(error("a bare `*` would allow every host; write `any-host` if that is meant"));
        }
        let host = match host.strip_prefix("*.") {
            Some(suffix) => match Host::parse(suffix) {
                Ok(Host::Domain(name)) if name.contains('.') && !name.contains('*') => HostRule::Below(name),
                _ => return Err(error("behind `*.` stands a name of at least two parts, `example.com`")),
            },
            None => match Host::parse(host) {
                Ok(Host::Domain(name)) if name.contains('*') => {
                    return Err(error("a `*` stands only at the beginning, as in `*.example.com`"));
                }
                Ok(host) => HostRule::Exact(host),
                Err(_) => return Err(error("the host is a name, an IPv4 address or an IPv6 address in brackets")),
            },
        };
        Ok(Self::Literal(Literal { scheme, host, port }))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(reference) => reference.fmt(f),
            Self::Literal(Literal { host: HostRule::Any, .. }) => f.write_str("any-host"),
            Self::Literal(literal) => {
                if literal.scheme == Scheme::Http {
                    f.write_str("http://")?;
                }
                match &literal.host {
                    HostRule::Exact(host) => host.fmt(f)?,
                    HostRule::Below(suffix) => write!(f, "*.{suffix}")?,
                    HostRule::Any => {}
                }
                match literal.port {
                    PortRule::Default => Ok(()),
                    PortRule::Exact(port) => write!(f, ":{port}"),
                    PortRule::Any => f.write_str(":*"),
                }
            }
        }
    }
}

impl fmt::Display for FieldReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}.{}}}", self.section, self.name)
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config => "config",
            Self::Connection => "connection",
        })
    }
}

impl fmt::Debug for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, url: &str) -> bool {
        let pattern: HostPattern = pattern.parse().unwrap();
        assert_eq!(pattern.to_string().parse::<HostPattern>().unwrap(), pattern, "written and read back");
        pattern.allows(&Url::parse(url).unwrap(), |field| (field.name == "url").then_some("https://Example.com:8443/hook?x=1"))
    }

    #[test]
    fn a_name_fits_itself_over_tls_on_its_own_port() {
        assert!(allows("hooks.slack.com", "https://HOOKS.slack.com/services/1"));
        assert!(allows("hooks.slack.com:443", "https://hooks.slack.com"));
        for url in [
            "http://hooks.slack.com",
            "https://hooks.slack.com:8443",
            "https://slack.com",
            "https://hooks.slack.com.evil.org",
            "https://xhooks.slack.com",
        ] {
            assert!(!allows("hooks.slack.com", url), "{url}");
        }
    }

    #[test]
    fn a_star_fits_names_below_and_nothing_else() {
        assert!(allows("*.atlassian.net", "https://acme.atlassian.net"));
        assert!(allows("*.atlassian.net", "https://a.b.atlassian.net"));
        for url in ["https://atlassian.net", "https://evilatlassian.net", "https://.atlassian.net", "https://1.2.3.4"] {
            assert!(!allows("*.atlassian.net", url), "{url}");
        }
    }

    #[test]
    fn a_field_stands_for_its_exact_origin() {
        assert!(allows("{config.url}", "https://example.com:8443/other"));
        for url in ["https://example.com/hook", "http://example.com:8443/hook", "https://sub.example.com:8443"] {
            assert!(!allows("{config.url}", url), "{url}");
        }
        assert!(!allows("{config.other}", "https://example.com:8443"));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_and_nothing_else() {
        assert_eq!(origin_of("https://Example.com/a?b"), origin_of("https://example.com:443/{{ payload.id }}"));
        for other in ["http://example.com", "https://example.com:8443", "https://sub.example.com", "https://example.com@evil.org"]
        {
            assert_ne!(origin_of("https://example.com"), origin_of(other), "{other}");
        }
        for none in ["", "example.com", "[secret]", "mailto:a@example.com"] {
            assert_eq!(origin_of(none), None, "{none}");
        }
    }

    #[test]
    fn addresses_ports_and_schemes_are_matched_as_written() {
        assert!(allows("http://127.0.0.1:9000", "http://127.0.0.1:9000/x"));
        assert!(allows("http://127.0.0.1:9000", "http://0x7f.1:9000/x"), "the URL's own reading of an address counts");
        assert!(allows("[::1]:*", "https://[::1]:7/x"));
        assert!(!allows("http://127.0.0.1:9000", "http://127.0.0.1:9001"));
        assert!(allows("any-host", "https://anything.example:444"));
        assert!(!allows("any-host", "http://anything.example"));
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_a_reason() {
        for bad in [
            "",
            "*",
            "*.com",
            "a*.example.com",
            "ftp://x.org",
            "x.org/path",
            "user@x.org",
            "x.org:0",
            "x.org:99999",
            "{url}",
            "{config.}",
            "{env.x}",
            "[::1",
            "x y.org",
            "*.1.2.3.4",
        ] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
    }
}
