//! Comments: <https://docs.github.com/en/rest/issues/comments>.

use crate::api;
use crate::config::Config;
use crate::connection::Connection;
use crate::issue::Place;
use crate::marker;
use postern_provider::clock;
use postern_provider::prelude::*;
use serde_json::json;
use std::time::Duration;

/// How far back an earlier try can be: the longest delay before a retry is a day.
const LONGEST_AGO: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// How many pages of comments are read.
const PAGES: usize = 3;

/// Adds a comment that carries the delivery's marker.
pub(crate) fn add(connection: &Connection, place: &Place, body: &str) -> Result<(), Failure> {
    api::post(connection, &place.path("/comments"), &json!({ "body": body }))
        .map(drop)
        .map_err(|refusal| refusal.context(format!("commenting on {place}")))
}

/// Whether an earlier try of this delivery commented on an issue. The oldest come first, so only those since then are asked for.
pub(crate) fn has(delivery: &Delivery<Config, Connection>, place: &Place) -> Result<bool, Failure> {
    let since = clock::format(delivery.attempted_at - LONGEST_AGO);
    let path = place.path(&format!("/comments?since={}&per_page=100", api::encoded(&since)));
    let found = api::list(delivery.connection()?, &path, PAGES)
        .map_err(|refusal| refusal.context(format!("reading the comments on {place}")))?;
    let word = marker::of_delivery(&delivery.id);
    Ok(found.entries.iter().any(|comment| comment["body"].as_str().is_some_and(|body| body.contains(&word))))
}
