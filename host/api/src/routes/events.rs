//! What was emitted.

use super::deliveries;
use crate::App;
use crate::access::{Read, Tenancy};
use crate::answer::Page;
use crate::body::{Paging, Params};
use crate::path::{Id, Path};
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use postern_core::{Delivery, Event, EventId, EventTypeId, TenantId, Timestamp};
use postern_store::EventFilter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Listing {
    /// Those of this type.
    event_type: Option<EventTypeId>,
    /// Those of this tenant.
    tenant: Option<TenantId>,
    /// Those that were accepted at this time or later.
    since: Option<Timestamp>,
    /// Those that were accepted before this time.
    until: Option<Timestamp>,
    /// At most so many, 1 to 500. Default: 50.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// The `nextCursor` of the part before.
    cursor: Option<String>,
}

/// An event with its deliveries.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub(super) struct View {
    #[serde(flatten)]
    #[schemars(with = "Event")]
    event: Arc<Event>,
    /// In the order of its fan-out.
    deliveries: Vec<deliveries::View>,
}

fn view((event, deliveries): (Arc<Event>, Vec<Delivery>)) -> View {
    View { event, deliveries: deliveries.into_iter().map(deliveries::view).collect() }
}

pub(super) async fn list(
    access: Read,
    State(app): State<App>,
    Params(listing): Params<Listing>,
) -> Result<Json<Page<View>>, Problem> {
    let request = Paging { limit: listing.limit, cursor: listing.cursor }.request()?;
    let filter = EventFilter {
        tenant: access.tenant(listing.tenant)?,
        event_type: listing.event_type,
        since: listing.since,
        until: listing.until,
    };
    let found = app.store.list_events(filter, request).await?;
    Ok(Page::of(found.items, found.next, view))
}

pub(super) async fn show(
    access: Read,
    State(app): State<App>,
    Path(Id { id }): Path<Id<EventId>>,
) -> Result<Json<View>, Problem> {
    let found = app.store.event(id).await?.filter(|(event, _)| access.sees(&event.tenant));
    found.map(|found| Json(view(found))).ok_or_else(|| Problem::not_found("event", id))
}
