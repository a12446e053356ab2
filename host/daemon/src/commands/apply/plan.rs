//! What is to be done: one step for each object, made by comparing what files declare with what the server has.

use super::compare::{Change, changes};
use super::declared::{Declared, Directory, Identity, Kind};
use super::place::{Mistakes, Place};
use super::remote::{Object, Remote};
use super::settle::{Missing, Patch, Settled, settle};
use anyhow::Result;
use postern_client::Client;
use postern_core::EventType;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One object, and what is done to it.
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) identity: Identity,
    /// Where it is declared.
    pub(super) declared: Option<Declared>,
    pub(super) action: Action,
    pub(super) changes: Vec<Change>,
    /// Fields whose values are not shown, with the reason.
    pub(super) hidden: Vec<(String, String)>,
}

/// What is done to an object. Bodies hold secrets in clear, so this has no `Debug`.
pub(super) enum Action {
    Create { body: Value },
    Update { id: String, tag: Option<String>, body: Value },
    Delete { id: String, tag: Option<String> },
    Keep,
}

/// All steps, in the order in which they are made.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Secrets that stand in a file themselves.
    pub(super) written_out: Vec<Place>,
    /// Stored secrets that are kept without being compared.
    pub(super) kept_secrets: usize,
    /// What is not deleted although no file declares it, and why.
    pub(super) spared: Vec<String>,
}

impl Plan {
    /// Compares. What is wrong is noted as mistakes.
    ///
    /// # Errors
    /// The server does not answer.
    pub(super) async fn make(
        client: &Client,
        directory: Directory,
        remote: &Remote,
        refresh: bool,
        mistakes: &mut Mistakes,
    ) -> Result<Self> {
        let mut plan = Self::default();
        let names: BTreeMap<_, _> = remote.all(Kind::Connection).map(|known| (known.id.as_str(), &known.identity.name)).collect();
        for declared in &directory.objects {
            check_references(declared, &directory, remote, mistakes);
        }
        for declared in directory.objects {
            let known = match remote.find(declared.kind, &declared.identity) {
                [] => None,
                [known] => Some(known),
                several => {
                    let ids: Vec<_> = several.iter().map(|object| object.id.as_str()).collect();
                    let message = format!(
                        "the server has {} {}s called `{}`, so which one is meant? Rename all but one: {}",
                        several.len(),
                        declared.kind,
                        declared.identity,
                        ids.join(", ")
                    );
                    mistakes.add(declared.place(""), message);
                    continue;
                }
            };
            let known = match known {
                Some(known) if declared.kind != Kind::EventType => Some(known.refreshed(client).await?),
                Some(known) => Some((known.clone(), None)),
                None => None,
            };
            if let Some(step) = plan.step(declared, known, &names, remote, refresh, mistakes) {
                plan.steps.push(step);
            }
        }
        Ok(plan)
    }

    fn step(
        &mut self,
        declared: Declared,
        known: Option<(Object, Option<String>)>,
        names: &BTreeMap<&str, &String>,
        remote: &Remote,
        refresh: bool,
        mistakes: &mut Mistakes,
    ) -> Option<Step> {
        if declared.kind == Kind::EventType {
            let body = declared.value.clone();
            let Some((known, tag)) = known else {
                return Some(Step::of(declared, Action::Create { body }, Vec::new(), Vec::new()));
            };
            let found = changes(&as_registered(&known.value), &body);
            let action = if found.is_empty() { Action::Keep } else { Action::Update { id: known.id, tag, body } };
            return Some(Step::of(declared, action, found, Vec::new()));
        }
        let current = known.as_ref().map(|(object, _)| comparable(object, &declared.value, names));
        let Some(form) = remote.provider(&declared)?.form(declared.kind) else {
            let message = format!("{} takes no connection", declared.text("providerId").unwrap_or_default());
            mistakes.add(declared.place("/providerId"), message);
            return None;
        };
        let same_provider = current.as_ref().filter(|current| current["providerId"] == declared.value["providerId"]);
        if let (Kind::Connection, Some(current), None) = (declared.kind, &current, same_provider) {
            let message = format!(
                "the connection `{}` is for {}, and a connection stays with its provider; give this one another name",
                declared.identity,
                current["providerId"].as_str().unwrap_or_default()
            );
            mistakes.add(declared.place("/providerId"), message);
            return None;
        }
        let mut settled = settle(&declared, form, same_provider, mistakes)?;
        self.written_out.append(&mut settled.written_out);
        let Some(((object, tag), current)) = known.zip(current) else {
            let body = settled.whole();
            return Some(Step::of(declared, Action::Create { body }, Vec::new(), settled.hidden));
        };
        let patch = match settled.patch(&current, refresh) {
            Ok(patch) => patch,
            Err(missing) => {
                for Missing { pointer, problem } in missing {
                    mistakes.add(declared.place(&pointer), format!("{problem}, and this secret must be sent"));
                }
                return None;
            }
        };
        let sent = patch.as_ref().map_or(&[][..], |patch| &patch.sent);
        self.kept_secrets += settled.secrets.len() - sent.len();
        let found = shown_changes(&current, &settled, sent);
        let action = match patch {
            Some(Patch { body, .. }) => Action::Update { id: object.id, tag, body },
            None => Action::Keep,
        };
        Some(Step::of(declared, action, found, settled.hidden))
    }
}

impl Step {
    fn of(declared: Declared, action: Action, changes: Vec<Change>, hidden: Vec<(String, String)>) -> Self {
        Self { kind: declared.kind, identity: declared.identity.clone(), declared: Some(declared), action, changes, hidden }
    }
}

/// The fields that differ, and the secrets that are sent although nothing about them differs.
fn shown_changes(current: &Value, settled: &Settled, sent: &[String]) -> Vec<Change> {
    let mut found = changes(current, &settled.shown);
    let mark = || Some(Value::from(postern_core::manifest::SECRET_MARK));
    for pointer in sent {
        let covered = found.iter().any(|change| pointer.starts_with(&format!("{}/", change.path)) || *pointer == change.path);
        if !covered {
            found.push(Change { path: pointer.clone(), before: mark(), after: mark() });
        }
    }
    found
}

/// The fields of an object that the other has as well: what the server adds of its own, times say, is not compared.
fn fields(value: &Value, like: &Value) -> Value {
    let known = like.as_object().into_iter().flat_map(Map::keys);
    let found = known.filter_map(|key| Some((key.clone(), value.get(key)?.clone())));
    Value::Object(found.collect())
}

/// An event type of the server's, without what only a newer server knows.
fn as_registered(value: &Value) -> Value {
    let definition = serde_json::from_value::<EventType>(value.clone());
    definition.and_then(serde_json::to_value).unwrap_or_else(|_| value.clone())
}

/// A connection or subscription of the server's in the terms of a file.
fn comparable(object: &Object, declared: &Value, names: &BTreeMap<&str, &String>) -> Value {
    let mut value = object.value.clone();
    if let Some(id) = value["connectionId"].as_str() {
        let name = names.get(id).map_or(id, |name| name.as_str()).to_owned();
        value["connection"] = name.into();
    }
    super::compare::without_nulls(fields(&value, declared))
}

/// A subscription's connection and event types must be declared, or be there.
fn check_references(declared: &Declared, directory: &Directory, remote: &Remote, mistakes: &mut Mistakes) {
    let there = |kind: Kind, identity: &Identity| directory.declares(kind, identity) || !remote.find(kind, identity).is_empty();
    if let Some(name) = declared.text("connection") {
        let identity = Identity { tenant: declared.identity.tenant.clone(), name: name.to_owned() };
        if !there(Kind::Connection, &identity) {
            let message = format!("there is no connection `{identity}`, neither in the files nor on the server");
            mistakes.add(declared.place("/connection"), message);
        }
        if !directory.declares(Kind::Connection, &identity) && remote.find(Kind::Connection, &identity).len() > 1 {
            mistakes.add(declared.place("/connection"), format!("the server has several connections called `{identity}`"));
        }
    }
    for (pointer, event) in declared.exact_events() {
        if !there(Kind::EventType, &Identity { tenant: None, name: event.to_owned() }) {
            let message = format!("there is no event type `{event}`, neither in the files nor on the server");
            mistakes.add(declared.place(&pointer), message);
        }
    }
}
