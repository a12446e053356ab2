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
//! | `{connection.site}.example.com` | the name that has the text of that field, which must be one DNS label, in front |
//! | `any-host` | every host, `https` on any port; a bare `*` is refused, so that nobody grants everything by a slip |

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use url::{Host, Url};

/// The word for every host.
const ANY: &str = "any-host";

/// A pattern of hosts. See the module for how it is written.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// The scheme, host and port of the URL in a field of the settings.
    Field(FieldReference),
    /// Hosts by name or address.
    Literal(Literal),
}

/// A field of the settings, at the top level.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

/// Hosts by name or address; the first part of a name may come from a field of the settings.
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
    /// The text of the field, and what follows behind the dot.
    Label(FieldReference, String),
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
                .is_some_and(|wanted| is_http(url) && wanted.host().is_some() && origin(&wanted) == origin(url)),
            Self::Literal(literal) => url.scheme() == literal.scheme.as_str() && literal.covers(url, field),
        }
    }

    /// The field of the settings that it depends on, if it does.
    pub fn field(&self) -> Option<&FieldReference> {
        match self {
            Self::Field(field) | Self::Literal(Literal { host: HostRule::Label(field, _), .. }) => Some(field),
            Self::Literal(_) => None,
        }
    }

    /// Where it leads with this text in its field: `https://acme.example.com:443`. None if it depends on no field, or if the
    /// text is none for it.
    pub fn destination(&self, text: &str) -> Option<String> {
        match self {
            Self::Field(_) => {
                let url = Url::parse(text).ok()?;
                Some(format!("{}://{}:{}", url.scheme(), url.host_str()?, url.port_or_known_default()?))
            }
            Self::Literal(Literal { scheme, host: HostRule::Label(_, behind), port }) => {
                let port = match port {
                    PortRule::Default => scheme.port().to_string(),
                    PortRule::Exact(port) => port.to_string(),
                    PortRule::Any => "*".to_owned(),
                };
                Some(format!("{}://{}.{behind}:{port}", scheme.as_str(), label(text)?))
            }
            Self::Literal(_) => None,
        }
    }

    /// Whether it fits every host.
    pub fn is_any_host(&self) -> bool {
        matches!(self, Self::Literal(Literal { host: HostRule::Any, .. }))
    }

    /// Whether the host and port of `url` fit, whatever the scheme: for the list of hosts that plain HTTP is allowed for.
    pub fn covers_host(&self, url: &Url) -> bool {
        matches!(self, Self::Literal(literal) if literal.covers(url, |_| None))
    }
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }
}

/// What a field's text says of a host: the scheme, host and port of a URL, or a label, in lower case, that stands in front of a
/// name. None if it says neither.
pub fn host_of(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| url.host().is_some());
    url.map(|url| url.origin().ascii_serialization()).or_else(|| label(text))
}

/// One label of a DNS name (RFC 1123, 2.1: letters, digits and hyphens, none of these at an end; 63 at most), in lower case.
fn label(text: &str) -> Option<String> {
    let fits = (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    fits.then(|| text.to_ascii_lowercase())
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http")
}

fn origin(url: &Url) -> (&str, Option<Host<&str>>, Option<u16>) {
    (url.scheme(), url.host(), url.port_or_known_default())
}

impl Literal {
    fn covers<'a>(&self, url: &Url, field: impl Fn(&FieldReference) -> Option<&'a str>) -> bool {
        let host = match (&self.host, url.host()) {
            (_, None) => false,
            (HostRule::Any, Some(_)) => true,
            (HostRule::Exact(wanted), Some(host)) => wanted == &host.to_owned(),
            (HostRule::Below(suffix), Some(Host::Domain(name))) => {
                name.strip_suffix(suffix.as_str()).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
            }
            (HostRule::Label(reference, behind), Some(Host::Domain(name))) => {
                field(reference).and_then(label).is_some_and(|label| {
                    name.strip_suffix(behind.as_str()).and_then(|front| front.strip_suffix('.')) == Some(&label)
                })
            }
            (HostRule::Below(_) | HostRule::Label(..), Some(_)) => false,
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
        if text.starts_with('{') && text.ends_with('}') {
            return Ok(Self::Field(field(text).map_err(error)?));
        }
        if text == ANY {
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
        let behind = |suffix| match Host::parse(suffix) {
            Ok(Host::Domain(name)) if name.contains('.') && is_name(&name) => Some(name),
            _ => None,
        };
        let host = if let Some(suffix) = host.strip_prefix("*.") {
            HostRule::Below(
                behind(suffix).ok_or_else(|| error("behind `*.` stands a name of at least two parts, `example.com`"))?,
            )
        } else if host.starts_with('{') {
            let (reference, suffix) = host.split_once("}.").ok_or_else(|| {
                error("a field stands alone, `{config.NAME}`, or in front of a name, `{config.NAME}.example.com`")
            })?;
            let reference = field(&format!("{reference}}}")).map_err(error)?;
            let behind =
                behind(suffix).ok_or_else(|| error("behind a field stands a name of at least two parts, `example.com`"))?;
            HostRule::Label(reference, behind)
        } else {
            match Host::parse(host) {
                Ok(Host::Domain(name)) if name.contains('*') => {
                    return Err(error("a `*` stands only at the beginning, as in `*.example.com`"));
                }
                // A URL's parser takes braces and more for parts of a name.
                Ok(Host::Domain(name)) if !is_name(&name) => {
                    return Err(error("a name has letters, digits, `-`, `_` and dots"));
                }
                // It would read as every host once it is written.
                Ok(Host::Domain(name)) if name == ANY => {
                    return Err(error("`any-host` stands alone, in small letters: it is every host, and no name"));
                }
                Ok(host) => HostRule::Exact(host),
                Err(_) => return Err(error("the host is a name, an IPv4 address or an IPv6 address in brackets")),
            }
        };
        Ok(Self::Literal(Literal { scheme, host, port }))
    }
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Reads `{config.NAME}`.
fn field(text: &str) -> Result<FieldReference, &'static str> {
    const WRITTEN: &str = "a field is written `{config.NAME}` or `{connection.NAME}`";
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let (section, name) = inner.and_then(|inner| inner.split_once('.')).ok_or(WRITTEN)?;
    let section = match section {
        "config" => Section::Config,
        "connection" => Section::Connection,
        _ => return Err(WRITTEN),
    };
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Err("a field's name has letters, digits, `_` and `-`");
    }
    Ok(FieldReference { section, name: name.to_owned() })
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(reference) => reference.fmt(f),
            Self::Literal(Literal { host: HostRule::Any, .. }) => f.write_str(ANY),
            Self::Literal(literal) => {
                if literal.scheme == Scheme::Http {
                    f.write_str("http://")?;
                }
                match &literal.host {
                    HostRule::Exact(host) => host.fmt(f)?,
                    HostRule::Below(suffix) => write!(f, "*.{suffix}")?,
                    HostRule::Label(field, behind) => write!(f, "{field}.{behind}")?,
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
        // A URL of another scheme is no request, whatever the field holds.
        let elsewhere = "gopher://example.com/";
        let pattern: HostPattern = "{config.url}".parse().unwrap();
        assert!(!pattern.allows(&Url::parse(elsewhere).unwrap(), |_| Some(elsewhere)));
    }

    #[test]
    fn a_field_in_front_of_a_name_is_one_label_and_nothing_cleverer() {
        let allows = |pattern: &str, site: &str, url: &str| {
            let pattern: HostPattern = pattern.parse().unwrap();
            assert_eq!(pattern.to_string().parse::<HostPattern>().unwrap(), pattern, "written and read back");
            assert_eq!(pattern.field().unwrap().name, "site");
            pattern.allows(&Url::parse(url).unwrap(), |field| (field.name == "site").then_some(site))
        };
        let pattern = "{connection.site}.example.com";
        for site in ["acme", "ACME", "a", "a-1", "1"] {
            assert!(allows(pattern, site, &format!("https://{site}.example.com/x")), "{site}");
        }
        for (site, url) in [
            ("acme", "https://example.com"),
            ("acme", "https://other.example.com"),
            ("acme", "https://acme.example.com:8443"),
            ("acme", "http://acme.example.com"),
            ("acme", "https://acmeXexample.com"),
            ("acme", "https://x.acme.example.com"),
            ("a.b", "https://a.b.example.com"),
            ("evil.org/", "https://evil.org/.example.com"),
            ("evil.org#", "https://evil.org#.example.com"),
            ("evil.org:443/", "https://evil.org:443/.example.com"),
            ("user@evil", "https://user@evil.example.com"),
            ("*", "https://acme.example.com"),
            ("", "https://example.com"),
            ("-a", "https://-a.example.com"),
            ("a-", "https://a-.example.com"),
            ("xn--e1a4c", "https://xn--e1a4c.example.org"),
        ] {
            assert!(!allows(pattern, site, url), "{site} {url}");
        }
        assert!(!allows(pattern, &"a".repeat(64), &format!("https://{}.example.com", "a".repeat(64))));
        assert!(allows("http://{config.site}.internal.example:8080", "acme", "http://acme.internal.example:8080/x"));
        let pattern: HostPattern = pattern.parse().unwrap();
        assert_eq!(pattern.destination("Acme").as_deref(), Some("https://acme.example.com:443"));
        assert_eq!(pattern.destination("a.b"), None);
        assert!(!pattern.allows(&Url::parse("https://acme.example.com").unwrap(), |_| None), "without the field it is nothing");
    }

    #[test]
    fn a_fields_text_says_which_host_and_nothing_else() {
        assert_eq!(host_of("https://Example.com/a?b"), host_of("https://example.com:443/{{ payload.id }}"));
        for other in ["http://example.com", "https://example.com:8443", "https://sub.example.com", "https://example.com@evil.org"]
        {
            assert_ne!(host_of("https://example.com"), host_of(other), "{other}");
        }
        assert_eq!(host_of("Acme"), host_of("acme"));
        assert_ne!(host_of("acme"), host_of("other"));
        for none in ["", "example.com", "[secret]", "mailto:a@example.com"] {
            assert_eq!(host_of(none), None, "{none}");
        }
    }

    #[test]
    fn a_field_leads_to_one_destination() {
        let pattern: HostPattern = "{config.url}".parse().unwrap();
        assert_eq!(pattern.destination("HTTPS://Example.com/a?b").as_deref(), Some("https://example.com:443"));
        assert_eq!(pattern.destination("http://[::1]:8080/{{ x }}").as_deref(), Some("http://[::1]:8080"));
        assert_eq!(pattern.destination("mailto:a@b.c"), None);
        assert_eq!("example.com".parse::<HostPattern>().unwrap().destination("https://example.com"), None);
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
            "{config.site}.",
            "{config.site}.com",
            "{config.site}.1.2.3.4",
            "{config.site}example.com",
            "a{config.site}.example.com",
            "{config.a}{config.b}.example.com",
            "{config.a}.{config.b}.example.com",
            "*.{config.site}.example.com",
            "https://{config.url}",
            "{env.site}.example.com",
            "a(b).example.com",
            "Any-Host",
            "any-host:8443",
            "http://any-host",
        ] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
    }
}
