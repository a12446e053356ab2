//! A sample payload, made from a schema: for tests of subscriptions, previews, and filters that are checked when saved.
//!
//! The same schema always gives the same sample. It fits in ordinary cases; a schema can ask for what cannot be found by
//! construction (`pattern`, `not`, `if`, branches that exclude each other), so [`of`] says whether it does.

use crate::properties::resolve;
use crate::schema::Schema;
use serde_json::{Map, Value, json};

/// How deep a sample is nested at most: 12 levels. Optional properties are left out below half of that.
const DEEPEST: usize = 12;

/// How large a sample may become, in values: 2,000.
const MOST: usize = 2000;

/// The most elements or characters that a minimum is honoured for: 1,000.
const LONGEST: u64 = 1000;

/// A sample, and whether it fits its schema.
pub fn of(schema: &Value) -> (Value, bool) {
    let mut maker = Maker { root: schema, left: MOST };
    let sample = maker.make(schema, 0);
    let fits = Schema::compile(schema).is_ok_and(|schema| schema.validate(&sample).is_ok());
    (sample, fits)
}

struct Maker<'a> {
    root: &'a Value,
    left: usize,
}

impl Maker<'_> {
    fn make(&mut self, schema: &Value, depth: usize) -> Value {
        let Some(left) = self.left.checked_sub(1).filter(|_| depth <= DEEPEST) else { return Value::Null };
        self.left = left;
        let Value::Object(given) = schema else { return Value::Null };
        let schema = self.merged(given, 0);
        if let Some(value) = provided(&schema) {
            return value.clone();
        }
        match kind(&schema) {
            "object" => self.object(&schema, depth),
            "array" => self.array(&schema, depth),
            "integer" => number(&schema, true),
            "number" => number(&schema, false),
            "boolean" => true.into(),
            "null" => Value::Null,
            _ => text(&schema),
        }
    }

    /// The schema with what it refers to, all of `allOf`, and the first of `oneOf` and `anyOf` put into it.
    fn merged(&self, schema: &Map<String, Value>, hops: usize) -> Map<String, Value> {
        let mut merged = schema.clone();
        for keyword in ["$ref", "allOf", "oneOf", "anyOf"] {
            merged.remove(keyword);
        }
        if hops > DEEPEST {
            return merged;
        }
        let every = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
        let first = ["oneOf", "anyOf"].into_iter().filter_map(|keyword| schema.get(keyword)?.as_array()?.first());
        for part in resolve(self.root, schema).into_iter().chain(every).chain(first) {
            let Value::Object(part) = part else { continue };
            for (keyword, value) in self.merged(part, hops + 1) {
                combine(&mut merged, keyword, value);
            }
        }
        merged
    }

    fn object(&mut self, schema: &Map<String, Value>, depth: usize) -> Value {
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let properties = schema.get("properties").and_then(Value::as_object);
        let mut object = Map::new();
        for (name, property) in properties.into_iter().flatten() {
            let needed = required.contains(&name.as_str());
            if property != &json!(false) && (needed || depth < DEEPEST / 2) {
                object.insert(name.clone(), self.make(property, depth + 1));
            }
        }
        for name in required {
            if !object.contains_key(name) {
                let additional = schema.get("additionalProperties").cloned().unwrap_or(json!({}));
                object.insert(name.to_owned(), self.make(&additional, depth + 1));
            }
        }
        let least = limit(schema, "minProperties").unwrap_or(0).min(LONGEST) as usize;
        for index in 1.. {
            if object.len() >= least {
                break;
            }
            let additional = schema.get("additionalProperties").cloned().unwrap_or(json!({}));
            object.entry(format!("property{index}")).or_insert_with(|| self.make(&additional, depth + 1));
        }
        Value::Object(object)
    }

    fn array(&mut self, schema: &Map<String, Value>, depth: usize) -> Value {
        let mut items: Vec<Value> = Vec::new();
        for item in schema.get("prefixItems").and_then(Value::as_array).into_iter().flatten() {
            items.push(self.make(item, depth + 1));
        }
        let most = limit(schema, "maxItems").unwrap_or(LONGEST) as usize;
        let least = limit(schema, "minItems").unwrap_or(0).min(LONGEST) as usize;
        let wanted = least.max(usize::from(depth < DEEPEST / 2 && items.is_empty())).min(most);
        let item = schema.get("items").or_else(|| schema.get("contains")).cloned().unwrap_or(json!({}));
        let distinct = schema.get("uniqueItems") == Some(&json!(true));
        while items.len() < wanted && item != json!(false) {
            let mut next = self.make(&item, depth + 1);
            if distinct && items.contains(&next) {
                next = another(&item, &next, items.len());
            }
            items.push(next);
        }
        items.truncate(most);
        items.into()
    }
}

/// What the schema itself offers, best first.
fn provided(schema: &Map<String, Value>) -> Option<&Value> {
    let first = |keyword: &str| schema.get(keyword).and_then(Value::as_array).and_then(|values| values.first());
    schema
        .get("const")
        .or_else(|| first("examples"))
        .or_else(|| schema.get("example"))
        .or_else(|| schema.get("default"))
        .or_else(|| first("enum"))
}

/// Puts a keyword of a part into the whole: the stricter bound, both lists of properties.
fn combine(whole: &mut Map<String, Value>, keyword: String, value: Value) {
    let Some(mine) = whole.get_mut(&keyword) else {
        whole.insert(keyword, value);
        return;
    };
    match (keyword.as_str(), mine, value) {
        ("properties", Value::Object(mine), Value::Object(theirs)) => {
            for (name, property) in theirs {
                match mine.get_mut(&name) {
                    Some(there) => *there = json!({"allOf": [there.take(), property]}),
                    None => {
                        mine.insert(name, property);
                    }
                }
            }
        }
        ("required", Value::Array(mine), Value::Array(theirs)) => mine.extend(theirs),
        ("enum", Value::Array(mine), Value::Array(theirs)) => mine.retain(|value| theirs.contains(value)),
        ("minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties", mine, theirs)
            if theirs.as_f64() > mine.as_f64() =>
        {
            *mine = theirs;
        }
        ("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties", mine, theirs)
            if theirs.as_f64() < mine.as_f64() =>
        {
            *mine = theirs;
        }
        _ => {}
    }
}

fn kind(schema: &Map<String, Value>) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            let kinds = kinds.iter().filter_map(Value::as_str);
            kinds.clone().find(|kind| *kind != "null").or(kinds.clone().next()).unwrap_or("null")
        }
        _ => {
            let has = |keywords: &[&str]| keywords.iter().any(|keyword| schema.contains_key(*keyword));
            if has(&["properties", "required", "additionalProperties", "minProperties"]) {
                "object"
            } else if has(&["items", "prefixItems", "minItems", "contains"]) {
                "array"
            } else if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
                "number"
            } else {
                "string"
            }
        }
    }
}

fn limit(schema: &Map<String, Value>, keyword: &str) -> Option<u64> {
    let limit = schema.get(keyword)?;
    limit.as_u64().or_else(|| limit.as_f64().map(|limit| limit as u64))
}

fn number(schema: &Map<String, Value>, whole: bool) -> Value {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let step = bound("multipleOf").unwrap_or(if whole { 1.0 } else { 0.5 });
    let step = if whole && step.fract() != 0.0 { 1.0 } else { step };
    let low = bound("minimum").into_iter().chain(bound("exclusiveMinimum")).fold(f64::NEG_INFINITY, f64::max);
    let high = bound("maximum").into_iter().chain(bound("exclusiveMaximum")).fold(f64::INFINITY, f64::min);
    let fits = |value: f64| {
        value >= low && value <= high && bound("exclusiveMinimum") != Some(value) && bound("exclusiveMaximum") != Some(value)
    };
    let near_low = (low / step).ceil() * step;
    let near_high = (high / step).floor() * step;
    let middle = (low + high) / 2.0;
    let candidates = [step.max(1.0), step, 0.0, near_low, near_low + step, near_high, near_high - step, low, high];
    let chosen = candidates.into_iter().find(|value| value.is_finite() && (value / step).fract() == 0.0 && fits(*value));
    let chosen = chosen.or((!whole && middle.is_finite()).then_some(middle)).unwrap_or(0.0);
    if chosen.fract() == 0.0 && chosen.abs() < 9e15 { json!(chosen as i64) } else { json!(chosen) }
}

fn text(schema: &Map<String, Value>) -> Value {
    let text = match schema.get("format").and_then(Value::as_str).unwrap_or_default() {
        "date-time" => "2026-01-02T03:04:05Z",
        "date" => "2026-01-02",
        "time" => "03:04:05Z",
        "duration" => "PT5M",
        "uri" | "url" | "iri" => "https://example.com/path",
        "uri-reference" | "iri-reference" => "/path",
        "uri-template" => "https://example.com/{id}",
        "email" | "idn-email" => "person@example.com",
        "hostname" | "idn-hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uuid" => "01890a5d-ac96-774b-bcce-b302099a8057",
        "json-pointer" => "/path",
        "relative-json-pointer" => "0",
        "regex" => "^a$",
        _ => "text",
    };
    let least = limit(schema, "minLength").unwrap_or(0).min(LONGEST) as usize;
    let most = limit(schema, "maxLength").unwrap_or(u64::MAX) as usize;
    let length = text.chars().count();
    text.chars().chain(std::iter::repeat_n('x', least.saturating_sub(length))).take(most).collect::<String>().into()
}

/// A value unlike the others, for lists without duplicates.
fn another(item: &Value, like: &Value, index: usize) -> Value {
    if let Some(value) = item.get("enum").and_then(|values| values.get(index)) {
        return value.clone();
    }
    match like {
        Value::String(text) => format!("{text}{index}").into(),
        Value::Number(number) => {
            let number =
                number.as_f64().unwrap_or(0.0) + index as f64 * item.get("multipleOf").and_then(Value::as_f64).unwrap_or(1.0);
            if number.fract() == 0.0 { json!(number as i64) } else { json!(number) }
        }
        Value::Bool(value) => (!value).into(),
        other => other.clone(),
    }
}

#[cfg(test)]
#[path = "example_tests.rs"]
mod tests;
