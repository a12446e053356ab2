//! One delivery: a new issue, or what has become of the entity's.

use crate::api;
use crate::comments;
use crate::config::{Config, LaterEvents, WhenReopened, WhenResolved};
use crate::connection::Connection;
use crate::issue::{self, Issue, Place};
use crate::marker;
use crate::message;
use postern_provider::notice::Phase;
use postern_provider::prelude::*;
use serde_json::{Value, json};

type Github = Delivery<Config, Connection>;

pub(crate) fn run(delivery: &Github) -> Result<Receipt, Failure> {
    let current = issue::current(delivery)?;
    if delivery.attempt > 1
        && let Some(receipt) = earlier(delivery, current.as_ref())?
    {
        log::info("an earlier try has come through");
        return Ok(receipt);
    }
    let phase = delivery.notice().phase;
    match current {
        Some(current) if phase == Phase::Opened && !current.is_open && delivery.config.when_reopened == WhenReopened::New => {
            log::info(format!("{} is closed, so a new issue is made", current.place));
            create(delivery)
        }
        Some(current) => change(delivery, &current, phase),
        None if phase == Phase::Resolved && marker::entity(delivery).is_some() => {
            log::warn("what is over has no issue, so there is none to close");
            Ok(Receipt::none())
        }
        None => create(delivery),
    }
}

/// Looks for what an earlier attempt did whose end is unknown.
pub(crate) fn find(delivery: &Github) -> Result<Option<Receipt>, Failure> {
    match issue::current(delivery) {
        Ok(current) => earlier(delivery, current.as_ref()),
        Err(failure) if failure.retry == Retry::Never => {
            log::warn(format!("what was made cannot be looked for: {failure}"));
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

/// What an earlier try of this delivery made: the issue, or a comment on it. The comment is the last thing that a delivery
/// does, so all is done if it is there. A second update or closing says what the first did.
fn earlier(delivery: &Github, current: Option<&Issue>) -> Result<Option<Receipt>, Failure> {
    let Some(current) = current else { return Ok(None) };
    let done = current.is_made_by(&delivery.id)
        || (delivery.config.later_events == LaterEvents::Comment && comments::has(delivery, &current.place)?);
    Ok(done.then(|| receipt(delivery, &current.place)))
}

/// <https://docs.github.com/en/rest/issues/issues#create-an-issue>
fn create(delivery: &Github) -> Result<Receipt, Failure> {
    let Config { repository, labels, milestone, assignees, .. } = &delivery.config;
    let mut body = json!({ "title": message::title(delivery), "body": message::body(delivery) });
    if !labels.is_empty() {
        body["labels"] = json!(labels);
    }
    if let Some(milestone) = milestone {
        body["milestone"] = json!(milestone.parse::<u32>().unwrap_or_default());
    }
    if !assignees.is_empty() {
        body["assignees"] = json!(assignees);
    }
    let made = api::post(delivery.connection()?, &format!("repos/{repository}/issues"), &body)
        .map_err(|refusal| refusal.context(format!("making an issue in {repository}")))?;
    tell_what_is_missing(&delivery.config, &made);
    let place = Place { repository: repository.clone(), number: api::number(&made)? };
    if delivery.test {
        log::info(format!("made {place}"));
    }
    Ok(receipt(delivery, &place))
}

/// The entity keeps no issue that was only a test.
fn receipt(delivery: &Github, place: &Place) -> Receipt {
    if delivery.test { Receipt::none() } else { Receipt::with_external_id(place.to_string()) }
}

/// GitHub leaves out what the account may not set, and says nothing.
fn tell_what_is_missing(config: &Config, made: &Value) {
    let shown = |list: &str| made[list].as_array().map_or(0, Vec::len);
    let missing = [
        ("labels", shown("labels") < config.labels.len()),
        ("the milestone", config.milestone.is_some() && made["milestone"].is_null()),
        ("assignees", shown("assignees") < config.assignees.len()),
    ];
    let missing: Vec<_> = missing.iter().filter(|(_, missing)| *missing).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        let names = missing.join(" and ");
        log::warn(format!("GitHub left {names} out: give the token's account the role \"Triage\" in the repository"));
    }
}

fn change(delivery: &Github, current: &Issue, phase: Phase) -> Result<Receipt, Failure> {
    let config = &delivery.config;
    let connection = delivery.connection()?;
    let mut changes = json!({});
    match (phase, config.when_resolved) {
        (Phase::Opened, _) if !current.is_open => changes["state"] = json!("open"),
        (Phase::Resolved, WhenResolved::Completed | WhenResolved::NotPlanned) if current.is_open => {
            let reason = if config.when_resolved == WhenResolved::Completed { "completed" } else { "not_planned" };
            changes = json!({ "state": "closed", "state_reason": reason });
        }
        _ => {}
    }
    if config.later_events == LaterEvents::Update {
        changes["title"] = json!(message::title(delivery));
        changes["body"] = json!(message::body(delivery));
    }
    // Changes may be made twice; a comment may not, so it comes last.
    // <https://docs.github.com/en/rest/issues/issues#update-an-issue>
    if changes.as_object().is_some_and(|changes| !changes.is_empty()) {
        api::patch(connection, &current.place.path(""), &changes)
            .map_err(|refusal| refusal.context(format!("changing {}", current.place)))?;
    }
    if config.later_events == LaterEvents::Comment {
        comments::add(connection, &current.place, &message::comment(delivery))?;
    }
    Ok(receipt(delivery, &current.place))
}
