//! What the host does with an event before anything is stored, and with a config before a provider is called: validation,
//! transform, filter, entity key, templates.
//!
//! The event type and its transform are the seed document's `incident.created`.

use crate::Common;
use crate::report::Section;
use crate::turns::{Nanoseconds, Work, measure};
use anyhow::{Context as _, Result, anyhow, bail};
use postern_core::manifest::SettingsSchema;
use postern_core::{EventType, EventTypeId, Json};
use postern_events::jq::{EntityKey, Filter, Transform, event_input};
use postern_events::registry::Registered;
use postern_events::settings::{Form, render};
use postern_events::template::{Context, Delivery};
use serde_json::{Value, json};
use std::hint::black_box;

/// The bytes of a payload.
const PAYLOAD: usize = 1024;
/// Calls of a turn.
const CALLS: usize = 100;
/// Rounds of each run; a third with --quick.
const ROUNDS: usize = 90;

const ID: &str = "01K8ZQ4W7N3V9M2T6XJHB5RYCD";
const TIMESTAMP: &str = "2026-01-02T03:04:05.678Z";
/// The seed's, without the time of the transformation: a program sees no clock, and the event has its own timestamp.
const TRANSFORM: &str = r#"{
    id: .incidentId,
    type: "INCIDENT_CREATED",
    severity: (.severity | ascii_upcase),
    affected_systems: (.systemIds | length),
    system_ids: .systemIds,
    title: .title
}"#;
const FILTER: &str = r#".payload.severity == "CRITICAL" and .payload.affected_systems > 1"#;
const ENTITY_KEY: &str = ".payload.id";

/// Measures every step, all in turns.
pub(crate) fn run(common: &Common) -> Result<Section> {
    eprintln!("preparation");
    let text = Json::from_value(&payload());
    let emitted = text.to_value();
    let validating = registered(None)?;
    let both = registered(Some(TRANSFORM))?;
    let transform = Transform::compile(TRANSFORM)?;
    let (filter, entity_key) = (Filter::compile(FILTER)?, EntityKey::compile(ENTITY_KEY)?);
    let transformed = accepted(&both, &emitted)?.context("the event type has a transform")?;
    let event_type = both.definition.id.as_str();
    let event = event_input(ID, event_type, TIMESTAMP, &transformed);
    let mut config = config();
    let templates = form()?.templates(&mut config).map_err(|violations| anyhow!("{violations:?}"))?;
    if templates.len() != 5 {
        bail!("{} of the 5 fields are templates", templates.len());
    }
    let delivery = Delivery {
        id: "01K8ZQ4W7N3V9M2T6XJHB5RYCD-0",
        attempt: 1,
        event_id: ID,
        event_type,
        timestamp: TIMESTAMP,
        payload: &transformed,
        subscription_id: ID,
        subscription_name: "On call",
    };

    let mut steps: Vec<(&str, &str, Work<'_>)> = Vec::new();
    let mut step = |name, key, work| steps.push((name, key, work));
    step("payload read from its JSON", "read", Work::repeated(CALLS, || keep(Ok(text.to_value()))));
    step("validation", "validation", Work::repeated(CALLS, || keep(accepted(&validating, &emitted))));
    step("transform", "transform", Work::repeated(CALLS, || keep(Ok(transform.apply(black_box(&emitted))?))));
    step("validation and transform", "both", Work::repeated(CALLS, || keep(accepted(&both, &emitted))));
    let input = || Ok(event_input(ID, event_type, TIMESTAMP, black_box(&transformed)));
    step("event for filters and entity keys", "input", Work::repeated(CALLS, || keep(input())));
    step("one filter", "filter", Work::repeated(CALLS, || keep(Ok(filter.passes(black_box(&event))?))));
    step("one entity key", "entityKey", Work::repeated(CALLS, || keep(Ok(entity_key.of(black_box(&event))?))));
    let rendered = || {
        let mut config = config.clone();
        let context = Context::new(black_box(&delivery));
        render(&templates, &mut config, &context).map_err(|violation| anyhow!("{violation}"))?;
        Ok(config)
    };
    step("config of 5 templates rendered", "templates", Work::repeated(CALLS, || keep(rendered())));

    let rounds = common.runs as usize * if common.quick { ROUNDS / 3 } else { ROUNDS };
    let (names, mut works): (Vec<_>, Vec<_>) = steps.into_iter().map(|(name, key, work)| ((name, key), work)).unzip();
    let measured = measure(&mut works, rounds)?;
    drop(works);
    Ok(section(&names, &measured, rounds))
}

fn section(names: &[(&str, &str)], measured: &[Nanoseconds], rounds: usize) -> Section {
    let micros = |Nanoseconds { p50, p10, p90 }: Nanoseconds| [p50, p10, p90].map(|nanos| nanos / 1e3);
    let row = |((name, _), time): (&(&str, &str), &Nanoseconds)| {
        std::iter::once((*name).to_owned()).chain(micros(*time).map(|micros| format!("{micros:.2}"))).collect()
    };
    let data = names.iter().zip(measured).map(|((_, key), time)| {
        let [p50, p10, p90] = micros(*time);
        ((*key).to_owned(), json!({ "p50": p50, "p10": p10, "p90": p90 }))
    });
    Section {
        name: "preparationMicros",
        title: format!("What the host does with an event (payload {PAYLOAD} bytes) and with a config, µs"),
        columns: vec!["step", "p50", "p10", "p90"],
        rows: names.iter().zip(measured).map(row).collect(),
        notes: vec![format!(
            "An emission is read, validated and transformed once; a filter or an entity key is evaluated for each matching subscription that has one, a config rendered for each attempt. Medians of {rounds} turns of {CALLS} calls, all in turns."
        )],
        data: Value::Object(data.collect()),
    }
}

/// Keeps the compiler from leaving out what nobody looks at.
fn keep<T>(result: Result<T>) -> Result<()> {
    black_box(result?);
    Ok(())
}

fn accepted(event_type: &Registered, payload: &Value) -> Result<Option<Value>> {
    event_type.accept(black_box(payload)).map_err(|refused| anyhow!("{refused:?}"))
}

fn registered(transform: Option<&str>) -> Result<Registered> {
    let (plugin, hook) = ("incident".parse()?, "incident.created".parse()?);
    let definition = EventType {
        id: EventTypeId::new(&plugin, &hook),
        plugin,
        hook,
        display_name: "Incident Created".into(),
        description: Some("Fires when a new incident is created".into()),
        category: "Incidents".into(),
        payload_schema: json!({
            "type": "object",
            "required": ["incidentId", "systemIds", "title", "severity"],
            "additionalProperties": false,
            "properties": {
                "incidentId": { "type": "string" },
                "systemIds": { "type": "array", "items": { "type": "string" } },
                "title": { "type": "string" },
                "severity": { "type": "string" },
            },
        }),
        transform: transform.map(str::to_owned),
        example: None,
    };
    Registered::new(definition).map_err(|violations| anyhow!("{violations:?}"))
}

/// An incident of a dozen systems, whose title fills what is left.
fn payload() -> Value {
    let system = |number| format!("6f9619ff-8b86-4d01-b42d-00cf4fc9{number:04x}");
    let systems: Vec<_> = (0..12).map(system).collect();
    let mut payload = json!({
        "incidentId": "0d0f9a52-3a5e-4a2c-9d0b-7c1f7a1b6e55", "systemIds": systems, "title": "", "severity": "critical",
    });
    let sentence = "Checkout answers slowly in all regions. ".chars().cycle();
    payload["title"] = sentence.take(PAYLOAD - payload.to_string().len()).collect::<String>().into();
    payload
}

/// A form with a field of each escaping.
fn form() -> Result<Form> {
    let field = |escaping: &str| json!({ "type": "string", "x-template": escaping });
    let schema = json!({
        "type": "object",
        "properties": {
            "url": field("url"), "summary": field("text"), "text": field("markdown"), "subject": field("header"),
            "body": field("json"),
        },
    });
    Form::compile(&SettingsSchema { version: 1, schema }).map_err(|error| anyhow!("{}", error.0))
}

fn config() -> Value {
    json!({
        "url": "https://tracker.example.com/projects/ops/incidents/{{ payload.id }}",
        "summary": "{{ payload.title }}",
        "text": "**{{ payload.severity }}**: {{ payload.title }} ({{ payload.affected_systems }} systems)",
        "subject": "[{{ payload.severity }}] {{ subscriptionName }}",
        "body": "{\"title\":\"{{ payload.title }}\",\"systems\":[{% for id in payload.system_ids %}\"{{ id }}\"{% if not loop.last %},{% endif %}{% endfor %}]}",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_has_its_size_and_passes_the_rules() {
        assert_eq!(payload().to_string().len(), PAYLOAD);
        let transformed = accepted(&registered(Some(TRANSFORM)).unwrap(), &payload()).unwrap().unwrap();
        let event = event_input(ID, "incident.incident.created", TIMESTAMP, &transformed);
        assert!(Filter::compile(FILTER).unwrap().passes(&event).unwrap());
        assert_eq!(EntityKey::compile(ENTITY_KEY).unwrap().of(&event).unwrap().unwrap(), transformed["id"]);
    }
}
