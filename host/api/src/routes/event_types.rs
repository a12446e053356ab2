//! Event types.

use crate::App;
use crate::access::{Admin, Read, Tenancy};
use crate::answer::{Page, Put};
use crate::body::{Body, Paging, Params, part};
use crate::path::{Id, Path};
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::response::NoContent;
use postern_core::{EventType, EventTypeId, HookId, PluginId};
use postern_delivery::catalog::EventTypeInput;
use postern_events::properties::{self, Property};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A plugin's hook.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Hook {
    /// The plugin that owns it.
    pub(super) plugin: PluginId,
    /// What it announces.
    pub(super) hook: HookId,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Force {
    /// Whether to register it although subscriptions would not work any more. Default: no.
    #[serde(default)]
    force: bool,
}

pub(super) async fn register(
    access: Admin,
    State(app): State<App>,
    Path(Hook { plugin, hook }): Path<Hook>,
    Params(force): Params<Force>,
    Body(input): Body<EventTypeInput>,
) -> Result<Put<Json<EventType>>, Problem> {
    access.everything()?;
    let (event_type, new) = app.catalog.register(plugin, hook, input, force.force).await?;
    Ok(Put { new, answer: Json(event_type) })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Listing {
    /// Those of this plugin.
    plugin: Option<PluginId>,
    /// Answers with groups of event types.
    group_by: Option<Grouping>,
    /// At most so many, 1 to 500. Default: 50.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// The `nextCursor` of the part before.
    cursor: Option<String>,
}

/// What event types can be grouped by.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Grouping {
    Category,
}

/// The event types of one category.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "EventTypeGroup")]
pub(super) struct Group {
    category: String,
    event_types: Vec<EventType>,
}

/// Event types, or groups of them if they were asked for.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "EventTypeListing")]
pub(super) enum Listed {
    Single(Page<EventType>),
    Grouped(Page<Group>),
}

/// An event type with what writers of templates need.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EventTypeDetail")]
pub(super) struct Detail {
    #[serde(flatten)]
    event_type: EventType,
    /// The flat list of the properties that templates can use.
    properties: Vec<Property>,
    /// A payload as it would be delivered; null if none can be made.
    sample: Option<Value>,
}

pub(super) async fn list(_: Read, State(app): State<App>, Params(listing): Params<Listing>) -> Result<Json<Listed>, Problem> {
    let mut all = app.catalog.event_types();
    all.retain(|event_type| listing.plugin.as_ref().is_none_or(|plugin| event_type.definition.plugin == *plugin));
    let paging = Paging { limit: listing.limit, cursor: listing.cursor };
    let definitions = all.iter().map(|event_type| event_type.definition.clone());
    match listing.group_by {
        None => {
            let (items, next_cursor) = part(definitions.collect(), |event_type| event_type.id.to_string(), &paging)?;
            Ok(Json(Listed::Single(Page { items, next_cursor })))
        }
        Some(Grouping::Category) => {
            let mut groups: BTreeMap<String, Vec<EventType>> = BTreeMap::new();
            for event_type in definitions {
                groups.entry(event_type.category.clone()).or_default().push(event_type);
            }
            let groups = groups.into_iter().map(|(category, event_types)| Group { category, event_types }).collect();
            let (items, next_cursor) = part(groups, |group: &Group| group.category.clone(), &paging)?;
            Ok(Json(Listed::Grouped(Page { items, next_cursor })))
        }
    }
}

/// One event type, with the flat list of the properties that templates can use.
pub(super) async fn show(
    _: Read,
    State(app): State<App>,
    Path(Id { id }): Path<Id<EventTypeId>>,
) -> Result<Json<Detail>, Problem> {
    let event_type = app.catalog.event_type(&id)?;
    let properties = properties::list(&event_type.definition.payload_schema);
    Ok(Json(Detail { event_type: event_type.definition.clone(), properties, sample: event_type.sample() }))
}

pub(super) async fn remove(
    access: Admin,
    State(app): State<App>,
    Path(Id { id }): Path<Id<EventTypeId>>,
) -> Result<NoContent, Problem> {
    access.everything()?;
    app.catalog.unregister(&id).await?;
    Ok(NoContent)
}
