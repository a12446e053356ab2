//! Resolving names. Every answer is judged, and only judged addresses are connected to: the connection uses this look-up's
//! result, so a name that changes its answer between check and use gains nothing.
//!
//! Addresses that stand in a URL as such never come here; [`crate::check`] judges them.

use crate::address::{Forbidden, Policy};
use crate::check::setting;
use crate::connecting::Connecting;
use crate::message::Denial;
use hyper_util::client::legacy::connect::dns::Name;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tower::Service;

/// How many names one provider may resolve at a time. The system's resolver takes a thread for each look-up and keeps it
/// even after the timeout, so that without this bound one provider with a dead name server would starve all others.
const LOOKUPS: usize = 16;

/// Asks for the addresses of a name.
pub(crate) type LookUp = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> + Send + Sync>;

/// The system's resolver.
pub(crate) fn system() -> LookUp {
    Arc::new(|name| Box::pin(async move { tokio::net::lookup_host((name.as_str(), 0)).await.map(Vec::from_iter) }))
}

/// Resolves names for one provider.
#[derive(Clone)]
pub(crate) struct Resolver {
    policy: Arc<Policy>,
    look_up: LookUp,
    timeout: Duration,
    lookups: Arc<Semaphore>,
}

/// Why a name has no addresses to connect to. It comes back out of the HTTP client as the source of its error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{}", .0.message)]
    Denied(Denial),
    #[error("`{name}` does not resolve: {reason}")]
    Failed { name: String, reason: String },
    #[error("`{name}` was not resolved within {milliseconds} ms (egress.limits.dns-timeout)")]
    TimedOut { name: String, milliseconds: u128 },
}

impl Resolver {
    pub(crate) fn new(policy: Arc<Policy>, look_up: LookUp, timeout: Duration) -> Self {
        Self { policy, look_up, timeout, lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let policy = self.policy.clone();
        let lookups = self.lookups.clone();
        let look_up = self.look_up.clone();
        let timeout = self.timeout;
        let connecting = Connecting::present();
        Box::pin(async move {
            let began = Instant::now();
            let name = name.as_str();
            let asked = look_up(name.to_owned());
            let lookup = async {
                let permit = lookups.acquire_owned().await;
                // A task of its own keeps the permit until the look-up's thread is done, also when nobody waits any more.
                let task = tokio::spawn(async move {
                    let _permit = permit;
                    asked.await
                });
                task.await.unwrap_or_else(|error| Err(io::Error::other(error)))
            };
            let answers = match tokio::time::timeout(timeout, lookup).await {
                Err(_) => return Err(Error::TimedOut { name: name.to_owned(), milliseconds: timeout.as_millis() }),
                Ok(Err(error)) => return Err(Error::Failed { name: name.to_owned(), reason: error.to_string() }),
                Ok(Ok(answers)) => answers,
            };
            if let Some(connecting) = &connecting {
                connecting.resolved(began.elapsed());
            }
            judge(&policy, name, answers, connecting.and_then(|connecting| connecting.port)).map(Vec::into_iter)
        })
    }
}

/// The answers, if every one of them may be connected to at this port.
fn judge(policy: &Policy, name: &str, answers: Vec<SocketAddr>, port: Option<u16>) -> Result<Vec<SocketAddr>, Error> {
    if answers.is_empty() {
        return Err(Error::Failed { name: name.to_owned(), reason: "it has no address".to_owned() });
    }
    for answer in &answers {
        policy.listeners().judge(answer.ip(), port).map_err(|denial| {
            let message = format!("`{name}` resolves to {}. {}", answer.ip(), denial.message);
            Error::Denied(Denial { message, ..denial })
        })?;
    }
    if policy.allows_name(name) {
        return Ok(answers);
    }
    let mut forbidden: Vec<Forbidden> = answers.iter().filter_map(|answer| policy.judge(answer.ip()).err()).collect();
    forbidden.dedup();
    if forbidden.is_empty() { Ok(answers) } else { Err(Error::Denied(denial(policy, name, &forbidden))) }
}

fn denial(policy: &Policy, name: &str, forbidden: &[Forbidden]) -> Denial {
    let found: Vec<_> = forbidden.iter().map(|one| format!("{}, {}", one.address, one.what)).collect();
    let message = format!(
        "`{name}` resolves to {}. To allow it set in postern.toml: {}; or, for whatever the name resolves to: {}",
        found.join(", and to "),
        setting("allow", policy.allowed(), forbidden.iter().map(Forbidden::rule)),
        setting("allow", policy.allowed(), [name.trim_end_matches('.')])
    );
    Denial::denied("address", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(rules: &[&str], answers: &[&str]) -> Result<usize, String> {
        let policy = Policy::new(rules.iter().map(|rule| rule.parse().unwrap()).collect());
        let answers = answers.iter().map(|answer| SocketAddr::new(answer.parse().unwrap(), 0)).collect();
        policy.listeners().add(SocketAddr::from(([127, 0, 0, 1], 7676)));
        judge(&policy, "receiver.internal", answers, Some(80)).map(|judged| judged.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn one_forbidden_answer_denies_them_all() {
        assert_eq!(judged(&[], &["8.8.8.8", "2606:4700::1"]), Ok(2));
        let message = judged(&[], &["8.8.8.8", "10.0.0.1"]).unwrap_err();
        assert!(message.starts_with("`receiver.internal` resolves to 10.0.0.1, a private address. "), "{message}");
        assert!(message.contains("[egress] allow = [\"10.0.0.1/32\"]"), "{message}");
        let message = judged(&["127.0.0.1"], &["127.0.0.1", "::1"]).unwrap_err();
        assert!(message.contains("[egress] allow = [\"127.0.0.1/32\", \"::1/128\"]; or"), "the line is whole: {message}");
        assert!(message.ends_with("[egress] allow = [\"127.0.0.1/32\", \"receiver.internal\"]"), "{message}");
        assert!(judged(&[], &[]).unwrap_err().contains("no address"));
    }

    #[test]
    fn a_rule_for_the_name_or_for_each_address_allows_it() {
        assert_eq!(judged(&["receiver.internal"], &["10.0.0.1", "::1"]), Ok(2));
        assert_eq!(judged(&["127.0.0.1", "::1"], &["127.0.0.1", "::1"]), Ok(2));
        assert!(judged(&["other.internal"], &["10.0.0.1"]).is_err());
    }

    #[test]
    fn no_rule_leads_to_the_daemons_own_listener() {
        let policy = Policy::new(vec!["receiver.internal".parse().unwrap(), "127.0.0.1".parse().unwrap()]);
        policy.listeners().add(SocketAddr::from(([127, 0, 0, 1], 7676)));
        let judged = |port| {
            let answers = ["8.8.8.8", "127.0.0.1"].map(|answer| SocketAddr::new(answer.parse().unwrap(), 0)).to_vec();
            judge(&policy, "receiver.internal", answers, port).map_err(|error| error.to_string())
        };
        assert!(judged(Some(80)).is_ok());
        for port in [Some(7676), None] {
            let message = judged(port).unwrap_err();
            assert!(message.starts_with("`receiver.internal` resolves to 127.0.0.1. "), "{message}");
        }
    }
}
