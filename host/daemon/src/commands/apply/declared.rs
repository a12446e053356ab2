//! The objects that files declare: read, of the form that the API takes, each declared once.

use super::document::Document;
use super::form;
use super::place::{Mistakes, Place};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use std::sync::Arc;

/// How many objects one command takes: 10,000.
const MOST: usize = 10_000;

/// What an object is. In the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Kind {
    EventType,
    Connection,
    Subscription,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::EventType, Self::Connection, Self::Subscription];

    /// The list that holds them in a file.
    fn list(self) -> &'static str {
        match self {
            Self::EventType => "eventTypes",
            Self::Connection => "connections",
            Self::Subscription => "subscriptions",
        }
    }

    /// The field with settings that a provider's schema describes.
    pub(super) fn settings(self) -> Option<&'static str> {
        match self {
            Self::EventType => None,
            Self::Connection => Some("settings"),
            Self::Subscription => Some("providerConfig"),
        }
    }

    /// Where the API keeps them.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::EventType => "/api/v1/event-types",
            Self::Connection => "/api/v1/connections",
            Self::Subscription => "/api/v1/subscriptions",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Padding must work: the names stand in a column.
        f.pad(match self {
            Self::EventType => "event type",
            Self::Connection => "connection",
            Self::Subscription => "subscription",
        })
    }
}

/// What tells an object from all others of its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    /// None: event types belong to no tenant.
    pub(super) tenant: Option<String>,
    /// The name; an event type's id.
    pub(super) name: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What somebody else called an object must not steer the terminal.
        let shown = |character: char| if character.is_control() { '\u{fffd}' } else { character };
        f.write_str(&self.name.chars().map(shown).collect::<String>())?;
        match self.tenant.as_deref().filter(|tenant| *tenant != DEFAULT_TENANT) {
            None => Ok(()),
            Some(tenant) => write!(f, " (tenant {tenant})"),
        }
    }
}

/// The tenant of those that name none.
pub(super) const DEFAULT_TENANT: &str = "default";

/// An object as it is to be.
pub(super) struct Declared {
    pub(super) kind: Kind,
    pub(super) identity: Identity,
    pub(super) document: Arc<Document>,
    pointer: String,
    /// All fields that the API takes, null where nothing is said; a subscription has `connection`, a name, in place of
    /// `connectionId`. References are not resolved yet.
    pub(super) value: Value,
}

impl Declared {
    /// Where a field is; the pointer is one into the object.
    pub(super) fn place(&self, field: &str) -> Place {
        self.document.place(&format!("{}{field}", self.pointer))
    }

    /// Where a field of the settings is.
    pub(super) fn settings_place(&self, field: &str) -> Place {
        self.place(&format!("/{}{field}", self.kind.settings().unwrap_or_default()))
    }

    /// The text of a field.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.value[field].as_str()
    }

    /// The event types that it names exactly, with their pointers.
    pub(super) fn exact_events(&self) -> impl Iterator<Item = (String, &str)> {
        let events = self.value["events"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = events.iter().enumerate().filter_map(|(index, event)| Some((format!("/events/{index}"), event.as_str()?)));
        named.filter(|(_, event)| !event.ends_with(".*"))
    }
}

/// All that the files declare.
pub(super) struct Directory {
    /// By kind, in the order of the files.
    pub(super) objects: Vec<Declared>,
    seen: BTreeMap<(Kind, Identity), Place>,
    /// The kinds that some file has a list of, even an empty one.
    pub(super) kinds: BTreeSet<Kind>,
}

impl Directory {
    /// Reads the objects of documents; those without a tenant belong to `tenant`. What is wrong is noted as mistakes.
    pub(super) fn read(documents: Vec<Document>, tenant: &str, mistakes: &mut Mistakes) -> Self {
        let mut directory = Self { objects: Vec::new(), seen: BTreeMap::new(), kinds: BTreeSet::new() };
        for document in documents.into_iter().map(Arc::new) {
            for (kind, pointer, value) in items(&document, &mut directory.kinds, mistakes) {
                if directory.objects.len() == MOST {
                    mistakes.add(document.place(&pointer), format!("more than {MOST} objects; apply them in several parts"));
                    return directory;
                }
                let read = match kind {
                    Kind::EventType => form::event_type(value),
                    Kind::Connection => form::connection(value, tenant),
                    Kind::Subscription => form::subscription(value, tenant),
                };
                let (identity, value) = match read {
                    Ok(read) => read,
                    Err(violations) => {
                        for violation in violations {
                            let field = violation.path.trim_start_matches('/');
                            let last = field.rsplit('/').next().unwrap_or_default();
                            let told = violation.message.starts_with(field) || violation.message.contains(&format!("`{last}`"));
                            let message = if told { violation.message } else { format!("{field}: {}", violation.message) };
                            mistakes.add(document.place(&format!("{pointer}{}", violation.path)), message);
                        }
                        continue;
                    }
                };
                match directory.seen.entry((kind, identity.clone())) {
                    Entry::Vacant(entry) => {
                        entry.insert(document.place(&pointer));
                        directory.objects.push(Declared { kind, identity, document: document.clone(), pointer, value });
                    }
                    Entry::Occupied(first) => {
                        let message = format!("the {kind} `{identity}` is declared twice; first at {}", first.get());
                        mistakes.add(document.place(&pointer), message);
                    }
                }
            }
        }
        directory.objects.sort_by_key(|object| object.kind);
        directory
    }

    /// Whether some file declares it.
    pub(super) fn declares(&self, kind: Kind, identity: &Identity) -> bool {
        self.seen.contains_key(&(kind, identity.clone()))
    }

    /// The tenants that its objects belong to.
    pub(super) fn tenants(&self) -> BTreeSet<&str> {
        self.objects.iter().filter_map(|object| object.identity.tenant.as_deref()).collect()
    }
}

/// The objects of a document, each with its pointer.
fn items(document: &Document, kinds: &mut BTreeSet<Kind>, mistakes: &mut Mistakes) -> Vec<(Kind, String, Value)> {
    let mut found = Vec::new();
    let Value::Object(map) = &document.value else {
        mistakes.add(document.place(""), "the lists eventTypes, connections and subscriptions are needed here");
        return found;
    };
    for (key, value) in map {
        let pointer = format!("/{}", super::document::escape(key));
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.list() == key) else {
            let message = format!("`{key}` is not known here; eventTypes, connections and subscriptions are");
            mistakes.add(document.place(&pointer), message);
            continue;
        };
        kinds.insert(kind);
        match value {
            Value::Null => {}
            Value::Array(items) => {
                found.extend(items.iter().enumerate().map(|(at, item)| (kind, format!("{pointer}/{at}"), item.clone())));
            }
            _ => mistakes.add(document.place(&pointer), format!("`{key}` must be a list")),
        }
    }
    found
}
