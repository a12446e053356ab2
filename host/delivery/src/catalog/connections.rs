//! Connections: checked when they are saved, their secrets sealed, used by the subscriptions of their own tenant.

use super::settings::{self, Opened};
use super::subscriptions::merge;
use super::{Catalog, Provider};
use crate::Error;
use postern_core::{Connection, ConnectionId, ProviderId, TenantId, Timestamp};
use postern_events::Violation;
use postern_events::settings::{Form, Secrets};
use postern_store::Kind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

/// What an administrator says of a connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectionInput {
    /// 1 to 100 characters.
    pub name: String,
    /// What it is for; at most 1000 characters.
    #[serde(default)]
    pub description: Option<String>,
    /// The provider that it is for.
    pub provider_id: ProviderId,
    /// What the provider's connection schema asks for.
    pub settings: Value,
    /// Default: `default`.
    #[serde(default)]
    pub tenant: Option<TenantId>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    connection: Connection,
    #[serde(default)]
    secrets: Secrets,
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
}

impl Catalog {
    pub(super) async fn load_connections(&self) -> Result<(), Error> {
        let stored: Vec<(Stored, u64)> = self.read(Kind::Connection).await?;
        for (stored, revision) in stored {
            self.hold(stored, revision);
        }
        Ok(())
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// Something in it does not fit; each place is named.
    pub async fn create_connection(&self, input: ConnectionInput) -> Result<Arc<PreparedConnection>, Error> {
        let _changing = self.changing.lock().await;
        self.save_connection(ConnectionId::generate(), input, None, None).await
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
        let _changing = self.changing.lock().await;
        let before = self.connection(id)?;
        super::check_revision("connection", before.revision, expected)?;
        let connection = &before.connection;
        let input = ConnectionInput {
            name: connection.name.clone(),
            description: connection.description.clone(),
            provider_id: connection.provider_id.clone(),
            settings: connection.settings.clone(),
            tenant: Some(connection.tenant.clone()),
        };
        let mut merged = serde_json::to_value(input).map_err(|error| Error::Internal(error.to_string()))?;
        merge(&mut merged, patch);
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
        self.save_connection(id, input, Some(connection.created_at), Some(&before)).await
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

    /// Prepares the connections of a provider anew, because its schema may have changed.
    pub(super) async fn hold_connections_again(&self, provider: &ProviderId) -> Result<(), Error> {
        let stored: Vec<(Stored, u64)> = self.read(Kind::Connection).await?;
        for (stored, revision) in stored.into_iter().filter(|(stored, _)| stored.connection.provider_id == *provider) {
            self.hold(stored, revision);
        }
        Ok(())
    }

    async fn save_connection(
        &self,
        id: ConnectionId,
        input: ConnectionInput,
        created_at: Option<Timestamp>,
        before: Option<&PreparedConnection>,
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
        let mut accepted = match settings::accept(form, input.settings, opened, "/settings") {
            Ok(accepted) if violations.is_empty() => accepted,
            Ok(_) => return Err(refuse(violations)),
            Err(unfit) => {
                violations.extend(unfit);
                return Err(refuse(violations));
            }
        };
        let secrets = settings::seal(&self.vault, form, &id.to_string(), &mut accepted, opened)?;
        let now = self.clock.now();
        let connection = Connection {
            id,
            tenant: input.tenant.unwrap_or_default(),
            name: input.name,
            description: input.description,
            provider_id: input.provider_id,
            settings: accepted.value,
            settings_version: form.version(),
            created_at: created_at.unwrap_or(now),
            updated_at: now,
        };
        let stored = Stored { connection, secrets };
        let revision = self.put(Kind::Connection, id, &stored).await?;
        self.hold(stored, revision);
        self.connection(id)
    }

    /// Makes a stored connection ready. One that cannot be is kept with the reason, and its deliveries tell it.
    fn hold(&self, stored: Stored, revision: u64) {
        let Stored { connection, secrets } = stored;
        let opened = self.provider(&connection.provider_id).map_err(|error| error.to_string()).and_then(|provider| {
            Opened::open(&self.vault, connection_form(&provider)?, &connection.id.to_string(), &connection.settings, &secrets)
        });
        let (opened, problem) = match opened {
            Ok(opened) => (opened, None),
            Err(problem) => {
                tracing::warn!(connection = %connection.id, %problem, "the connection cannot be used");
                (Opened::default(), Some(problem))
            }
        };
        let id = connection.id;
        self.connections.write().insert(id, Arc::new(PreparedConnection { revision, connection, problem, opened }));
    }
}

/// The form of a provider's connections.
pub(crate) fn connection_form(provider: &Provider) -> Result<&Form, String> {
    if provider.component.is_none() {
        return Err(format!("{} is not loaded, so its settings cannot be checked", provider.manifest.id));
    }
    provider.connection_form.as_deref().ok_or_else(|| format!("{} takes no connection", provider.manifest.id))
}
