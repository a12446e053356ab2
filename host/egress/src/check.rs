//! The rules of a request, in their order, and what leaves when all of them are kept.
//!
//! Nothing here does I/O. A secret is put in its place only when every rule before has been kept.

use crate::broker::Call;
use crate::failure::Failure;
use crate::message::{Denial, ErrorKind, Request};
use crate::seal::Entry;
use crate::substitute::Escape;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_body_util::Full;
use postern_core::host_pattern::{FieldReference, HostPattern, Section};
use postern_core::manifest::SECRET_MARK;
use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::net::IpAddr;
use url::{Host, Url};

/// Where a request goes, before secrets are put in.
pub(crate) struct Target<'a> {
    pub(crate) method: Method,
    /// Placeholders stand in its path and query still; a sealed URL has been opened.
    pub(crate) url: Url,
    /// The URL for records, without secrets.
    pub(crate) shown: String,
    /// The sealed URL that was opened.
    opened: Option<&'a Entry>,
}

/// What is sent.
pub(crate) struct Prepared {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Prepared {
    /// As the HTTP client takes it.
    ///
    /// # Errors
    /// Its URL is none for HTTP.
    pub(crate) fn into_http(self) -> Result<http::Request<Full<Bytes>>, Failure> {
        let Self { method, url, mut headers, body } = self;
        let uri = Uri::try_from(String::from(url)).map_err(|_| {
            let message = "The request cannot be written as HTTP.".to_owned();
            Failure::Failed { kind: ErrorKind::InvalidRequest, message, sent: false }
        })?;
        if body.is_empty() && matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            // RFC 9110, 8.6: a body was to be expected, so its absence is said; some servers answer 411 otherwise.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        let mut request = http::Request::new(Full::from(body));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
        Ok(request)
    }
}

impl Call {
    /// Reads method and URL, and opens a sealed URL.
    pub(crate) fn target(&self, request: &Request) -> Result<Target<'_>, Denial> {
        let method = method(&request.method)?;
        if request.url.len() > self.limits().url_bytes {
            return Err(self.url_too_long());
        }
        let mut url = parse(&request.url, "The URL")?;
        let Some(entry) = self.seals().find_url(&url) else {
            let shown = self.seals().mask_text(url.as_str());
            return Ok(Target { method, url, shown, opened: None });
        };
        if url.scheme() != "https" || url.port().is_some() {
            return Err(Denial::invalid(
                "secret",
                "The placeholder of a secret URL must be used as it is, with what follows its path.",
            ));
        }
        let mut opened = parse(entry.secret.expose(), "The secret URL in the settings")?;
        let origin = &opened[..url::Position::BeforePath];
        let tail = &url[url::Position::BeforePath..];
        let shown = format!("{origin}/{SECRET_MARK}{}", if tail == "/" { String::new() } else { self.seals().mask_text(tail) });
        append(&mut opened, &url);
        url = opened;
        Ok(Target { method, url, shown, opened: Some(entry) })
    }

    /// Judges where the request goes.
    pub(crate) fn permit(&self, url: &Url) -> Result<(), Denial> {
        let settings = self.settings();
        let provider = &settings.provider;
        if !self.fits(&settings.grant.hosts, url) {
            let mut known = format!("granted: {}", list(&settings.grant.hosts));
            if !self.fits(settings.wish.iter(), url) {
                let asked = list(settings.wish.iter());
                let _ = write!(known, "; its manifest does not ask for it either, only for: {asked}");
            }
            let message = format!(
                "`{}` is not among the hosts granted to {provider} ({known}). To allow it: postern provider grant {provider} \
                 --host {}",
                origin(url),
                argument(as_pattern(url))
            );
            return Err(Denial::denied("grant", message));
        }
        let hosts = self.hosts();
        if !hosts.is_empty() && !self.fits(hosts, url) {
            let message = format!(
                "`{}` is not among the hosts that the operator lets any provider reach. To allow it set in postern.toml: {}",
                origin(url),
                setting("hosts", hosts, [as_pattern(url)])
            );
            return Err(Denial::denied("hosts", message));
        }
        // The connector does not ask the resolver about addresses, so they are judged here.
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            _ => return Ok(()),
        };
        self.addresses().listeners().judge(address, url.port_or_known_default())?;
        self.addresses().judge(address).map_err(|forbidden| {
            let carried = if forbidden.address == address { String::new() } else { format!("{address} stands for ") };
            let message = format!(
                "{carried}{} is {}. To allow it set in postern.toml: {}",
                forbidden.address,
                forbidden.what,
                setting("allow", self.addresses().allowed(), [forbidden.rule()])
            );
            Denial::denied("address", message)
        })
    }

    /// Checks the rest and puts secrets in.
    pub(crate) fn prepare(&self, target: Target<'_>, headers: HeaderMap, body: Vec<u8>) -> Result<Prepared, Denial> {
        let limits = self.limits();
        let body_too_large =
            || Denial::too_large("The request's body has", "bytes", limits.request_body_bytes, "request-body-bytes");
        if body.len() > limits.request_body_bytes {
            return Err(body_too_large());
        }
        let Target { method, mut url, opened, .. } = target;
        if self.seals().is_empty() {
            return Ok(Prepared { method, url, headers, body: body.into() });
        }
        if let Some(opened) = opened {
            self.judge_audience(opened, &url)?;
        }
        let mut secret = opened.is_some();
        let escape = Escape::of_body(headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()));
        let headers = self.fill_headers(headers, &url)?;
        secret |= headers.secret;
        secret |= self.fill_url(&mut url)?;
        let filled = self.fill(&url, &body, escape, limits.request_body_bytes, body_too_large)?;
        secret |= filled.is_some();
        if secret && url.scheme() == "http" && !self.plain_http().iter().any(|pattern| pattern.covers_host(&url)) {
            let host = as_pattern(&url);
            let host = host.trim_start_matches("http://");
            let message = format!(
                "A secret would go to `{}` without encryption. Use https, or to allow it set in postern.toml: {}",
                origin(&url),
                setting("plain-http", self.plain_http(), [host])
            );
            return Err(Denial::denied("plain-http", message));
        }
        let body = filled.map_or(body, |mut filled| std::mem::take(&mut *filled));
        Ok(Prepared { method, url, headers: headers.map, body: body.into() })
    }

    /// Puts secrets into path and query; says whether there were any.
    fn fill_url(&self, url: &mut Url) -> Result<bool, Denial> {
        let limit = self.limits().url_bytes;
        let fill = |url: &Url, text: &str, escape| {
            let filled = self.fill(url, text.as_bytes(), escape, limit, || self.url_too_long())?;
            // The escapes are ASCII and what is around them was text.
            Ok(filled.map(|filled| String::from_utf8_lossy(&filled).into_owned()))
        };
        let path = fill(url, url.path(), Escape::Segment)?;
        let query = url.query().map_or(Ok(None), |query| fill(url, query, Escape::Query))?;
        let found = path.is_some() || query.is_some();
        if let Some(path) = path {
            url.set_path(&path);
        }
        if query.is_some() {
            url.set_query(query.as_deref());
        }
        if url.as_str().len() > limit {
            return Err(self.url_too_long());
        }
        Ok(found)
    }

    /// Whether a request to `url` fits one of these patterns, by the settings of this call.
    pub(crate) fn fits<'a>(&self, patterns: impl IntoIterator<Item = &'a HostPattern>, url: &Url) -> bool {
        let settings = self.settings();
        patterns.into_iter().any(|pattern| {
            pattern.allows(url, |field: &FieldReference| {
                let section = match field.section {
                    Section::Config => Some(&settings.config),
                    Section::Connection => settings.connection.as_ref(),
                };
                section?.get(&field.name)?.as_str()
            })
        })
    }

    fn url_too_long(&self) -> Denial {
        Denial::too_large("The URL has", "bytes", self.limits().url_bytes, "url-bytes")
    }
}

fn method(text: &str) -> Result<Method, Denial> {
    let wrong = |reason: &str| {
        let shown: String = text.chars().take(32).collect();
        Denial::invalid("method", format!("The method `{}` {reason}.", shown.escape_debug()))
    };
    if text.is_empty() || text.len() > 32 || !text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
        return Err(wrong("is none: it is a word in capitals, as `POST`"));
    }
    if matches!(text, "CONNECT" | "TRACE") {
        return Err(wrong("is not for providers"));
    }
    Method::from_bytes(text.as_bytes()).map_err(|_| wrong("is none"))
}

/// A URL that may be requested: `http` or `https`, with a host, without credentials; a fragment is left out.
fn parse(text: &str, what: &str) -> Result<Url, Denial> {
    let mut url = Url::parse(text).map_err(|error| Denial::invalid("url", format!("{what} cannot be read: {error}.")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Denial::denied("scheme", format!("{what} begins with neither https: nor http:.")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Denial::invalid(
            "url",
            format!("{what} has a user or a password in it. Send an Authorization header instead."),
        ));
    }
    // A URL's parser takes dots with nothing between them for a name; nobody else does.
    let nameless = |host: &str| host.strip_suffix('.').unwrap_or(host).split('.').any(str::is_empty);
    if url.domain().is_some_and(nameless) || url.host_str().is_none_or(str::is_empty) {
        return Err(Denial::invalid("url", format!("{what} has no host.")));
    }
    url.set_fragment(None);
    Ok(url)
}

/// Appends the path and the query of the provider's URL to the secret URL.
fn append(secret: &mut Url, guest: &Url) {
    if guest.path() != "/" {
        let path = format!("{}{}", secret.path().trim_end_matches('/'), guest.path());
        secret.set_path(&path);
    }
    if let Some(more) = guest.query() {
        let query = match secret.query() {
            Some(query) if !query.is_empty() => format!("{query}&{more}"),
            _ => more.to_owned(),
        };
        secret.set_query(Some(&query));
    }
}

/// `https://evil.example:8443`.
pub(crate) fn origin(url: &Url) -> &str {
    &url[..url::Position::BeforePath]
}

/// The pattern that fits exactly the host and port of a URL.
pub(crate) fn as_pattern(url: &Url) -> &str {
    let origin = origin(url);
    origin.strip_prefix("https://").unwrap_or(origin)
}

/// As one argument of a command in a shell.
pub(crate) fn argument(pattern: &str) -> Cow<'_, str> {
    let plain = pattern.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte));
    if plain { Cow::Borrowed(pattern) } else { Cow::Owned(format!("'{pattern}'")) }
}

/// The line of the configuration that holds these entries besides those that are there. It is meant to take the place of the
/// present one, so it is whole.
pub(crate) fn setting<P: Display, A: Display>(
    key: &str,
    present: impl IntoIterator<Item = P>,
    added: impl IntoIterator<Item = A>,
) -> String {
    let present = present.into_iter().map(|entry| format!("\"{entry}\""));
    let entries: Vec<_> = present.chain(added.into_iter().map(|entry| format!("\"{entry}\""))).collect();
    format!("[egress] {key} = [{}]", entries.join(", "))
}

/// The first patterns, for a message.
pub(crate) fn list<'a>(patterns: impl IntoIterator<Item = &'a HostPattern>) -> String {
    const SHOWN: usize = 8;
    let mut patterns = patterns.into_iter();
    let mut text = patterns.by_ref().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        return "none".to_owned();
    }
    if patterns.next().is_some() {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
