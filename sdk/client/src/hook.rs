//! Hooks: what a plugin announces, with the type of its payload.

use crate::{Emission, Error};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Value, json};
use std::marker::PhantomData;

/// An occurrence that a plugin announces, and what it says of it. Usually a constant.
///
/// The type of the payload is part of the hook, so that nothing else can be emitted for it:
///
/// ```compile_fail
/// # use postern_client::{Hook, schemars};
/// #[derive(serde::Serialize, schemars::JsonSchema)]
/// struct Opened { id: String }
///
/// const OPENED: Hook<Opened> = Hook::new("tickets", "ticket.opened", "Ticket opened");
/// let emission = OPENED.emission(&"not a ticket");
/// ```
pub struct Hook<T> {
    plugin: &'static str,
    hook: &'static str,
    display_name: &'static str,
    description: Option<&'static str>,
    category: Option<&'static str>,
    transform: Option<&'static str>,
    example: Option<fn() -> T>,
    payload: PhantomData<fn(&T)>,
}

impl<T> Hook<T> {
    /// A hook of a plugin: `Hook::new("incident", "incident.created", "Incident created")`. The last is what people read.
    pub const fn new(plugin: &'static str, hook: &'static str, display_name: &'static str) -> Self {
        Self {
            plugin,
            hook,
            display_name,
            description: None,
            category: None,
            transform: None,
            example: None,
            payload: PhantomData,
        }
    }

    /// Says when it is emitted. Default: nothing is said.
    #[must_use]
    pub const fn description(mut self, text: &'static str) -> Self {
        self.description = Some(text);
        self
    }

    /// Groups it with others where event types are listed: `Incidents`. Default: the server's `Uncategorized`.
    #[must_use]
    pub const fn category(mut self, name: &'static str) -> Self {
        self.category = Some(name);
        self
    }

    /// A jq program that makes what is stored and delivered of the payload. Default: the payload as it is.
    #[must_use]
    pub const fn transform(mut self, program: &'static str) -> Self {
        self.transform = Some(program);
        self
    }

    /// Makes a payload as an example, for forms and test events. Default: the server makes one from the schema.
    #[must_use]
    pub const fn example(mut self, example: fn() -> T) -> Self {
        self.example = Some(example);
        self
    }

    /// The plugin.
    pub const fn plugin(&self) -> &'static str {
        self.plugin
    }

    /// The hook's name within its plugin.
    pub const fn name(&self) -> &'static str {
        self.hook
    }

    /// The event type's id: `{plugin}.{hook}`.
    pub fn event_type(&self) -> String {
        format!("{}.{}", self.plugin, self.hook)
    }
}

impl<T: JsonSchema> Hook<T> {
    /// The JSON Schema (2020-12) of the payload as serde writes it.
    pub fn schema(&self) -> Value {
        let mut settings = SchemaSettings::draft2020_12().for_serialize();
        // One piece is easier to read in a form than a chain of references.
        settings.inline_subschemas = true;
        let mut schema = settings.into_generator().into_root_schema_for::<T>();
        // The dialect is the server's anyway, and the name of a Rust type says nothing to its readers.
        schema.remove("$schema");
        if schema.get("title").and_then(Value::as_str) == Some(&T::schema_name()) {
            schema.remove("title");
        }
        schema.into()
    }
}

impl<T: JsonSchema + Serialize> Hook<T> {
    /// What registers it.
    pub(crate) fn registration(&self) -> Result<Value, Error> {
        let mut body = json!({ "displayName": self.display_name, "payloadSchema": self.schema() });
        for (key, text) in [("description", self.description), ("category", self.category), ("transform", self.transform)] {
            if let Some(text) = text {
                body[key] = text.into();
            }
        }
        if let Some(example) = self.example {
            body["example"] = self.payload(&example())?;
        }
        Ok(body)
    }
}

impl<T: Serialize> Hook<T> {
    /// An emission of this hook that is not sent yet; see [`Emission`].
    ///
    /// # Errors
    /// The payload has no form in JSON.
    pub fn emission(&self, payload: &T) -> Result<Emission, Error> {
        Ok(Emission::new(self.event_type(), self.payload(payload)?))
    }

    fn payload(&self, payload: &T) -> Result<Value, Error> {
        serde_json::to_value(payload).map_err(|error| Error::Payload { event_type: self.event_type(), reason: error.to_string() })
    }
}

impl<T> Clone for Hook<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Hook<T> {}

impl<T> std::fmt::Debug for Hook<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hook({}.{})", self.plugin, self.hook)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    struct Opened {
        /// Its number.
        ticket_id: String,
        severity: Severity,
        #[serde(skip_serializing_if = "Option::is_none")]
        assignee: Option<String>,
        parts: Vec<Part>,
    }

    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Severity {
        Major,
    }

    #[derive(Serialize, JsonSchema)]
    struct Part {
        name: String,
    }

    fn opened() -> Opened {
        Opened { ticket_id: "t-1".into(), severity: Severity::Major, assignee: None, parts: vec![Part { name: "x".into() }] }
    }

    const OPENED: Hook<Opened> = Hook::new("tickets", "ticket.opened", "Ticket opened")
        .description("Fires when a ticket is opened")
        .category("Tickets")
        .example(opened);

    #[test]
    fn the_schema_describes_what_serde_writes() {
        let part = json!({ "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } } });
        let expected = json!({
            "type": "object",
            "required": ["ticketId", "severity", "parts"],
            "properties": {
                "ticketId": { "type": "string", "description": "Its number." },
                "severity": { "type": "string", "enum": ["major"] },
                "assignee": { "type": ["string", "null"] },
                "parts": { "type": "array", "items": part },
            },
        });
        assert_eq!(OPENED.schema(), expected);
        let registration = OPENED.registration().unwrap();
        assert_eq!(registration["payloadSchema"], expected);
        assert_eq!(registration["category"], "Tickets");
        let example = json!({ "ticketId": "t-1", "severity": "major", "parts": [{ "name": "x" }] });
        assert_eq!(registration["example"], example);
        let without = json!({ "displayName": "Closed", "payloadSchema": { "type": "string" } });
        assert_eq!(Hook::<String>::new("tickets", "closed", "Closed").registration().unwrap(), without);
        assert_eq!(OPENED.event_type(), "tickets.ticket.opened");
    }

    #[test]
    fn a_payload_without_a_form_in_json_is_refused() {
        const ODD: Hook<BTreeMap<Vec<u8>, u8>> = Hook::new("tickets", "odd", "Odd");
        let error = ODD.emission(&BTreeMap::from([(vec![1], 1)])).unwrap_err();
        assert!(matches!(&error, Error::Payload { event_type, .. } if event_type == "tickets.odd"), "{error}");
        assert!(!error.is_temporary());
    }
}
