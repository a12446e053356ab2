//! The sealed secrets of one call.
//!
//! A provider gets a random placeholder in the place of each secret. Placeholders are made anew for every call, so one that
//! leaks is worth nothing afterwards, and one that was guessed or kept from another call stands for nothing.

use crate::client_certificate::ClientCertificate;
use crate::oauth2::ClientCredentials;
use crate::redact::Needles;
use crate::secret::Secret;
use std::fmt;
use std::sync::{Arc, OnceLock};
use url::Url;

/// What every placeholder contains: texts without it need no closer look.
pub(crate) const MARK: &[u8] = b"sealed";
/// In front of the 32 hexadecimal digits of a text's placeholder.
pub(crate) const TEXT_PREFIX: &str = "sealed-";
/// Behind the 32 hexadecimal digits of a URL's placeholder: a name that never resolves (RFC 6761).
pub(crate) const URL_SUFFIX: &str = ".sealed.invalid";

/// The secrets of one call and the placeholders that stand for them.
#[derive(Default)]
pub struct Seals {
    pub(crate) entries: Vec<Entry>,
    token: Option<SealedToken>,
    certificate: Option<ClientCertificate>,
}

/// An access token that is fetched when it is needed.
#[derive(Clone)]
struct SealedToken {
    /// Which of the entries stands for it. Its secret is empty until the token is there.
    entry: usize,
    credentials: Arc<ClientCredentials>,
    fetched: bool,
}

/// One secret and its placeholder.
#[derive(Clone)]
pub(crate) struct Entry {
    /// What the provider sees.
    pub(crate) placeholder: String,
    /// The part of the placeholder by which it is found in a text.
    pub(crate) core: String,
    pub(crate) secret: Secret,
    /// Whether it stands for a whole URL.
    pub(crate) is_url: bool,
    needles: OnceLock<Arc<Needles>>,
}

impl Entry {
    fn new(placeholder: String, core: String, secret: Secret, is_url: bool) -> Self {
        Self { placeholder, core, secret, is_url, needles: OnceLock::new() }
    }

    /// What the secret is found by in texts.
    fn needles(&self) -> &Needles {
        self.needles.get_or_init(|| self.secret.needles(self.is_url))
    }
}

impl Seals {
    /// No secrets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Seals a secret and returns its placeholder: `sealed-` and 32 hexadecimal digits.
    pub fn seal(&mut self, value: Secret) -> String {
        let core = format!("{TEXT_PREFIX}{:032x}", rand::random::<u128>());
        self.add(Entry::new(core.clone(), core, value, false))
    }

    /// Seals a secret that is a URL and returns its placeholder: `https://`, 32 hexadecimal digits and `.sealed.invalid/`.
    ///
    /// It parses as a URL. A request whose URL begins with it goes to the secret URL; see [`crate::Call::send`].
    pub fn seal_uri(&mut self, value: Secret) -> String {
        let core = format!("{:032x}{URL_SUFFIX}", rand::random::<u128>());
        self.add(Entry::new(format!("https://{core}/"), core, value, true))
    }

    /// Seals an access token that the broker fetches when the first request carries its placeholder, which looks like that of
    /// any secret. A call has one token at most: of several, the last is fetched.
    pub fn seal_token(&mut self, credentials: ClientCredentials) -> String {
        let placeholder = self.seal(Secret::new("").with_audience(credentials.audience.clone()));
        let entry = self.entries.len() - 1;
        self.token = Some(SealedToken { entry, credentials: Arc::new(credentials), fetched: false });
        placeholder
    }

    /// Has this certificate shown to servers that ask for one and that it is for. A call has one at most.
    pub fn show(&mut self, certificate: ClientCertificate) {
        self.certificate = Some(certificate);
    }

    pub(crate) fn certificate(&self) -> Option<&ClientCertificate> {
        self.certificate.as_ref()
    }

    /// What the access token is fetched with, if there is to be one.
    pub(crate) fn token_source(&self) -> Option<&ClientCredentials> {
        self.token.as_ref().map(|token| &*token.credentials)
    }

    /// The placeholder of the access token, if there is to be one.
    pub(crate) fn token_placeholder(&self) -> Option<&str> {
        Some(&self.entries.get(self.token.as_ref()?.entry)?.core)
    }

    /// The access token, if it is there.
    pub(crate) fn token(&self) -> Option<&Secret> {
        let token = self.token.as_ref().filter(|token| token.fetched)?;
        self.entries.get(token.entry).map(|entry| &entry.secret)
    }

    /// The same secrets with this access token. The one before stays a secret.
    pub(crate) fn with_token(&self, secret: Secret) -> Self {
        let mut seals = Self { entries: self.entries.clone(), token: self.token.clone(), certificate: self.certificate.clone() };
        if let Some(before) = self.token() {
            seals.seal(before.clone());
        }
        if let Some(token) = &mut seals.token
            && let Some(entry) = seals.entries.get_mut(token.entry)
        {
            (entry.secret, entry.needles) = (secret, OnceLock::new());
            token.fetched = true;
        }
        seals
    }

    fn add(&mut self, entry: Entry) -> String {
        let placeholder = entry.placeholder.clone();
        self.entries.push(entry);
        placeholder
    }

    /// Whether there is nothing to put in or to take out.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The secret that exactly this placeholder stands for. A URL's may lack the `/` at its end.
    pub(crate) fn find(&self, placeholder: &str) -> Option<&Secret> {
        self.entries
            .iter()
            .find(|entry| {
                entry.placeholder == placeholder || entry.is_url && entry.placeholder.trim_end_matches('/') == placeholder
            })
            .map(|entry| &entry.secret)
    }

    /// The sealed URL whose placeholder is the host of this URL.
    pub(crate) fn find_url(&self, url: &Url) -> Option<&Entry> {
        let host = url.host_str().filter(|host| host.ends_with(URL_SUFFIX))?;
        self.entries.iter().find(|entry| entry.is_url && entry.core == host)
    }

    /// What is taken out of texts.
    pub(crate) fn needles(&self) -> impl Iterator<Item = &Needles> {
        self.entries.iter().map(Entry::needles)
    }
}

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seals({})", self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_random_and_urls_parse() {
        let mut seals = Seals::new();
        let first = seals.seal(Secret::new("one"));
        let second = seals.seal(Secret::new("one"));
        assert_ne!(first, second);
        assert_eq!(first.len(), "sealed-".len() + 32);
        let uri = seals.seal_uri(Secret::new("https://hooks.example.com/x"));
        let url = Url::parse(&uri).unwrap();
        assert_eq!(url.as_str(), uri, "it is in its normal form");
        assert_eq!(seals.find_url(&url).unwrap().secret.expose(), "https://hooks.example.com/x");
        assert_eq!(seals.find(&first).unwrap().expose(), "one");
        assert!(seals.find("sealed-00000000000000000000000000000000").is_none());
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let mut seals = Seals::new();
        seals.seal(Secret::new("hunter2"));
        assert_eq!(format!("{:?} {seals:?}", Secret::new("hunter2")), "Secret(..) Seals(1)");
    }
}
