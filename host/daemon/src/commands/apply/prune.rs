//! What is to be deleted: objects that no file declares.
//!
//! The server keeps no note of who made an object, so this cannot be told from what somebody made by hand. Therefore it
//! reaches only as far as the files speak: the kinds that they have lists of, the tenants that their objects belong to, and
//! the plugins whose event types they declare. What something else still uses is spared.

use super::declared::{Directory, Identity, Kind};
use super::plan::{Action, Plan, Step};
use super::remote::{Object, Remote};
use anyhow::{Context, Result};
use postern_client::Client;
use serde_json::Value;
use std::collections::BTreeSet;

/// What a directory speaks of.
pub(super) struct Scope {
    kinds: BTreeSet<Kind>,
    plugins: BTreeSet<String>,
    declared: BTreeSet<(Kind, Identity)>,
    /// Of the declared subscriptions.
    connections: BTreeSet<Identity>,
}

impl Scope {
    /// The scope of a directory.
    pub(super) fn of(directory: &Directory) -> Self {
        let text = |field| move |declared: &super::declared::Declared| declared.text(field).map(str::to_owned);
        let connection = |declared: &super::declared::Declared| {
            Some(Identity { tenant: declared.identity.tenant.clone(), name: declared.text("connection")?.to_owned() })
        };
        Self {
            kinds: directory.kinds.clone(),
            plugins: directory.objects.iter().filter_map(text("plugin")).collect(),
            declared: directory.objects.iter().map(|declared| (declared.kind, declared.identity.clone())).collect(),
            connections: directory.objects.iter().filter_map(connection).collect(),
        }
    }

    fn covers(&self, object: &Object) -> bool {
        let plugin = || object.value["plugin"].as_str().is_some_and(|plugin| self.plugins.contains(plugin));
        self.kinds.contains(&object.kind)
            && !self.declared.contains(&(object.kind, object.identity.clone()))
            && (object.kind != Kind::EventType || plugin())
    }
}

/// Adds the deletions to a plan: subscriptions first, event types last.
///
/// # Errors
/// The server does not answer.
pub(super) async fn add(client: &Client, scope: &Scope, remote: &Remote, plan: &mut Plan) -> Result<()> {
    let mut gone = BTreeSet::new();
    // Those of other tenants count as well: they too may name an event type.
    let users = if scope.kinds.contains(&Kind::EventType) {
        let all = client.list(Kind::Subscription.path(), &[("limit", "500".to_owned())], usize::MAX).await;
        all.context("the subscriptions cannot be listed")?
    } else {
        Vec::new()
    };
    for kind in Kind::ALL.into_iter().rev() {
        for object in remote.all(kind).filter(|object| scope.covers(object)) {
            if let Some(user) = user(object, scope, remote, &users, &gone) {
                plan.spared.push(format!("the {kind} `{}` is in no file but stays, because {user}", object.identity));
                continue;
            }
            gone.insert(object.id.clone());
            let tag = if kind == Kind::EventType { None } else { object.refreshed(client).await?.1 };
            plan.steps.push(Step {
                kind,
                identity: object.identity.clone(),
                declared: None,
                action: Action::Delete { id: object.id.clone(), tag },
                changes: Vec::new(),
                hidden: Vec::new(),
            });
        }
    }
    Ok(())
}

/// Who needs an object that would be deleted.
fn user(object: &Object, scope: &Scope, remote: &Remote, users: &[Value], gone: &BTreeSet<String>) -> Option<String> {
    let stays = |subscription: &&Value| !gone.contains(subscription["id"].as_str().unwrap_or_default());
    let by = |subscription: &Value| format!("the subscription `{}` uses it", subscription["name"].as_str().unwrap_or_default());
    match object.kind {
        Kind::Subscription => None,
        Kind::Connection if scope.connections.contains(&object.identity) => {
            Some("a subscription in the files uses it".to_owned())
        }
        Kind::Connection => {
            let undeclared =
                remote.all(Kind::Subscription).filter(|known| !scope.declared.contains(&(known.kind, known.identity.clone())));
            let mut users = undeclared.map(|known| &known.value).filter(stays);
            users.find(|user| user["connectionId"] == object.id.as_str()).map(by)
        }
        Kind::EventType => {
            let names =
                |user: &&Value| user["events"].as_array().is_some_and(|events| events.contains(&object.id.as_str().into()));
            users.iter().filter(stays).find(names).map(by)
        }
    }
}
