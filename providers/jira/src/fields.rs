//! The fields that a subscription maps, as Jira wants them.

use crate::config::{Config, FieldMapping, FieldType};
use crate::connection::Connection;
use crate::metadata::{self, Field};
use crate::value;
use postern_provider::prelude::*;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The field that holds labels of people and ours.
const LABELS: &str = "labels";

#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) fields: Map<String, Value>,
    /// Kept apart, so that they go together with the label that finds the issue.
    pub(crate) labels: Vec<String>,
}

/// The mapped fields of an event. Jira is asked for the types of those that do not say theirs.
pub(crate) fn mapped(config: &Config, connection: &Connection) -> Result<Mapped, Failure> {
    check_once(&config.fields)?;
    let filled: Vec<_> = config.fields.iter().filter(|mapping| !mapping.value.trim().is_empty()).collect();
    let known = if filled.iter().any(|mapping| is_asked_for(mapping)) {
        let listing = metadata::create_fields(connection, &config.project, &config.issue_type)
            .map_err(|refusal| refusal.context(format!("reading the fields of {}", config.project)))?;
        Some(listing.entries)
    } else {
        None
    };
    let mut mapped = Mapped { fields: Map::new(), labels: Vec::new() };
    for mapping in filled {
        let wrong = |reason: String| Failure::never(format!("the field `{}`: {reason}", mapping.field));
        if mapping.field == LABELS {
            mapped.labels = value::labels(&mapping.value).map_err(wrong)?;
            continue;
        }
        let field = known.as_ref().and_then(|fields| fields.iter().find(|field| field.field_id == mapping.field));
        let kind = match (mapping.kind, field) {
            (FieldType::Automatic, Some(field)) => {
                field.kind().ok_or_else(|| wrong(format!("{} cannot be set from here", field.name)))?
            }
            (FieldType::Automatic, None) => return Err(wrong(not_on_screen(config))),
            (kind, _) => kind,
        };
        let allowed = field.map_or(&[][..], |field| &field.allowed_values);
        mapped.fields.insert(mapping.field.clone(), value::of(kind, &mapping.value, allowed).map_err(wrong)?);
    }
    Ok(mapped)
}

/// What is wrong with the mappings, as far as it can be known before there is an event. Nothing is made for it.
pub(crate) fn problems(config: &Config, known: &[Field]) -> Vec<String> {
    let find = |name: &str| known.iter().find(|field| field.field_id == name);
    let mut problems: Vec<_> = check_once(&config.fields).err().map(|failure| failure.message).into_iter().collect();
    for mapping in &config.fields {
        match find(&mapping.field).map(|field| (field.kind(), mapping.kind)) {
            None => problems.push(format!("the field `{}`: {}", mapping.field, not_on_screen(config))),
            Some((None, _)) => problems.push(format!("the field `{}` cannot be set from here", mapping.field)),
            Some((Some(kind), set)) if set != FieldType::Automatic && set != kind && set != FieldType::Json => {
                problems.push(format!("the field `{}` is of the type `{kind}`, not `{set}`", mapping.field));
            }
            _ => {}
        }
    }
    if config.label_issues && find(LABELS).is_none() {
        problems.push(format!("Labels: {}, or switch `Label issues` off", not_on_screen(config)));
    }
    let set = |field: &Field| {
        crate::config::OWN_FIELDS.contains(&field.field_id.as_str())
            || field.field_id == "reporter"
            || (field.field_id == "priority" && config.priority.is_some())
            || (field.field_id == "assignee" && config.assignee.is_some())
            || config.fields.iter().any(|mapping| mapping.field == field.field_id)
    };
    let missing = known.iter().filter(|field| field.required && !field.has_default_value && !set(field));
    problems.extend(missing.map(|field| format!("{} (`{}`) is required: map it", field.name, field.field_id)));
    problems
}

fn is_asked_for(mapping: &FieldMapping) -> bool {
    mapping.kind == FieldType::Automatic && mapping.field != LABELS
}

fn check_once(mappings: &[FieldMapping]) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    match mappings.iter().find(|mapping| !seen.insert(&mapping.field)) {
        Some(twice) => Err(Failure::never(format!("the field `{}` is mapped twice: take one out", twice.field))),
        None => Ok(()),
    }
}

fn not_on_screen(config: &Config) -> String {
    format!(
        "it is not on the create screen of this issue type in {}: add it there, or take it out of the settings",
        config.project
    )
}
