//! The event types that are registered, ready to validate what is emitted.

use crate::schema::{Schema, SchemaError};
use postern_core::{EventType, EventTypeId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A registered event type with its schema compiled.
#[derive(Debug)]
pub struct Registered {
    /// As it was registered.
    pub definition: EventType,
    /// For its payloads.
    pub schema: Schema,
}

impl Registered {
    /// Compiles an event type.
    ///
    /// # Errors
    /// Its payload schema is none.
    pub fn new(definition: EventType) -> Result<Self, SchemaError> {
        Ok(Self { schema: Schema::compile(&definition.payload_schema)?, definition })
    }
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
