//! Carries a plan out, step by step, until it is done or something is refused.

use super::declared::{Identity, Kind};
use super::plan::{Action, Step};
use postern_client::call::segment;
use postern_client::{Body, Client, Error};
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeMap;

/// Makes the steps; answers with how many were made, and with what went wrong with the next one.
pub(super) async fn run(
    client: &Client,
    steps: &[Step],
    mut connections: BTreeMap<Identity, String>,
    force: bool,
) -> (usize, Option<String>) {
    for (done, step) in steps.iter().enumerate() {
        match make(client, step, &connections, force).await {
            Ok(Some(id)) if step.kind == Kind::Connection => {
                connections.insert(step.identity.clone(), id);
            }
            Ok(_) => {}
            Err(error) => return (done, Some(explain(step, &error))),
        }
    }
    (steps.len(), None)
}

/// Makes a step; answers with the id of what was made.
async fn make(
    client: &Client,
    step: &Step,
    connections: &BTreeMap<Identity, String>,
    force: bool,
) -> Result<Option<String>, Error> {
    let base = step.kind.path();
    let (method, path, tag, body) = match &step.action {
        Action::Keep => return Ok(None),
        Action::Create { body } | Action::Update { body, .. } if step.kind == Kind::EventType => {
            let part = |field: &str| segment(body[field].as_str().unwrap_or_default());
            let path = format!("/api/v1/plugins/{}/events/{}?force={force}", part("plugin"), part("hook"));
            let mut body = body.clone();
            if let Some(map) = body.as_object_mut() {
                map.retain(|key, _| !["id", "plugin", "hook"].contains(&key.as_str()));
            }
            (Method::PUT, path, None, Body::Json(body))
        }
        Action::Create { body } => (Method::POST, base.to_owned(), None, Body::Json(with_id(step, body, connections))),
        Action::Update { id, tag, body } => {
            (Method::PATCH, format!("{base}/{}", segment(id)), tag.as_deref(), Body::Json(with_id(step, body, connections)))
        }
        Action::Delete { id, tag } => (Method::DELETE, format!("{base}/{}", segment(id)), tag.as_deref(), Body::Empty),
    };
    let made = client.call_at(method, &path, tag, body).await?;
    Ok(made.value["id"].as_str().map(str::to_owned))
}

/// The body with the connection's id in place of its name.
fn with_id(step: &Step, body: &Value, connections: &BTreeMap<Identity, String>) -> Value {
    let mut body = body.clone();
    if let Some(map) = body.as_object_mut()
        && let Some(name) = map.remove("connection")
    {
        let id = name
            .as_str()
            .and_then(|name| connections.get(&Identity { tenant: step.identity.tenant.clone(), name: name.to_owned() }));
        map.insert("connectionId".to_owned(), id.cloned().map_or(Value::Null, Value::String));
    }
    body
}

/// What was refused, where it stands in the files, and what helps.
fn explain(step: &Step, error: &Error) -> String {
    let what = match step.action {
        Action::Create { .. } => "created",
        Action::Update { .. } => "updated",
        Action::Delete { .. } => "deleted",
        Action::Keep => "kept",
    };
    let mut text = format!("the {} `{}` is not {what}", step.kind, step.identity);
    if let Some(declared) = &step.declared {
        text.push_str(&format!(" ({})", declared.place("")));
    }
    match error {
        Error::Problem(problem) => {
            text.push_str(&format!(": {}", problem.detail));
            for place in &problem.errors {
                let at = step.declared.as_ref().map(|declared| declared.place(&place.path).to_string());
                let path = if place.path.is_empty() { "/" } else { &place.path };
                text.push_str(&format!("\n  {}{path}: {}", at.map(|at| format!("{at}: ")).unwrap_or_default(), place.message));
            }
            match problem.code.as_str() {
                "stale" => text.push_str(". Somebody changed it meanwhile; look at what they did and apply again"),
                "breaks-subscriptions" => text.push_str("\n  --force registers it all the same"),
                _ => {}
            }
        }
        other => text.push_str(&format!(": {other}")),
    }
    text
}
