//! To whom one secret may go: fewer than all granted hosts.
//!
//! Whoever may edit a subscription chooses its settings and need not know the credentials of the connection that it uses.
//! So a connection's secret never goes to a host that those settings choose.

use crate::broker::Call;
use crate::check::{argument, as_pattern, list, origin};
use crate::message::Denial;
use crate::seal::Entry;
use crate::substitute::{Escape, Misplaced};
use postern_core::host_pattern::{HostPattern, Section};
use postern_core::secret_hosts::KEYWORD;
use std::sync::Arc;
use url::Url;
use zeroize::Zeroizing;

/// Where a secret stands in the settings, and the hosts that it is for.
///
/// It goes to a host only if the operator grants that. Beyond this,
/// - with `hosts`, it goes to these only;
/// - without, one of the subscription's settings goes to every granted host;
/// - without, one of a connection goes to those that the manifest names itself or takes from the connection. `any-host` names
///   none. A secret that is a URL goes to its own host too;
/// - and unless `hosts` is empty, it goes to those that the operator opens to the provider's secrets
///   ([`Grant::secret_hosts`](postern_core::grant::Grant::secret_hosts)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// Whose settings it is in. Default: the subscription's.
    pub section: Section,
    /// Its JSON pointer there, for messages: `/token`. Default: empty.
    pub path: String,
    /// What the schema's `x-hosts` says. Default: none, so that the rule of the section holds.
    pub hosts: Option<Arc<[HostPattern]>>,
}

impl Default for Audience {
    fn default() -> Self {
        Self { section: Section::Config, path: String::new(), hosts: None }
    }
}

impl Call {
    /// A text of a request to `url` with each placeholder replaced, or none if it has none.
    pub(crate) fn fill(
        &self,
        url: &Url,
        text: &[u8],
        escape: Escape,
        limit: usize,
        too_large: impl Fn() -> Denial,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Denial> {
        for entry in self.seals().occurring(text) {
            self.judge_audience(entry, url)?;
        }
        self.seals().substitute(text, escape, limit).map_err(|misplaced| match misplaced {
            Misplaced::TooLarge => too_large(),
            Misplaced::InEscape => Denial::invalid(
                "secret",
                "A secret's placeholder stands behind the beginning of an escape (`%4`, `\\\\u00`), which would take in a part of the \
                 secret. Put the placeholder behind whole characters.",
            ),
        })
    }

    /// Refuses to put a secret into a request that goes where the secret may not.
    pub(crate) fn judge_audience(&self, entry: &Entry, url: &Url) -> Result<(), Denial> {
        self.judge_secret(&entry.secret.audience, entry.leads_to(url), url)
    }

    /// Refuses to let a secret with this audience go to `url`, unless it is itself a URL that leads there.
    pub(crate) fn judge_secret(&self, audience: &Audience, leads_there: bool, url: &Url) -> Result<(), Denial> {
        let Audience { section, path, hosts } = audience;
        let wish = &self.settings().wish;
        let (allowed, rule) = match (hosts, section) {
            (Some(hosts), _) => {
                let rule = format!("its schema's `{KEYWORD}` names {}", list(hosts.iter()));
                // A manifest that says so is refused; here it opens nothing.
                let named = hosts.iter().filter(|pattern| *section == Section::Config || !pattern.is_any_host());
                (self.fits(named, url), rule)
            }
            (None, Section::Config) => return Ok(()),
            (None, Section::Connection) => {
                let own = || wish.iter().filter(|pattern| is_of_connection(pattern));
                let rule = format!(
                    "a connection's secret goes to hosts that the manifest names or takes from the connection ({}), never to one \
                     that the subscription's settings choose",
                    list(own())
                );
                (self.fits(own(), url) || leads_there, rule)
            }
        };
        let for_signing = hosts.as_ref().is_some_and(|hosts| hosts.is_empty());
        let settings = self.settings();
        if allowed || !for_signing && self.fits(&settings.grant.secret_hosts, url) {
            return Ok(());
        }
        let remedy = if for_signing {
            "Nothing allows it: the secret is for signing.".to_owned()
        } else {
            let provider = &settings.provider;
            format!("To allow it: postern provider grant {provider} --secret-host {}", argument(as_pattern(url)))
        };
        let message = format!("The secret at {section}{path} may not go to `{}`: {rule}. {remedy}", origin(url));
        Err(Denial::denied("secret-host", message))
    }
}

/// Whether the manifest itself or the connection says which host it is.
fn is_of_connection(pattern: &HostPattern) -> bool {
    pattern.field().map_or(!pattern.is_any_host(), |field| field.section == Section::Connection)
}

impl Entry {
    /// Whether it is a URL of the same scheme, host and port.
    fn leads_to(&self, url: &Url) -> bool {
        self.is_url && Url::parse(self.secret.expose()).is_ok_and(|own| own.origin() == url.origin())
    }
}

#[cfg(test)]
#[path = "audience_tests.rs"]
mod tests;
