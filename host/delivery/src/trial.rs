//! Trying out: settings before they are saved, and the entries of drop-downs.

use crate::catalog::settings::{Opened, accept};
use crate::catalog::{Provider, connection_form};
use crate::{Catalog, Error};
use postern_core::{ConnectionId, ProviderId};
use postern_egress::{Call, Seals};
use postern_runtime::{Component, OptionItem, OptionsRequest, Report, Settings};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Settings that somebody wants to try.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trial {
    /// A subscription's settings.
    #[serde(default)]
    pub config: Option<Value>,
    /// A connection's settings, if it is not saved yet.
    #[serde(default)]
    pub connection: Option<Value>,
    /// A connection that is saved.
    #[serde(default)]
    pub connection_id: Option<ConnectionId>,
}

/// A question for the entries of a drop-down.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// What the schema names with `x-options`.
    pub name: String,
    /// The settings as filled in so far; they need not fit the schema yet.
    #[serde(default)]
    pub config: Option<Value>,
    /// A connection that is saved.
    #[serde(default)]
    pub connection_id: Option<ConnectionId>,
    /// What was typed to search by.
    #[serde(default)]
    pub query: Option<String>,
}

impl Catalog {
    /// Tries settings out that need not be saved.
    ///
    /// # Errors
    /// There is no such provider or connection, it cannot test, or the settings do not fit.
    pub async fn test_connection(&self, id: &ProviderId, trial: Trial) -> Result<Report<Result<String, String>>, Error> {
        let provider = self.provider(id)?;
        let component = loaded(&provider)?;
        if !provider.manifest.implements.test_connection {
            return Err(Error::Conflict(format!("{id} has no test of its settings; send a test delivery instead")));
        }
        let form = provider.form.as_ref().ok_or_else(|| Error::Conflict(format!("{id} is not loaded")))?;
        let unsaved = |form, value, place: &str| {
            let accepted =
                accept(form, value, None, place).map_err(|violations| Error::invalid("the settings do not fit", violations))?;
            Opened::unsaved(form, accepted).map_err(Error::Internal)
        };
        let config = trial.config.map(|config| unsaved(form, config, "/config")).transpose()?;
        let saved = self.saved(id, trial.connection_id)?;
        let fresh = match trial.connection {
            None => None,
            Some(connection) => Some(unsaved(connection_form(&provider).map_err(Error::Conflict)?, connection, "/connection")?),
        };
        let connection = fresh.as_ref().or(saved.as_ref().map(|saved| &saved.opened));
        let (call, settings) = self.prepare_call(&provider, config.as_ref(), connection)?;
        Ok(component.test_connection(call, settings, self.clock.now().to_string()).await)
    }

    /// The entries of a drop-down.
    ///
    /// # Errors
    /// There is no such provider or connection, or it has no drop-downs.
    pub async fn options(&self, id: &ProviderId, question: Question) -> Result<Report<Result<Vec<OptionItem>, String>>, Error> {
        let provider = self.provider(id)?;
        let component = loaded(&provider)?;
        if !provider.manifest.implements.list_options {
            return Err(Error::Conflict(format!("{id} has no drop-downs to fill")));
        }
        let saved = self.saved(id, question.connection_id)?;
        let (call, settings) = self.prepare_call(&provider, None, saved.as_ref().map(|saved| &saved.opened))?;
        let settings = Settings { config: question.config.map(|config| config.to_string()), ..settings };
        let request = OptionsRequest { name: question.name, settings, query: question.query };
        Ok(component.list_options(call, request, self.clock.now().to_string()).await)
    }

    fn saved(
        &self,
        provider: &ProviderId,
        id: Option<ConnectionId>,
    ) -> Result<Option<Arc<crate::catalog::PreparedConnection>>, Error> {
        let Some(id) = id else { return Ok(None) };
        let connection = self.connection(id)?;
        if connection.connection.provider_id != *provider {
            return Err(Error::Conflict(format!(
                "the connection {id} is for {}, not for {provider}",
                connection.connection.provider_id
            )));
        }
        if let Some(problem) = &connection.problem {
            return Err(Error::Conflict(format!("the connection {id} cannot be used: {problem}")));
        }
        Ok(Some(connection))
    }

    fn prepare_call(
        &self,
        provider: &Provider,
        config: Option<&Opened>,
        connection: Option<&Opened>,
    ) -> Result<(Arc<Call>, Settings), Error> {
        let mut seals = Seals::default();
        let mut render = |opened: Option<&Opened>| {
            opened
                .map(|opened| opened.for_call(None, &mut seals))
                .transpose()
                .map_err(|violation| Error::Internal(violation.to_string()))
        };
        let settings = Settings { config: render(config)?, connection: render(connection)? };
        let none = Opened::default();
        Ok((self.call(provider, config.unwrap_or(&none), connection, seals), settings))
    }
}

fn loaded(provider: &Provider) -> Result<&Component, Error> {
    provider.component.as_ref().ok_or_else(|| Error::Conflict(format!("{} is not loaded", provider.manifest.id)))
}
