//! Whether the names that a template uses are in the schemas of the event types that it is for.
//!
//! What counts as known: a property that is declared anywhere in the schema at that place, in any branch. Where a place
//! declares no property at all and does not close itself (`additionalProperties: false`), nothing is known about what is
//! below it, so every name passes. Where it declares some, another name is reported although the schema may allow it: a
//! misspelt name renders as nothing, and that is found out by whoever reads the message. Pattern properties and a schema
//! for additional properties pass every name, for they say that names vary.
//!
//! What follows a place whose type is a list, or which a loop names, is not checked: minijinja tells the paths that begin
//! at `payload` or `event.payload`, and those only.

use crate::Violation;
use crate::properties::views;
use crate::template::{Context, TemplateError};
use minijinja::Environment;
use serde_json::Value;
use std::collections::BTreeSet;

/// A name that no schema has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// As the template writes it: `payload.titel`.
    pub path: String,
    /// The event type whose schema lacks it.
    pub event_type: String,
    /// The known name that is most like it, as a whole path, if one is.
    pub nearest: Option<String>,
}

impl UnknownName {
    /// As a violation at the field that holds the template.
    pub fn at(&self, field: &str) -> Violation {
        let hint = self.nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        Violation::new(field, format!("`{}` is not in the schema of `{}`{hint}", self.path, self.event_type))
    }
}

/// The names of a template that the schemas (each with its event type's id) do not know, in order of the names.
///
/// # Errors
/// The template does not parse.
pub fn unknown_names<'a>(
    source: &str,
    schemas: impl IntoIterator<Item = (&'a str, &'a Value)> + Clone,
) -> Result<Vec<UnknownName>, TemplateError> {
    let mut unknown = Vec::new();
    for path in used(source)? {
        let segments: Vec<&str> = path.split('.').collect();
        let (prefix, inside) = match segments.as_slice() {
            ["payload", inside @ ..] => ("payload", inside),
            ["event", "payload", inside @ ..] => ("event.payload", inside),
            [first, ..] if !Context::NAMES.contains(first) => {
                unknown.push(UnknownName {
                    path: path.clone(),
                    event_type: "*".into(),
                    nearest: nearest(first, Context::NAMES.iter().copied()).map(str::to_owned),
                });
                continue;
            }
            _ => continue,
        };
        for (event_type, schema) in schemas.clone() {
            if let Err(nearest) = follow(schema, schema, inside, prefix) {
                unknown.push(UnknownName { path: path.clone(), event_type: event_type.to_owned(), nearest });
            }
        }
    }
    Ok(unknown)
}

/// The dotted paths that a template reads and does not define itself.
fn used(source: &str) -> Result<BTreeSet<String>, TemplateError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Chainable);
    let template = environment.template_from_str(source).map_err(|error| crate::template::describe(&error))?;
    let globals: BTreeSet<String> = environment.globals().map(|(name, _)| name.to_owned()).collect();
    let names = template.undeclared_variables(true);
    Ok(names.into_iter().filter(|name| !globals.contains(name.split('.').next().unwrap_or_default())).collect())
}

/// Goes along a path; an error holds the nearest known path.
fn follow(root: &Value, schema: &Value, path: &[&str], walked: &str) -> Result<(), Option<String>> {
    let Some((name, rest)) = path.split_first() else { return Ok(()) };
    let views = views(root, schema);
    let open = |view: &&serde_json::Map<String, Value>| {
        view.contains_key("patternProperties") || view.get("additionalProperties").is_some_and(Value::is_object)
    };
    if views.iter().any(open) {
        return Ok(());
    }
    let declared = || views.iter().filter_map(|view| view.get("properties")?.as_object()).flatten();
    let closed = views.iter().any(|view| view.get("additionalProperties") == Some(&Value::Bool(false)));
    let scalar = |kind: &str| matches!(kind, "string" | "number" | "integer" | "boolean" | "null");
    let only_scalar = !views.is_empty()
        && views.iter().all(|view| match view.get("type") {
            Some(Value::String(kind)) => scalar(kind),
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).all(scalar),
            _ => false,
        });
    if declared().next().is_none() {
        return if closed || only_scalar { Err(None) } else { Ok(()) };
    }
    let there: Vec<&Value> = declared().filter(|(known, _)| known == name).map(|(_, property)| property).collect();
    if there.is_empty() {
        let near = nearest(name, declared().map(|(known, _)| known.as_str()));
        return Err(near.map(|known| [&[walked, known], rest].concat().join(".")));
    }
    // Branches may differ; one that has the rest is enough.
    let mut result = Err(None);
    for property in there {
        result = follow(root, property, rest, &format!("{walked}.{name}"));
        if result.is_ok() {
            break;
        }
    }
    result
}

/// The name that is most like another, if it is like it at all: at most every third character wrong, letter case aside.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let distances = known.map(|known| (strsim::osa_distance(&lower, &known.to_lowercase()), known));
    let (distance, known) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= (name.chars().count() / 3).max(1)).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(source: &str, schema: &Value) -> Vec<String> {
        let unknown = unknown_names(source, [("incident.created", schema)]).unwrap();
        unknown.iter().map(|unknown| unknown.at("/body").message).collect()
    }

    #[test]
    fn an_unknown_name_is_reported_with_the_nearest_known_one() {
        let schema = json!({"properties": {"title": {"type": "string"}, "owner": {"$ref": "#/$defs/person"}},
            "$defs": {"person": {"properties": {"name": {"type": "string"}}}}});
        assert_eq!(
            check("{{ payload.titel }} {{ event.payload.owner.nmae }} {{ payload.zzz }}", &schema),
            [
                "`event.payload.owner.nmae` is not in the schema of `incident.created`; did you mean `event.payload.owner.name`?",
                "`payload.titel` is not in the schema of `incident.created`; did you mean `payload.title`?",
                "`payload.zzz` is not in the schema of `incident.created`",
            ]
        );
        assert!(
            check("{{ payload.title }} {{ event.payload.owner.name }} {{ payload | length }} {{ payload }}", &schema).is_empty()
        );
        assert_eq!(check("{{ payload.title.text }}", &schema).len(), 1);
        assert_eq!(
            check("{{ paylaod.title }}", &schema),
            ["`paylaod.title` is not in the schema of `*`; did you mean `payload`?"]
        );
        assert_eq!(unknown_names("{{ payload.titel }}", [("a", &schema), ("b", &schema)]).unwrap().len(), 2);
        assert!(unknown_names("{{ open", [("a", &schema)]).is_err());
    }

    #[test]
    fn what_a_template_defines_itself_is_no_name_of_the_event() {
        let schema = json!({"properties": {"list": {"type": "array", "items": {"properties": {"a": {}}}}}});
        let source = "{% for item in payload.list %}{{ item.anything }}{{ loop.index }}{% endfor %}{% set x = 1 %}{{ x }}{{ range(3) }}\
            {{ deliveryId }}{{ subscription.name }}{{ delivery.attempt }}{{ eventType }}";
        assert!(check(source, &schema).is_empty());
    }

    #[test]
    fn open_places_accept_every_name_and_closed_ones_do_not() {
        assert!(check("{{ payload.any.thing }}", &json!({})).is_empty());
        assert!(check("{{ payload.any.thing }}", &json!({"type": "object"})).is_empty());
        assert_eq!(check("{{ payload.any }}", &json!({"additionalProperties": false})).len(), 1);
        assert!(
            check("{{ payload.labels.any }}", &json!({"properties": {"labels": {"additionalProperties": {"type": "string"}}}}))
                .is_empty()
        );
        assert!(check("{{ payload.b }}", &json!({"oneOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]})).is_empty());
        assert_eq!(check("{{ payload.other }}", &json!({"properties": {"a": {}}})).len(), 1);
    }
}
