//! Counts of what happened.

use crate::App;
use crate::access::{Read, Tenancy};
use crate::body::Params;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_core::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    /// Of the last so many hours, 1 to 720. Default: 24.
    hours: Option<u32>,
}

pub(super) async fn show(access: Read, State(app): State<App>, Params(span): Params<Span>) -> Result<Json<Value>, Problem> {
    access.everything()?;
    let hours = span.hours.unwrap_or(24);
    if !(1..=720).contains(&hours) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "bad-query", "hours is a number from 1 to 720"));
    }
    let hour = Duration::from_secs(60 * 60);
    let now = Timestamp::now().as_millis();
    let since = Timestamp::from_millis(now - i64::try_from((hour * hours).as_millis()).unwrap_or(0));
    let stats = app.store.stats(since).await?;
    let mut view = json!({ "since": since, "events": stats.events, "deliveries": stats.deliveries, "cutAt": stats.cut_at });
    view["byEventType"] =
        stats.by_event_type.iter().map(|(id, counts)| json!({ "eventType": id, "deliveries": counts })).collect();
    view["byProvider"] = stats.by_provider.iter().map(|(id, counts)| json!({ "provider": id, "deliveries": counts })).collect();
    Ok(Json(view))
}
