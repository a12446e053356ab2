//! One delivery: a new alert, or a change of the entity's one.

use crate::action::Action;
use crate::api::{self, Outcome};
use crate::config::Config;
use crate::connection::Connection;
use crate::{alert, alias};
use postern_provider::prelude::*;

/// What is the same for all that a delivery sends.
struct Task<'a> {
    delivery: &'a Delivery<Config, Connection>,
    connection: &'a Connection,
    notice: Notice,
    alias: String,
}

pub(crate) fn run(delivery: &Delivery<Config, Connection>) -> Result<Receipt, Failure> {
    let connection = delivery.connection()?;
    let notice = delivery.notice();
    let action = Action::of(delivery, &notice);
    if action == Action::Ignore {
        log::info("nothing was sent: the subscription's actions say that this event is ignored");
        return Ok(Receipt::none());
    }
    let task = Task { delivery, connection, alias: alias::of(delivery, action)?, notice };
    match path(action, &task.alias) {
        Some(path) => task.change(action, &path),
        None => task.create(),
    }
}

/// Where a change of an alert goes: <https://docs.opsgenie.com/docs/alert-api>, "Close Alert" and the like.
fn path(action: Action, alias: &str) -> Option<String> {
    let what = match action {
        Action::Note => "notes",
        Action::Acknowledge => "acknowledge",
        Action::Close => "close",
        Action::Create | Action::Ignore => return None,
    };
    Some(format!("/{alias}/{what}?identifierType=alias"))
}

impl Task<'_> {
    /// A second alert with the alias of an open one only raises that one's count.
    fn create(&self) -> Result<Receipt, Failure> {
        let body = alert::body(self.delivery, &self.notice, &self.alias)?;
        let request = api::post(self.connection, "", &body).map_err(|refusal| refusal.failure)?;
        match api::outcome(self.connection, request) {
            // A rule of the integration refused it, say: prometheus/alertmanager#3598.
            Outcome::Failed(reason) => Err(Failure::never(format!(
                "{} accepted the alert but did not create it: {reason}; check the integration's rules",
                self.connection.service.name()
            ))),
            outcome => Ok(outcome.receipt()),
        }
    }

    fn change(&self, action: Action, path: &str) -> Result<Receipt, Failure> {
        if let (Action::Note, Some(reason)) = (action, self.failed_creation()) {
            log::warn(format!("creating an alert, since the one to add a note to was accepted but not created: {reason}"));
            return self.create();
        }
        let outcome = match api::post(self.connection, path, &alert::note(self.delivery, &self.notice)) {
            Ok(request) => api::outcome(self.connection, request),
            Err(refusal) if refusal.status == Some(404) => Outcome::Failed(format!("alert does not exist: {}", refusal.failure)),
            Err(refusal) => return Err(refusal.failure),
        };
        match (outcome, action) {
            (Outcome::Failed(reason), Action::Note) if is_gone(&reason) => {
                log::warn(format!("creating an alert, since there is none to add a note to: {reason}"));
                self.create()
            }
            (Outcome::Failed(reason), Action::Note) => {
                Err(Failure::never(format!("{} accepted the note but did not add it: {reason}", self.connection.service.name())))
            }
            // Closed or acknowledged already, or never there: it is as the event wants it.
            (Outcome::Failed(reason), _) => {
                log::warn(format!("nothing was changed: {reason}"));
                Ok(Receipt::none())
            }
            (outcome, _) => Ok(outcome.receipt()),
        }
    }

    /// Why the entity's alert was not created, where the first delivery did not live to see it.
    fn failed_creation(&self) -> Option<String> {
        let first = self.delivery.entity.as_ref()?.external_id.as_deref()?;
        match api::status(self.connection, api::request_of(first)?) {
            Ok(Some(Outcome::Failed(reason))) => Some(reason),
            Ok(_) => None,
            Err(failure) => {
                log::info(format!("what became of the alert's creation cannot be asked for: {failure}"));
                None
            }
        }
    }
}

/// "Alert does not exist" is documented; "There is no open alert with alias […]" is what Jira Service Management says.
fn is_gone(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    ["does not exist", "no open alert", "not found"].iter().any(|words| reason.contains(words))
}
