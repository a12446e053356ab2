//! The event types that are registered, ready to validate what is emitted.

use crate::jq::Transform;
use crate::schema::Schema;
use crate::{Violation, example};
use postern_core::{EventType, EventTypeId};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A registered event type, ready to judge payloads.
#[derive(Debug)]
pub struct Registered {
    /// As it was registered.
    pub definition: EventType,
    schema: Schema,
    transform: Option<Transform>,
}

impl Registered {
    /// Compiles an event type, and tries its transform on its example if it has one.
    ///
    /// # Errors
    /// The places of the definition that do not fit.
    pub fn new(definition: EventType) -> Result<Self, Vec<Violation>> {
        let mut violations = Vec::new();
        let schema = Schema::compile(&definition.payload_schema)
            .map_err(|error| violations.push(Violation::new(format!("/payloadSchema{}", error.0.path), error.0.message)))
            .ok();
        let transform = definition.transform.as_deref().and_then(|source| {
            Transform::compile(source).map_err(|error| violations.push(Violation::new("/transform", error.to_string()))).ok()
        });
        let Some(schema) = schema.filter(|_| violations.is_empty()) else { return Err(violations) };
        let registered = Self { definition, schema, transform };
        if let Some(example) = &registered.definition.example {
            registered.accept(example).map_err(|refused| match refused {
                Refused::Unfit(unfit) => unfit
                    .into_iter()
                    .map(|violation| Violation::new(format!("/example{}", violation.path), violation.message))
                    .collect(),
                Refused::Transform(message) => vec![Violation::new("/transform", format!("it fails on the example: {message}"))],
            })?;
        }
        Ok(registered)
    }

    /// Judges a payload as it was emitted. Answers with what the transform makes of it; none: it stays as it is.
    ///
    /// # Errors
    /// It does not fit the schema, or the transform fails on it.
    pub fn accept(&self, payload: &Value) -> Result<Option<Value>, Refused> {
        self.schema.validate(payload).map_err(Refused::Unfit)?;
        self.transform
            .as_ref()
            .map(|transform| transform.apply(payload).map_err(|error| Refused::Transform(error.to_string())))
            .transpose()
    }

    /// A payload as it would be delivered: of the example, else of one made from the schema. None if neither can be had.
    pub fn sample(&self) -> Option<Value> {
        let payload = match &self.definition.example {
            Some(example) => example.clone(),
            None => Some(example::of(&self.definition.payload_schema)).filter(|(_, fits)| *fits)?.0,
        };
        match self.accept(&payload).ok()? {
            Some(transformed) => Some(transformed),
            None => Some(payload),
        }
    }

    /// The schema of what is delivered, where that is known: a transform may make anything of a payload.
    pub fn delivered_schema(&self) -> Option<&Value> {
        self.transform.is_none().then_some(&self.definition.payload_schema)
    }
}

/// Why a payload is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The places that do not fit the schema.
    Unfit(Vec<Violation>),
    /// The transform fails on it.
    Transform(String),
}

/// The event types by id.
#[derive(Clone, Debug, Default)]
pub struct Registry(BTreeMap<EventTypeId, Arc<Registered>>);

impl Registry {
    /// One of them.
    pub fn get(&self, id: &EventTypeId) -> Option<&Arc<Registered>> {
        self.0.get(id)
    }

    /// Adds or replaces one.
    pub fn put(&mut self, event_type: Registered) {
        self.0.insert(event_type.definition.id.clone(), Arc::new(event_type));
    }

    /// Removes one; whether it was there.
    pub fn remove(&mut self, id: &EventTypeId) -> bool {
        self.0.remove(id).is_some()
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Registered>> {
        self.0.values()
    }
}
