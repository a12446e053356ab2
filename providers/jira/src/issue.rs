//! Issues: which one an entity has, and what was made by which delivery.
//!
//! An issue is found by the external id, which Jira answers for at once, and by a label, which needs Jira's search and so may
//! be some seconds late: <https://developer.atlassian.com/cloud/jira/platform/search-and-reconcile/>.

use crate::api::{self, Refusal};
use crate::config::Config;
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::digest;
use serde_json::{Value, json};

/// The property of issues and comments that says which delivery made them.
pub(crate) const PROPERTY: &str = "postern.delivery";

/// The key of the status category of what is done: <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-workflow-status-categories/>.
pub(crate) const DONE: &str = "done";

#[derive(Debug, Deserialize)]
pub(crate) struct Issue {
    pub(crate) key: String,
    fields: Fields,
    #[serde(default)]
    properties: Value,
}

#[derive(Debug, Deserialize)]
struct Fields {
    status: Status,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) name: String,
    pub(crate) status_category: Category,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Category {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) name: String,
}

impl Issue {
    pub(crate) fn status(&self) -> &Status {
        &self.fields.status
    }

    pub(crate) fn is_done(&self) -> bool {
        self.status().status_category.key == DONE
    }

    /// Whether an earlier try of this delivery made it.
    pub(crate) fn is_made_by(&self, delivery: &str) -> bool {
        self.properties[PROPERTY]["id"] == delivery
    }

    pub(crate) fn receipt(&self) -> Receipt {
        Receipt::with_external_id(&self.key)
    }
}

/// What marks a thing as this delivery's.
pub(crate) fn mark(delivery: &str) -> Value {
    json!([{ "key": PROPERTY, "value": { "id": delivery } }])
}

/// The entity of a delivery. One that only tries the subscription out has none, so that it does nothing to an issue that is
/// somebody's work.
pub(crate) fn entity(delivery: &Delivery<Config, Connection>) -> Option<&postern_provider::Entity> {
    delivery.entity.as_ref().filter(|_| !delivery.test)
}

/// The label of an entity's issues in this subscription, or, without an entity, of the delivery's. A key may have any length
/// and any characters, a label not.
pub(crate) fn label(delivery: &Delivery<Config, Connection>) -> Option<String> {
    let (what, name) = match entity(delivery) {
        Some(entity) => ("entity", &entity.key),
        None => ("delivery", &delivery.id),
    };
    let hash = digest(&format!("{what}\0{}\0{name}", delivery.subscription.id));
    delivery.config.label_issues.then(|| format!("postern-{}", &hash[..32]))
}

/// The issue that a delivery is about, if there is one: that of the external id unless it is done, else the newest that is
/// not done, else any.
pub(crate) fn current(delivery: &Delivery<Config, Connection>) -> Result<Option<Issue>, Failure> {
    let connection = delivery.connection()?;
    let known = match entity(delivery).and_then(|entity| entity.external_id.as_deref()).filter(|id| is_key(id)) {
        Some(key) => get(connection, key)?,
        None => None,
    };
    if known.as_ref().is_some_and(|issue| !issue.is_done()) {
        return Ok(known);
    }
    let mut found = match label(delivery) {
        // Without an entity, only an earlier try can have made one.
        Some(label) if entity(delivery).is_some() || delivery.attempt > 1 => labelled(connection, &label)?,
        _ => Vec::new(),
    };
    let open = found.iter().position(|issue| !issue.is_done());
    Ok(match (open, known) {
        (Some(open), _) => Some(found.swap_remove(open)),
        (None, Some(known)) => Some(known),
        (None, None) => found.into_iter().next(),
    })
}

/// The issues with a label, newest first.
pub(crate) fn labelled(connection: &Connection, label: &str) -> Result<Vec<Issue>, Failure> {
    #[derive(Deserialize)]
    struct Found {
        #[serde(default)]
        issues: Vec<Issue>,
    }
    let body = json!({
        "jql": format!("labels = \"{label}\" ORDER BY created DESC"),
        "fields": ["status"],
        "properties": [PROPERTY],
        "maxResults": 20,
    });
    match api::post::<Found>(connection, "search/jql", &body) {
        Ok(found) => Ok(found.issues),
        Err(refusal) if refusal.status.is_some() && refusal.failure.retry == Retry::Never => {
            log::warn(format!("issues cannot be looked for by their label: {}", refusal.failure));
            Ok(Vec::new())
        }
        Err(refusal) => Err(refusal.context("looking for an earlier issue")),
    }
}

fn get(connection: &Connection, key: &str) -> Result<Option<Issue>, Failure> {
    match api::get(connection, &format!("issue/{}?fields=status&properties={PROPERTY}", api::encoded(key))) {
        Ok(issue) => Ok(Some(issue)),
        Err(Refusal { status: Some(404), .. }) => {
            log::warn(format!("{key} is gone, or the account may not see it any more"));
            Ok(None)
        }
        Err(refusal) => Err(refusal.context(format!("reading {key}"))),
    }
}

/// Whether an external id is an issue's key. One that is none of ours leads nowhere.
fn is_key(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    text.rsplit_once('-').is_some_and(|(project, number)| {
        is_part(project) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}
