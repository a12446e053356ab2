//! The alert's custom details, and how the whole event is kept within its size.

use crate::config::Config;
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::Limit;
use serde_json::{Map, Value, json};

/// An event may have 512 KB (<https://developer.pagerduty.com/docs/events-api-v2/overview/>, "Size Limits"). Read as 512,000
/// bytes, the smaller meaning.
const LARGEST_EVENT: usize = 512_000;

/// The payload's fields by their labels, or what the template made.
pub(crate) fn of(delivery: &Delivery<Config, Connection>, notice: &Notice) -> Result<Value, Failure> {
    if let Some(text) = delivery.config.details_template.as_deref().filter(|text| !text.trim().is_empty()) {
        let details: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            Failure::never(format!("detailsTemplate made no JSON object: {error}; check it in the subscription"))
        })?;
        return Ok(details.into());
    }
    let mut details = Map::new();
    if let Some(description) = &notice.description {
        details.insert("Description".into(), json!(description));
    }
    for fact in &notice.facts {
        details.insert(fact.label.clone(), json!(fact.value));
    }
    for (label, value) in [("Time", &notice.time), ("Subscription", &delivery.subscription.name)] {
        details.entry(label).or_insert_with(|| json!(value));
    }
    Ok(details.into())
}

/// Replaces details that are too large by the beginning of their text.
pub(crate) fn fit(body: &mut Value) {
    let excess = size(body).saturating_sub(LARGEST_EVENT);
    if excess == 0 {
        return;
    }
    let text = body["payload"]["custom_details"].take().to_string();
    let room = LARGEST_EVENT.saturating_sub(size(body) + 100);
    // A JSON text inside of a JSON text: a quote or backslash takes two bytes, everything else its own.
    let shortened = Limit::bytes(room / 2).shorten(&text);
    body["payload"]["custom_details"] = json!({ "Details": shortened });
    log::warn(format!("the details were shortened: the event was {excess} bytes larger than PagerDuty takes"));
}

fn size(body: &Value) -> usize {
    body.to_string().len()
}
