//! Comments: <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-comments/>.

use crate::api;
use crate::connection::Connection;
use crate::issue::{self, PROPERTY};
use postern_provider::prelude::*;
use serde_json::{Value, json};

/// How many of the newest are looked at for an earlier one: a page.
const NEWEST: usize = 100;

/// Adds a comment that carries the delivery's id in a property, which nobody sees.
pub(crate) fn add(connection: &Connection, key: &str, body: &Value, delivery: &str) -> Result<(), Failure> {
    let comment = json!({ "body": body, "properties": issue::mark(delivery) });
    api::post_only(connection, &format!("issue/{}/comment", api::encoded(key)), &comment)
        .map_err(|refusal| refusal.context(format!("commenting on {key}")))
}

#[derive(Deserialize)]
struct Comment {
    id: String,
    #[serde(default)]
    properties: Vec<Property>,
}

#[derive(Deserialize)]
struct Property {
    key: String,
    value: Value,
}

/// Whether an earlier try of this delivery commented on an issue. The list of an issue's comments has no properties, so they
/// are asked for by their ids.
pub(crate) fn has(connection: &Connection, key: &str, delivery: &str) -> Result<bool, Failure> {
    #[derive(Deserialize)]
    struct OfIssue {
        comments: Vec<Comment>,
    }
    #[derive(Deserialize)]
    struct ById {
        values: Vec<Comment>,
    }
    let path = format!("issue/{}/comment?orderBy=-created&maxResults={NEWEST}", api::encoded(key));
    let doing = |refusal: api::Refusal| refusal.context(format!("reading the comments on {key}"));
    let OfIssue { comments } = api::get(connection, &path).map_err(doing)?;
    let ids: Vec<u64> = comments.iter().filter_map(|comment| comment.id.parse().ok()).collect();
    if ids.is_empty() {
        return Ok(false);
    }
    let ById { values } = api::post(connection, "comment/list?expand=properties", &json!({ "ids": ids })).map_err(doing)?;
    let is_ours = |property: &Property| property.key == PROPERTY && property.value["id"] == delivery;
    Ok(values.iter().any(|comment| comment.properties.iter().any(is_ours)))
}
