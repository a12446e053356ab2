//! Connections: checked when they are saved, their secrets sealed, used by the subscriptions of their own tenant.

use super::forward::{Readied, Record, RecordId, Retried, Standing};
use super::migration::{New, Old};
use super::settings::{self, Opened};
use super::subscriptions::change;
use super::{Catalog, Provider, host_fields};
use crate::Error;
use postern_core::host_pattern::Section;
use postern_core::{Connection, ConnectionId, ProviderId, TenantId, Timestamp};
use postern_events::Violation;
use postern_events::settings::{Form, Secrets};
use postern_runtime::SettingsKind;
use postern_store::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

/// What an administrator says of a connection.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectionInput {
    /// 1 to 100 characters.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"\S"))]
    pub name: String,
    /// What it is for; at most 1000 characters.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub description: Option<String>,
    /// The provider that it is for.
    pub provider_id: ProviderId,
    /// What the provider's connection schema asks for.
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub settings: Value,
    /// Default: `default`.
    #[serde(default)]
    pub tenant: Option<TenantId>,
}

/// How a connection is stored: its secrets sealed, each bound to the connection and its field.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) connection: Connection,
    #[serde(default)]
    secrets: Secrets,
}

impl Stored {
    /// Its settings.
    pub(super) fn old<'a>(&'a self, record: &'a str) -> Old<'a> {
        let Connection { settings, settings_version, .. } = &self.connection;
        let kind = SettingsKind::Connection;
        Old { record, kind, value: settings, version: *settings_version, secrets: &self.secrets }
    }

    /// Takes settings that were brought forward.
    pub(super) fn replace(&mut self, new: New, now: Timestamp) {
        self.connection.settings = new.value;
        self.connection.settings_version = new.version;
        self.connection.updated_at = now;
        self.secrets = new.secrets;
    }
}

/// A connection, ready for use.
pub struct PreparedConnection {
    /// 1 when it was made, one more with each change.
    pub revision: u64,
    /// As administrators see it.
    pub connection: Connection,
    /// Why it cannot be used, if it cannot.
    pub problem: Option<String>,
    pub(crate) opened: Opened,
    pub(crate) standing: Standing,
}

impl Catalog {
    pub(super) async fn load_connections(&self) -> Result<(), Error> {
        let stored: Vec<(Stored, u64)> = self.read(Kind::Connection).await?;
        for (stored, revision) in stored {
            self.hold(stored, revision, None);
        }
        Ok(())
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// Something in it does not fit; each place is named.
    pub async fn create_connection(&self, input: ConnectionInput) -> Result<Arc<PreparedConnection>, Error> {
        self.settled(&input.provider_id).await;
        let _changing = self.changing.lock().await;
        self.save_connection(ConnectionId::generate(), input, None, None, None).await
    }

    /// Changes a connection by a JSON merge patch (RFC 7396); a secret's mark keeps the secret.
    ///
    /// # Errors
    /// There is none of this id, it is not at the revision that is expected (none: any will do), or what would become of it
    /// does not fit.
    pub async fn update_connection(
        &self,
        id: ConnectionId,
        patch: Value,
        expected: Option<u64>,
    ) -> Result<Arc<PreparedConnection>, Error> {
        self.settled(&self.connection(id)?.connection.provider_id).await;
        let retried = self.forward_again(RecordId::Connection(id), None).await?;
        let _changing = self.changing.lock().await;
        let mut before = self.connection(id)?;
        super::check_revision("connection", before.revision, expected)?;
        let mut stuck = None;
        if let Some(Retried { revision, record: Record::Connection(stored), problem }) = retried
            && revision == before.revision
        {
            match problem {
                None => before = Arc::new(self.ready_connection(*stored, revision, None)),
                Some(problem) => stuck = Some((*stored, problem)),
            }
        }
        // Settings that cannot be brought forward stay as they are while only something else is changed.
        let stuck = stuck.filter(|_| patch.get("settings").is_none());
        let connection = &before.connection;
        let input = ConnectionInput {
            name: connection.name.clone(),
            description: connection.description.clone(),
            provider_id: connection.provider_id.clone(),
            settings: connection.settings.clone(),
            tenant: Some(connection.tenant.clone()),
        };
        let mut merged = serde_json::to_value(input).map_err(|error| Error::Internal(error.to_string()))?;
        change(&mut merged, patch);
        let input: ConnectionInput = postern_events::read_form(merged)
            .map_err(|(violation, _)| Error::invalid("the connection is not changed", vec![violation]))?;
        let mut fixed = Vec::new();
        if input.tenant.as_ref() != Some(&connection.tenant) {
            fixed.push(Violation::new("/tenant", "a connection stays in its tenant"));
        }
        if input.provider_id != connection.provider_id {
            fixed.push(Violation::new("/providerId", "a connection stays with its provider"));
        }
        if !fixed.is_empty() {
            return Err(Error::invalid("the connection is not changed", fixed));
        }
        self.save_connection(id, input, Some(connection.created_at), Some(&before), stuck).await
    }

    /// Removes a connection.
    ///
    /// # Errors
    /// There is none of this id, or subscriptions use it and `force` is not set. Forced, their deliveries fail and say why.
    pub async fn delete_connection(&self, id: ConnectionId, force: bool, expected: Option<u64>) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        super::check_revision("connection", self.connection(id)?.revision, expected)?;
        let users = self.users_of_connection(id);
        if !users.is_empty() && !force {
            let names: Vec<_> =
                users.iter().take(5).map(|user| format!("`{}` ({})", user.subscription.name, user.subscription.id)).collect();
            let message = format!(
                "{} subscription(s) use this connection: {}; move them, or remove it with force",
                users.len(),
                names.join(", ")
            );
            return Err(Error::Conflict(message));
        }
        self.remove(Kind::Connection, id).await?;
        self.connections.write().remove(&id);
        self.tell_changed();
        Ok(())
    }

    /// One connection.
    ///
    /// # Errors
    /// There is none of this id.
    pub fn connection(&self, id: ConnectionId) -> Result<Arc<PreparedConnection>, Error> {
        self.connections.read().get(&id).cloned().ok_or_else(|| Error::not_found("connection", id))
    }

    /// Up to `limit` connections after an id, by id, of one provider or tenant if that is given.
    pub fn connections(
        &self,
        after: Option<ConnectionId>,
        limit: usize,
        provider: Option<&ProviderId>,
        tenant: Option<&TenantId>,
    ) -> Vec<Arc<PreparedConnection>> {
        let connections = self.connections.read();
        connections
            .range((after.map_or(Unbounded, Excluded), Unbounded))
            .map(|(_, prepared)| prepared)
            .filter(|prepared| provider.is_none_or(|provider| prepared.connection.provider_id == *provider))
            .filter(|prepared| tenant.is_none_or(|tenant| prepared.connection.tenant == *tenant))
            .take(limit)
            .cloned()
            .collect()
    }

    async fn save_connection(
        &self,
        id: ConnectionId,
        input: ConnectionInput,
        created_at: Option<Timestamp>,
        before: Option<&PreparedConnection>,
        stuck: Option<(Stored, String)>,
    ) -> Result<Arc<PreparedConnection>, Error> {
        let mut violations = super::check_names(&input.name, input.description.as_deref());
        let refuse = |violations| Error::invalid("the connection is not saved", violations);
        let provider = self.provider(&input.provider_id).ok();
        let form =
            provider.as_deref().map_or_else(|| Err(format!("there is no provider `{}`", input.provider_id)), connection_form);
        let form = match form {
            Ok(form) => form,
            Err(message) => {
                violations.push(Violation::new("/providerId", message));
                return Err(refuse(violations));
            }
        };
        let opened = before.map(|before| &before.opened);
        let hosts = provider.as_deref().map(|provider| host_fields(&provider.wish, Section::Connection)).unwrap_or_default();
        let (settings, settings_version, secrets, stuck) = match stuck {
            Some(_) if !violations.is_empty() => return Err(refuse(violations)),
            Some((Stored { connection, secrets }, problem)) => {
                (connection.settings, connection.settings_version, secrets, Some(problem))
            }
            None => match settings::accept(form, input.settings, opened, &hosts, "/settings") {
                Ok(mut accepted) if violations.is_empty() => {
                    let secrets = settings::seal(&self.vault, form, &id.to_string(), &mut accepted, opened)?;
                    (accepted.value, form.version(), secrets, None)
                }
                Ok(_) => return Err(refuse(violations)),
                Err(unfit) => {
                    violations.extend(unfit);
                    return Err(refuse(violations));
                }
            },
        };
        let now = self.clock.now();
        let connection = Connection {
            id,
            tenant: input.tenant.unwrap_or_default(),
            name: input.name,
            description: input.description,
            provider_id: input.provider_id,
            settings,
            settings_version,
            created_at: created_at.unwrap_or(now),
            updated_at: now,
        };
        let stored = Stored { connection, secrets };
        let revision = self.put(Kind::Connection, id, &stored).await?;
        self.hold(stored, revision, stuck);
        self.connection(id)
    }

    /// Makes a stored connection ready and keeps it.
    pub(super) fn hold(&self, stored: Stored, revision: u64, stuck: Option<String>) {
        let prepared = self.ready_connection(stored, revision, stuck);
        self.connections.write().insert(prepared.connection.id, Arc::new(prepared));
        self.tell_changed();
    }

    /// Makes a stored connection ready. One that cannot be is kept with the reason, and its deliveries tell it. `stuck` says
    /// why its settings could not be brought forward, if that was tried.
    fn ready_connection(&self, stored: Stored, revision: u64, stuck: Option<String>) -> PreparedConnection {
        let id = stored.connection.id.to_string();
        let Readied { opened, problem, standing } =
            self.ready(self.provider(&stored.connection.provider_id), stored.old(&id), stuck);
        if let Some(problem) = problem.as_deref().filter(|_| standing != Standing::Waiting) {
            tracing::warn!(connection = %id, %problem, "the connection cannot be used");
        }
        PreparedConnection { revision, connection: stored.connection, problem, opened, standing }
    }
}

/// The form of a provider's connections.
pub(crate) fn connection_form(provider: &Provider) -> Result<&Form, String> {
    if provider.component.is_none() {
        return Err(format!("{} is not loaded, so its settings cannot be checked", provider.manifest.id));
    }
    provider.connection_form.as_deref().ok_or_else(|| format!("{} takes no connection", provider.manifest.id))
}
