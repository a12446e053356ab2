//! One attempt, from the claim to the outcome.

use crate::catalog::settings::Opened;
use crate::catalog::{Prepared, PreparedConnection, Provider, Purpose};
use crate::{Catalog, verdict};
use postern_core::delivery::{Attempt, Cause, Class, Exchange, Level, LogLine, Outcome, ProviderBuild, Retry};
use postern_core::host_pattern::Section;
use postern_core::retry::Schedule;
use postern_core::subscription::EntityOrder;
use postern_core::{DeliveryId, Event, Subscription, Timestamp};
use postern_egress::Seals;
use postern_events::settings::Form;
use postern_events::template;
use postern_runtime::{CallError, Delivery, Entity, Failure, Receipt, Report};
use postern_store::Claim;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What an attempt came to.
#[derive(Debug)]
pub enum Attempted {
    /// The provider was called, or could not be, which counts as well.
    Made {
        /// What happened.
        attempt: Box<Attempt>,
        /// When the subscription wants failed deliveries tried again, if not when the operator's policy says.
        retry: Option<Schedule>,
        /// Whether a final failure holds what follows about the same entity.
        hold: bool,
    },
    /// The delivery is not to be made any more: why, and the kind of reason.
    Withdrawn(String, Class),
}

impl Catalog {
    /// Makes the next attempt of a claimed delivery.
    pub async fn attempt(&self, claim: &Claim) -> Attempted {
        if self.is_torn(claim) {
            // A build with other schemas is being put in force; that holds the lock until its settings are ready too.
            drop(self.changing.lock().await);
        }
        let Ok(prepared) = self.subscription(claim.route.subscription) else {
            return Attempted::Withdrawn("the subscription was deleted".into(), Class::Withdrawn);
        };
        if !prepared.subscription.enabled && !claim.route.test {
            return Attempted::Withdrawn("the subscription is disabled".into(), Class::Withdrawn);
        }
        if let Some(problem) = &claim.route.problem {
            return Attempted::Withdrawn(problem.clone(), Class::Config);
        }
        let number = claim.attempts + 1;
        let started_at = self.clock.now();
        // As the subscription is now: its settings are for this provider, whoever it was when the event was routed.
        let attempt = match self.serving(&prepared.subscription) {
            Err(error) => without_call(number, started_at, Cause::Unavailable, error.to_string(), Retry::Backoff),
            Ok(provider) => self.call_provider(claim, &prepared, &provider, number, started_at).await,
        };
        let subscription = &prepared.subscription;
        let hold = claim.route.entity.is_some() && subscription.entity_order == EntityOrder::Hold && !claim.route.test;
        Attempted::Made { attempt: Box::new(attempt), retry: subscription.retry.clone(), hold }
    }

    async fn call_provider(
        &self,
        claim: &Claim,
        prepared: &Prepared,
        provider: &Provider,
        number: u32,
        started_at: Timestamp,
    ) -> Attempt {
        // The schedule holds deliveries back meanwhile; this one was on its way.
        let (Some(component), None) = (&provider.component, provider.waits()) else {
            let message = provider.waits().unwrap_or_else(|| format!("{} is not loaded", provider.manifest.id));
            return without_call(number, started_at, Cause::Unavailable, message, Retry::Backoff);
        };
        let connection = match self.usable_settings(prepared, provider) {
            Ok(connection) => connection,
            Err(problem) => return without_call(number, started_at, Cause::Config, problem, Retry::Backoff),
        };
        let connection = connection.as_ref().map(|connection| &connection.opened);
        let prepare = || {
            let mut seals = Seals::default();
            let delivery = guest_delivery(claim, prepared, connection, number, started_at, &mut seals)?;
            let purpose = Purpose { delivery: Some(claim.id), subscription: Some(&prepared.subscription) };
            Ok((self.call(provider, &prepared.opened, connection, seals, purpose), delivery))
        };
        let build = || ProviderBuild { version: provider.manifest.version.to_string(), digest: provider.digest.clone() };
        let config = |message| without_call(number, started_at, Cause::Config, message, Retry::Never);
        let mut asked = None;
        if provider.manifest.implements.reconcile && (claim.run.ambiguous || claim.recovered) {
            let (call, delivery) = match prepare() {
                Ok(prepared) => prepared,
                Err(message) => return config(message),
            };
            let report = component.reconcile(call, delivery).await;
            self.learn(provider, &report);
            match reconciled(number, started_at, build(), report) {
                Ok(attempt) => return attempt,
                Err(vain) => asked = Some(vain),
            }
        }
        let (call, delivery) = match prepare() {
            Ok(prepared) => prepared,
            Err(message) => return config(message),
        };
        let report = component.deliver(call, delivery).await;
        self.learn(provider, &report);
        let attempt = made(number, started_at, build(), report);
        match asked {
            Some(asked) => asked.before(attempt),
            None => attempt,
        }
    }

    /// Remembers what a call tells of its provider.
    fn learn<T>(&self, provider: &Provider, report: &Report<T>) {
        let known = provider.footprint.fetch_max(report.memory, Ordering::Relaxed);
        if report.memory > known {
            self.footprint_grew(known, report.memory);
        }
        if let Err(error @ CallError::Trap { backtrace, .. }) = &report.result {
            self.note_trap(&provider.manifest.id, format!("{error}\n{backtrace}"));
        }
    }
}

/// What asking for the effect of an earlier attempt came to; or, if there is none, so that the delivery is to be made, what
/// was asked.
fn reconciled(
    number: u32,
    started_at: Timestamp,
    build: ProviderBuild,
    report: Report<Result<Option<Receipt>, Failure>>,
) -> Result<Attempt, Asked> {
    let Report { result, exchanges, log, duration, memory } = report;
    let result = match result {
        Ok(Ok(None)) => return Err(Asked { exchanges, log, duration }),
        Ok(Ok(Some(receipt))) => Ok(Ok(receipt)),
        Ok(Err(failure)) => Ok(Err(failure)),
        Err(error) => Err(error),
    };
    let attempt = made(number, started_at, build, Report { result, exchanges, log, duration, memory });
    Ok(Attempt { reconciled: true, ..attempt })
}

/// A question for the effect of an earlier attempt that found none.
struct Asked {
    exchanges: Vec<Exchange>,
    log: Vec<LogLine>,
    duration: Duration,
}

impl Asked {
    /// The attempt that followed, with the question before it.
    fn before(self, attempt: Attempt) -> Attempt {
        Attempt {
            duration_micros: attempt.duration_micros.saturating_add(micros(self.duration)),
            exchanges: self.exchanges.into_iter().chain(attempt.exchanges).collect(),
            log: self.log.into_iter().chain(attempt.log).collect(),
            ..attempt
        }
    }
}

/// What templates see of a delivery.
pub(crate) fn context(id: &DeliveryId, attempt: u32, event: &Event, subscription: &Subscription) -> template::Context {
    template::Context::new(&template::Delivery {
        id: &id.to_string(),
        attempt,
        event_id: &event.id.to_string(),
        event_type: event.event_type.as_str(),
        timestamp: &event.timestamp.to_string(),
        payload: &event.payload.to_value(),
        subscription_id: &subscription.id.to_string(),
        subscription_name: &subscription.name,
    })
}

impl Catalog {
    /// Whether settings and build may not go together, because one of them was just replaced: they are of different versions,
    /// or the settings are those of a provider that was not there a moment ago.
    fn is_torn(&self, claim: &Claim) -> bool {
        let Ok(prepared) = self.subscription(claim.route.subscription) else { return false };
        let Ok(provider) = self.serving(&prepared.subscription) else { return false };
        // A connection is of the version that is in force; a pinned build may take another for as long as it is pinned.
        let pinned = prepared.subscription.provider_version.is_some();
        let connection = prepared.subscription.connection_id.filter(|_| !pinned).and_then(|id| self.connection(id).ok());
        let torn = |problem: &Option<String>, opened: &Opened, form: Option<&Arc<Form>>| {
            problem.is_some() || form.is_some_and(|form| form.version() != opened.version)
        };
        torn(&prepared.problem, &prepared.opened, provider.form.as_ref())
            || connection.is_some_and(|found| torn(&found.problem, &found.opened, provider.connection_form.as_ref()))
    }

    /// The subscription's connection, if it has one; or why the subscription cannot deliver.
    fn usable_settings(&self, prepared: &Prepared, provider: &Provider) -> Result<Option<Arc<PreparedConnection>>, String> {
        let fits = |opened: &Opened, form: Option<&Arc<Form>>| match form.map(|form| form.version()) {
            Some(version) if version != opened.version => Err(match &prepared.subscription.provider_version {
                None => format!("the settings are being brought to version {version} of {}", provider.manifest.id),
                Some(pinned) => format!(
                    "version {pinned} of {}, which this subscription pins, takes settings of version {version}, and they are of \
                     version {}; pin another version, or none",
                    provider.manifest.id, opened.version
                ),
            }),
            _ => Ok(()),
        };
        if let Some(problem) = &prepared.problem {
            return Err(problem.clone());
        }
        fits(&prepared.opened, provider.form.as_ref())?;
        let Some(id) = prepared.subscription.connection_id else { return Ok(None) };
        let connection =
            self.connection(id).map_err(|_| format!("the connection {id} was deleted; choose another for this subscription"))?;
        match &connection.problem {
            Some(problem) => Err(format!("the connection `{}` cannot be used: {problem}", connection.connection.name)),
            None => fits(&connection.opened, provider.connection_form.as_ref()).map(|()| Some(connection)),
        }
    }
}

fn guest_delivery(
    claim: &Claim,
    prepared: &Prepared,
    connection: Option<&Opened>,
    number: u32,
    started_at: Timestamp,
    seals: &mut Seals,
) -> Result<Delivery, String> {
    let event = &claim.event;
    let subscription = &prepared.subscription;
    let (id, event_id, timestamp) = (claim.id.to_string(), event.id.to_string(), event.timestamp.to_string());
    let subscription_id = subscription.id.to_string();
    let has_templates = prepared.opened.has_templates() || connection.is_some_and(Opened::has_templates);
    let context = has_templates.then(|| context(&claim.id, number, event, subscription));
    let mut render = |opened: &Opened, section| {
        opened
            .for_call(section, context.as_ref(), seals)
            .map_err(|violation| format!("the settings cannot be rendered for this event: {violation}"))
    };
    let config = render(&prepared.opened, Section::Config)?;
    let connection = connection.map(|connection| render(connection, Section::Connection)).transpose()?;
    Ok(Delivery {
        id,
        attempt: number,
        attempted_at: started_at.to_string(),
        test: claim.route.test,
        event_id,
        event_type: event.event_type.to_string(),
        payload: event.payload.as_str().to_owned(),
        timestamp,
        subscription_id,
        subscription_name: subscription.name.clone(),
        config,
        connection,
        entity: claim.route.entity.clone().map(|key| Entity { key, external_id: claim.external_id.clone() }),
    })
}

fn without_call(number: u32, started_at: Timestamp, cause: Cause, message: String, retry: Retry) -> Attempt {
    Attempt {
        number,
        started_at,
        duration_micros: 0,
        provider: None,
        reconciled: false,
        outcome: Outcome::Failure { cause, message, retry, ambiguous: false },
        exchanges: Vec::new(),
        log: Vec::new(),
    }
}

fn made(number: u32, started_at: Timestamp, build: ProviderBuild, report: Report<Result<Receipt, Failure>>) -> Attempt {
    let failure = |cause, message, retry: Option<Retry>| {
        let ambiguous = verdict::is_ambiguous(retry.is_some(), &report.exchanges);
        let retry = retry.unwrap_or_else(|| verdict::retry(cause, &report.exchanges));
        Outcome::Failure { cause, message, retry, ambiguous }
    };
    let mut log = report.log;
    let outcome = match report.result {
        Ok(Ok(Receipt { external_id })) => Outcome::Success { external_id },
        Ok(Err(Failure { message, retry })) => failure(Cause::Provider, message, retry),
        Err(error) => {
            let cause = match &error {
                CallError::Trap { backtrace, .. } => {
                    if !backtrace.is_empty() {
                        let message = format!("backtrace:\n{backtrace}");
                        log.push(LogLine { level: Level::Error, message });
                    }
                    Cause::Trap
                }
                CallError::Deadline(_) => Cause::Deadline,
                CallError::Limit { .. } => Cause::Limit,
                CallError::Contract(_) | CallError::Mismatch(_) => Cause::Contract,
                CallError::Host(_) => Cause::Unavailable,
            };
            failure(cause, error.to_string(), None)
        }
    };
    let duration_micros = micros(report.duration);
    let (reconciled, exchanges) = (false, report.exchanges);
    Attempt { number, started_at, duration_micros, provider: Some(build), reconciled, outcome, exchanges, log }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
