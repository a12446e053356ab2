//! Transitions: which one leads where a subscription wants an issue. Their ids differ from workflow to workflow, so they are
//! asked for: <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/>, "Get transitions".

use crate::api;
use crate::connection::Connection;
use crate::issue::{Issue, Status};
use crate::value::same;
use postern_provider::prelude::*;
use serde_json::{Value, json};

/// What stands before a status category.
pub(crate) const CATEGORY: &str = "category:";

#[derive(Deserialize)]
struct Transitions {
    transitions: Vec<Transition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transition {
    id: String,
    name: String,
    to: Status,
    is_available: Option<bool>,
    /// The fields of its screen.
    #[serde(default)]
    fields: Value,
}

/// Brings an issue where it is wanted. Says why not, where no transition leads there.
pub(crate) fn go(connection: &Connection, issue: &Issue, to: &str, resolution: Option<&str>) -> Result<Option<String>, Failure> {
    let wanted = Wanted::read(to);
    if wanted.is(issue.status()) {
        return Ok(None);
    }
    let path = format!("issue/{}/transitions", api::encoded(&issue.key));
    let Transitions { mut transitions } = api::get(connection, &format!("{path}?expand=transitions.fields"))
        .map_err(|refusal| refusal.context(format!("reading the transitions of {}", issue.key)))?;
    transitions.retain(|transition| transition.is_available != Some(false));
    let Some(transition) = wanted.choose(&transitions) else { return Ok(Some(not_there(issue, to, &transitions))) };
    let mut body = json!({ "transition": { "id": transition.id } });
    if let Some(resolution) = resolution.filter(|_| transition.fields.get("resolution").is_some()) {
        body["fields"] = json!({ "resolution": { "name": resolution } });
    }
    api::post_only(connection, &path, &body)
        .map_err(|refusal| refusal.context(format!("the transition `{}` of {}", transition.name, issue.key)))?;
    Ok(None)
}

fn not_there(issue: &Issue, to: &str, transitions: &[Transition]) -> String {
    let names: Vec<_> =
        transitions.iter().take(20).map(|transition| format!("{} (to {})", transition.name, transition.to.name)).collect();
    let there = if names.is_empty() {
        "there are none that the account may make: it needs the permission to transition issues".to_owned()
    } else {
        format!("there are {}", names.join(", "))
    };
    format!("no transition leads {} from {} to `{to}`; {there}", issue.key, issue.status().name)
}

enum Wanted<'a> {
    Category(&'a str),
    Name(&'a str),
}

impl<'a> Wanted<'a> {
    fn read(text: &'a str) -> Self {
        text.trim().strip_prefix(CATEGORY).map_or(Self::Name(text), |category| Self::Category(category.trim()))
    }

    /// Whether a status is what is wanted: by the category's key or name, or by the status's name.
    fn is(&self, status: &Status) -> bool {
        match self {
            Self::Category(wanted) => same(wanted, &status.status_category.key) || same(wanted, &status.status_category.name),
            Self::Name(wanted) => same(wanted, &status.name),
        }
    }

    fn choose<'t>(&self, transitions: &'t [Transition]) -> Option<&'t Transition> {
        let by_name = match self {
            Self::Name(wanted) => transitions.iter().find(|transition| same(wanted, &transition.name)),
            Self::Category(_) => None,
        };
        by_name.or_else(|| transitions.iter().find(|transition| self.is(&transition.to)))
    }
}
