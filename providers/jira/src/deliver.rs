//! One delivery: a new issue, or what has become of the entity's.

use crate::api;
use crate::comments;
use crate::config::{Config, LaterEvents};
use crate::connection::Connection;
use crate::fields;
use crate::issue::{self, Issue};
use crate::message;
use crate::transitions;
use postern_provider::notice::Phase;
use postern_provider::prelude::*;
use serde_json::json;

type Jira = Delivery<Config, Connection>;

pub(crate) fn run(delivery: &Jira) -> Result<Receipt, Failure> {
    let connection = delivery.connection()?;
    let current = issue::current(delivery)?;
    if delivery.attempt > 1
        && let Some(receipt) = earlier(delivery, connection, current.as_ref())?
    {
        log::info("an earlier try has come through");
        return Ok(receipt);
    }
    let phase = delivery.notice().phase;
    match current {
        Some(current) if phase == Phase::Opened && current.is_done() && delivery.config.when_reopened.is_none() => {
            log::info(format!("{} is done, so a new issue is made", current.key));
            create(delivery, connection)
        }
        Some(current) => change(delivery, connection, &current, phase),
        None if phase == Phase::Resolved && issue::entity(delivery).is_some() => {
            log::warn("what is over has no issue, so there is none to change");
            Ok(Receipt::none())
        }
        None => create(delivery, connection),
    }
}

/// Looks for what an earlier attempt did whose end is unknown.
pub(crate) fn find(delivery: &Jira) -> Result<Option<Receipt>, Failure> {
    let connection = delivery.connection()?;
    let current = match (issue::entity(delivery), issue::label(delivery)) {
        (Some(_), _) => issue::current(delivery)?,
        (None, Some(label)) => issue::labelled(connection, &label)?.into_iter().next(),
        (None, None) => None,
    };
    earlier(delivery, connection, current.as_ref())
}

/// What an earlier try of this delivery made: the issue, or a comment on it. The comment is the last thing that a delivery
/// does, so all is done if it is there. A second update or transition says what the first did.
fn earlier(delivery: &Jira, connection: &Connection, current: Option<&Issue>) -> Result<Option<Receipt>, Failure> {
    let Some(current) = current else { return Ok(None) };
    let done = current.is_made_by(&delivery.id)
        || (delivery.config.later_events == LaterEvents::Comment && comments::has(connection, &current.key, &delivery.id)?);
    Ok(done.then(|| receipt(delivery, current.key.clone())))
}

/// <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/>, "Create issue".
fn create(delivery: &Jira, connection: &Connection) -> Result<Receipt, Failure> {
    #[derive(Deserialize)]
    struct Created {
        key: String,
    }
    let Config { project, issue_type, priority, assignee, .. } = &delivery.config;
    let mapped = fields::mapped(&delivery.config, connection)?;
    let labels: Vec<_> = mapped.labels.into_iter().chain(issue::label(delivery)).collect();
    let project = if project.starts_with(|first: char| first.is_ascii_digit()) {
        json!({ "id": project })
    } else {
        json!({ "key": project })
    };
    let mut fields = json!({
        "project": project,
        "issuetype": { "id": issue_type },
        "summary": message::summary(delivery),
        "description": message::description(delivery),
    });
    if !labels.is_empty() {
        fields["labels"] = labels.into();
    }
    if let Some(priority) = priority {
        fields["priority"] = json!({ "id": priority });
    }
    if let Some(assignee) = assignee {
        fields["assignee"] = json!({ "accountId": assignee });
    }
    for (field, value) in mapped.fields {
        fields[field] = value;
    }
    let body = json!({ "fields": fields, "properties": issue::mark(&delivery.id) });
    let Created { key } = api::post(connection, "issue", &body)
        .map_err(|refusal| refusal.context(format!("making an issue in {}", delivery.config.project)))?;
    if delivery.test {
        log::info(format!("made {key}"));
    }
    Ok(receipt(delivery, key))
}

/// The entity keeps no issue that was only a test.
fn receipt(delivery: &Jira, key: String) -> Receipt {
    if delivery.test { Receipt::none() } else { Receipt::with_external_id(key) }
}

fn change(delivery: &Jira, connection: &Connection, current: &Issue, phase: Phase) -> Result<Receipt, Failure> {
    let config = &delivery.config;
    let (to, needed) = match phase {
        Phase::Opened if current.is_done() => (config.when_reopened.as_deref(), true),
        Phase::Changed if !current.is_done() => (config.when_changed.as_deref(), false),
        Phase::Resolved if !current.is_done() => (config.when_resolved.as_deref(), true),
        _ => (None, false),
    };
    // Many workflows let nobody edit what is done, so updates come on this side of it. They may be made twice; a comment may
    // not, so it comes last.
    let update_first = config.later_events == LaterEvents::Update && !current.is_done();
    if update_first {
        update(delivery, connection, &current.key)?;
    }
    let not_gone = match to {
        Some(to) => transitions::go(connection, current, to, config.resolution.as_deref())?,
        None => None,
    };
    match config.later_events {
        LaterEvents::Comment => comments::add(connection, &current.key, &message::comment(delivery), &delivery.id)?,
        LaterEvents::Update if !update_first => update(delivery, connection, &current.key)?,
        LaterEvents::Update | LaterEvents::Nothing => {}
    }
    match not_gone {
        // People may have moved the issue since.
        Some(reason) if !needed => log::info(reason),
        Some(reason) => return Err(Failure::never(reason)),
        None => {}
    }
    Ok(current.receipt())
}

/// <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/>, "Edit issue". Labels are added, so that those
/// of people and the one that finds the issue stay.
fn update(delivery: &Jira, connection: &Connection, key: &str) -> Result<(), Failure> {
    let mapped = fields::mapped(&delivery.config, connection)?;
    let mut fields = json!({ "summary": message::summary(delivery), "description": message::description(delivery) });
    for (field, value) in mapped.fields {
        fields[field] = value;
    }
    let mut body = json!({ "fields": fields });
    if !mapped.labels.is_empty() {
        body["update"] = json!({ "labels": mapped.labels.iter().map(|label| json!({ "add": label })).collect::<Vec<_>>() });
    }
    api::put(connection, &format!("issue/{}", api::encoded(key)), &body)
        .map_err(|refusal| refusal.context(format!("updating {key}")))
}
