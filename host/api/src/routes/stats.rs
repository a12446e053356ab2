//! Counts of what happened.

use crate::App;
use crate::access::{Read, Tenancy};
use crate::body::Params;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_core::{EventTypeId, ProviderId, TenantId, Timestamp};
use postern_store::{Counts, StatsFilter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    /// Of the last so many hours, 1 to 720. Default: 24.
    #[schemars(range(min = 1, max = 720))]
    hours: Option<u32>,
    /// Of this tenant's events only.
    tenant: Option<TenantId>,
}

/// How many events and deliveries there were.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Stats")]
pub(super) struct View {
    /// The events that were accepted at this time or later are counted.
    since: Timestamp,
    /// How many there are, those without a delivery included.
    events: usize,
    deliveries: Counts,
    /// Null: everything was counted. Otherwise there was more than is counted at once, and only what was accepted at this time
    /// or later is in the counts.
    cut_at: Option<Timestamp>,
    by_event_type: Vec<OfEventType>,
    by_provider: Vec<OfProvider>,
}

/// The deliveries of an event type.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "EventTypeStats")]
struct OfEventType {
    event_type: EventTypeId,
    deliveries: Counts,
}

/// The deliveries of a provider.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ProviderStats")]
struct OfProvider {
    provider: ProviderId,
    deliveries: Counts,
}

pub(super) async fn show(access: Read, State(app): State<App>, Params(span): Params<Span>) -> Result<Json<View>, Problem> {
    let tenant = access.tenant(span.tenant)?;
    let hours = span.hours.unwrap_or(24);
    if !(1..=720).contains(&hours) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "bad-query", "hours is a number from 1 to 720"));
    }
    let hour = Duration::from_secs(60 * 60);
    let now = Timestamp::now().as_millis();
    let since = Timestamp::from_millis(now - i64::try_from((hour * hours).as_millis()).unwrap_or(0));
    let stats = app.store.stats(StatsFilter { since, tenant }).await?;
    let of_event_type = |(event_type, deliveries)| OfEventType { event_type, deliveries };
    let of_provider = |(provider, deliveries)| OfProvider { provider, deliveries };
    Ok(Json(View {
        since,
        events: stats.events,
        deliveries: stats.deliveries,
        cut_at: stats.cut_at,
        by_event_type: stats.by_event_type.into_iter().map(of_event_type).collect(),
        by_provider: stats.by_provider.into_iter().map(of_provider).collect(),
    }))
}
