//! What is sent: <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>, "Parameters".

use crate::action::Action;
use crate::config::Config;
use crate::connection::Connection;
use crate::details;
use postern_provider::prelude::*;
use postern_provider::text::{Limit, one_line};
use serde_json::{Value, json};

/// `payload.summary`: 1024 characters.
const SUMMARY: Limit = Limit::utf16(1024);

/// `source`, `component`, `group`, `class` and the texts of links have no documented bound; this is ours.
const SHORT: Limit = Limit::utf16(255);

/// A URL has no documented bound either.
const LONGEST_URL: usize = 2048;

/// The body of a request. To acknowledge or resolve it takes no more than the alert's key.
pub(crate) fn body(
    delivery: &Delivery<Config, Connection>,
    notice: &Notice,
    connection: &Connection,
    action: Action,
    key: &str,
) -> Result<Value, Failure> {
    let mut body = json!({ "routing_key": connection.routing_key, "event_action": action, "dedup_key": key });
    if action == Action::Trigger {
        let config = &delivery.config;
        body["client"] = json!("Postern");
        body["payload"] = payload(delivery, notice)?;
        for (name, entries) in [("links", links(config, notice)), ("images", images(config))] {
            if !entries.is_empty() {
                body[name] = entries.into();
            }
        }
        details::fit(&mut body);
    }
    Ok(body)
}

fn payload(delivery: &Delivery<Config, Connection>, notice: &Notice) -> Result<Value, Failure> {
    let config = &delivery.config;
    let title = filled(&config.summary_template);
    let summary = match &title {
        Some(title) if delivery.test => format!("[Test] {title}"),
        Some(title) => title.clone(),
        None => notice.summary.clone(),
    };
    // It must not be empty.
    let source = filled(&config.source_template)
        .or_else(|| notice.source.clone())
        .or_else(|| delivery.entity.as_ref().map(|entity| one_line(&entity.key)).filter(|key| !key.is_empty()));
    let source = source.unwrap_or_else(|| "Postern".to_owned());
    let mut payload = json!({
        "summary": SUMMARY.shorten(&summary),
        "source": SHORT.shorten(&source),
        "severity": config.severities.of(notice.severity),
        "timestamp": delivery.event.timestamp,
    });
    let class = filled(&config.class_template).unwrap_or_else(|| delivery.event.event_id.clone());
    let optional =
        [("component", filled(&config.component_template)), ("group", filled(&config.group_template)), ("class", Some(class))];
    for (name, value) in optional {
        if let Some(value) = value {
            payload[name] = json!(SHORT.shorten(&value));
        }
    }
    payload["custom_details"] = details::of(delivery, notice)?;
    Ok(payload)
}

/// A template's text on one line, unless it is empty.
fn filled(template: &Option<Template<template::Text>>) -> Option<String> {
    template.as_deref().map(one_line).filter(|text| !text.is_empty())
}

fn links(config: &Config, notice: &Notice) -> Vec<Value> {
    let own = notice.link.as_ref().map(|link| json!({ "href": link, "text": "Open" }));
    let configured = config.links.iter().filter(|link| usable(&link.href, &["https://", "http://"])).map(|link| {
        let mut entry = json!({ "href": link.href });
        if let Some(text) = filled(&link.text) {
            entry["text"] = json!(SHORT.shorten(&text));
        }
        entry
    });
    own.into_iter().chain(configured).collect()
}

/// Images must be served by HTTPS: see "The `images` Property".
fn images(config: &Config) -> Vec<Value> {
    let images = config.images.iter().filter(|image| usable(&image.src, &["https://"]));
    images
        .map(|image| {
            let mut entry = json!({ "src": image.src });
            if let Some(href) = image.href.as_ref().filter(|href| usable(href, &["https://", "http://"])) {
                entry["href"] = json!(href);
            }
            if let Some(alt) = filled(&image.alt) {
                entry["alt"] = json!(SHORT.shorten(&alt));
            }
            entry
        })
        .collect()
}

/// A URL that PagerDuty can take. An alert without a link is better than none.
fn usable(url: &str, schemes: &[&str]) -> bool {
    let usable = url.len() <= LONGEST_URL && schemes.iter().any(|scheme| url.starts_with(scheme));
    if !usable {
        let beginning = Limit::characters(100).shorten(url).into_owned();
        log::warn(format!("left out: `{beginning}` is longer than {LONGEST_URL} bytes or does not begin with {}", schemes[0]));
    }
    usable
}
