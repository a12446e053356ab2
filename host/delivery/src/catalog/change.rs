//! How objects are stored: each change in one transaction with the record of who made it.

use super::Catalog;
use crate::Error;
use crate::audit::{self, Difference};
use postern_events::settings::Secrets;
use postern_store::{AuditEntry, Beside, Change, Expect, Kind, NewEvent};
use serde::Deserialize;
use serde_json::Value;

impl Catalog {
    /// Stores an object; answers with its new revision. The record says that the present actor made or changed it.
    pub(super) async fn put(&self, kind: Kind, id: impl ToString, body: &impl serde::Serialize) -> Result<u64, Error> {
        self.put_as(None, kind, id, body).await
    }

    /// Likewise; the record calls it `verb`, if that is given: `approve`.
    pub(super) async fn put_as(
        &self,
        verb: Option<&str>,
        kind: Kind,
        id: impl ToString,
        body: &impl serde::Serialize,
    ) -> Result<u64, Error> {
        self.put_announced(verb, kind, id, body, Vec::new()).await
    }

    /// Likewise, with what the host announces of it in the same transaction.
    pub(super) async fn put_announced(
        &self,
        verb: Option<&str>,
        kind: Kind,
        id: impl ToString,
        body: &impl serde::Serialize,
        events: Vec<NewEvent>,
    ) -> Result<u64, Error> {
        let body = serde_json::to_value(body).map_err(|error| Error::Internal(error.to_string()))?;
        self.change(verb, kind, id.to_string(), Some(body), events).await
    }

    /// Removes an object. The record says that the present actor did.
    pub(super) async fn remove(&self, kind: Kind, id: impl ToString) -> Result<(), Error> {
        self.change(None, kind, id.to_string(), None, Vec::new()).await.map(drop)
    }

    async fn change(
        &self,
        verb: Option<&str>,
        kind: Kind,
        id: String,
        body: Option<Value>,
        events: Vec<NewEvent>,
    ) -> Result<u64, Error> {
        let before = self.store.document(kind, &id).await?;
        let before = before.and_then(|before| serde_json::from_str(&before.body).ok()).unwrap_or(Value::Null);
        let after = body.as_ref().unwrap_or(&Value::Null);
        let verb = verb.unwrap_or(match (kind, &before, after) {
            (Kind::Provider, _, Value::Null) => "remove",
            (_, _, Value::Null) => "delete",
            (Kind::EventType, ..) => "register",
            (_, Value::Null, _) => "create",
            _ => "update",
        });
        let entry = self.record(verb, kind, &id, &before, after);
        let change = Change { kind, id, expect: Expect::Anything, body: body.map(|body| body.to_string()) };
        Ok(self.store.apply_beside(Beside { changes: vec![change], entries: vec![entry], events }).await?[0])
    }

    /// The record of a change from one stored state of an object to another; null is none.
    fn record(&self, verb: &str, kind: Kind, id: &str, before: &Value, after: &Value) -> AuditEntry {
        let (member, settings) = match kind {
            Kind::Subscription => ("subscription", "providerConfig"),
            Kind::Connection => ("connection", "settings"),
            Kind::EventType | Kind::Provider | Kind::Token | Kind::Setting => ("", ""),
        };
        let [shown_before, shown_after] = [before, after].map(|body| body.get(member).unwrap_or(body));
        let mut difference = Difference::between(shown_before, shown_after);
        if !self.same_secrets(id, before, after) {
            difference.and(settings);
        }
        let tenant = [shown_after, shown_before].into_iter().find_map(|shown| shown.get("tenant")?.as_str()?.parse().ok());
        audit::change(self.clock.now(), verb, kind, id, tenant, &difference)
    }

    /// Whether two stored states of an object hold the same secrets. Those that were kept were encrypted anew.
    fn same_secrets(&self, id: &str, before: &Value, after: &Value) -> bool {
        let sealed = |body: &Value| Secrets::deserialize(body.get("secrets").unwrap_or(&Value::Null)).unwrap_or_default();
        let (before, after) = (sealed(before), sealed(after));
        let open = |path: &str, sealed: &str| self.vault.decrypt(id, path, sealed).ok();
        before.len() == after.len()
            && before.iter().all(|(path, sealed)| {
                let pair = after.get(path).and_then(|after| Some((open(path, sealed)?, open(path, after)?)));
                pair.is_some_and(|(before, after)| *before == *after)
            })
    }
}
