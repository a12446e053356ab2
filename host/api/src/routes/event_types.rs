//! Event types.

use super::{page, parse};
use crate::App;
use crate::access::{Admin, Read, Tenancy};
use crate::body::{Body, Paging, Params, part};
use crate::path::Path;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_core::{EventType, PluginId};
use postern_delivery::catalog::EventTypeInput;
use postern_events::properties;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Force {
    #[serde(default)]
    force: bool,
}

pub(super) async fn register(
    access: Admin,
    State(app): State<App>,
    Path((plugin, hook)): Path<(String, String)>,
    Params(force): Params<Force>,
    Body(input): Body<EventTypeInput>,
) -> Result<(StatusCode, Json<EventType>), Problem> {
    access.everything()?;
    let (event_type, new) = app.catalog.register(parse(&plugin)?, parse(&hook)?, input, force.force).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(event_type)))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Listing {
    plugin: Option<PluginId>,
    group_by: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

pub(super) async fn list(_: Read, State(app): State<App>, Params(listing): Params<Listing>) -> Result<Json<Value>, Problem> {
    let mut all = app.catalog.event_types();
    all.retain(|event_type| listing.plugin.as_ref().is_none_or(|plugin| event_type.definition.plugin == *plugin));
    let paging = Paging { limit: listing.limit, cursor: listing.cursor };
    match listing.group_by.as_deref() {
        None => {
            let (found, next) = part(all, |event_type| event_type.definition.id.to_string(), &paging)?;
            Ok(page(found.iter().map(|event_type| json!(event_type.definition)).collect(), next))
        }
        Some("category") => {
            let mut groups: std::collections::BTreeMap<&str, Vec<&EventType>> = std::collections::BTreeMap::new();
            for event_type in &all {
                groups.entry(&event_type.definition.category).or_default().push(&event_type.definition);
            }
            let (groups, next) = part(groups.into_iter().collect(), |(category, _)| (*category).to_owned(), &paging)?;
            let view = |(category, event_types)| json!({ "category": category, "eventTypes": event_types });
            Ok(page(groups.into_iter().map(view).collect(), next))
        }
        Some(_) => Err(Problem::new(StatusCode::BAD_REQUEST, "bad-query", "groupBy can only be `category`")),
    }
}

/// One event type, with the flat list of the properties that templates can use.
pub(super) async fn show(_: Read, State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let event_type = app.catalog.event_type(&parse(&id)?)?;
    let mut view = json!(event_type.definition);
    view["properties"] = json!(properties::list(&event_type.definition.payload_schema));
    view["sample"] = json!(event_type.sample());
    Ok(Json(view))
}

pub(super) async fn remove(access: Admin, State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    access.everything()?;
    app.catalog.unregister(&parse(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
