//! Trying out: subscriptions with a test event, settings before they are saved, and the entries of drop-downs.

use crate::catalog::settings::{Opened, accept, fill_kept};
use crate::catalog::{Prepared, Provider, Purpose, connection_form, host_fields};
use crate::emit::refuse;
use crate::{Catalog, Error};
use postern_core::delivery::Route;
use postern_core::host_pattern::Section;
use postern_core::{ConnectionId, DeliveryId, Event, EventId, EventTypeId, Json, ProviderId, SubscriptionId};
use postern_egress::{Call, Seals};
use postern_events::Violation;
use postern_runtime::{Component, OptionItem, OptionsRequest, Report, Settings};
use postern_store::NewEvent;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

/// How much longer than a call a test may take: it waits for a place like any delivery.
const SLACK: Duration = Duration::from_secs(10);

/// Settings that somebody wants to try.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trial {
    /// A subscription's settings.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub config: Option<Value>,
    /// A connection's settings, if they are not saved yet. With `connectionId` too, a secret's mark in them stands for the
    /// secret that this connection holds.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub connection: Option<Value>,
    /// A connection that is saved.
    #[serde(default)]
    pub connection_id: Option<ConnectionId>,
}

/// A question for the entries of a drop-down.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// What the schema names with `x-options`.
    pub name: String,
    /// The settings as filled in so far; they need not fit the schema yet.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub config: Option<Value>,
    /// A connection that is saved.
    #[serde(default)]
    pub connection_id: Option<ConnectionId>,
    /// What was typed to search by.
    #[serde(default)]
    pub query: Option<String>,
}

/// Which event to try a subscription with.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TestEvent {
    /// The event type; none means the first that the subscription names.
    #[serde(default)]
    pub event_type: Option<EventTypeId>,
    /// The payload as it would be emitted; none means the event type's example, or one made from its schema.
    #[serde(default)]
    pub payload: Option<Value>,
}

impl Catalog {
    /// Sends a test event to one subscription, through the whole real path, and waits for its only attempt. Neither the
    /// filter nor whether the subscription is enabled counts.
    ///
    /// # Errors
    /// There is no such subscription or event type, the payload does not fit, or no example can be made.
    pub async fn send_test(&self, id: SubscriptionId, test: TestEvent) -> Result<DeliveryId, Error> {
        self.settled(&self.subscription(id)?.subscription.provider_id).await;
        let prepared = self.subscription(id)?;
        let event = self.test_event(&prepared, test)?;
        let subscription = &prepared.subscription;
        if let Some(reason) = self.waits(subscription) {
            return Err(Error::Conflict(format!("nothing was sent: {reason}")));
        }
        let longest = self.serving(subscription)?.limits(&self.runtime).call() + SLACK;
        let route = Route { test: true, ..Route::new(subscription.id, subscription.provider_id.clone()) };
        let delivery = DeliveryId { event: event.id, index: 0 };
        let mut finished = self.finished.subscribe();
        self.store.ingest(NewEvent { event: Arc::new(event), routes: vec![route], idempotency: None }).await?;
        let wait = async {
            loop {
                match finished.recv().await {
                    Ok(id) if id == delivery => return Ok(()),
                    Ok(_) => {}
                    // Too much happened to follow it; the store knows.
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        let found = self.store.delivery(delivery).await?;
                        if found.is_some_and(|(found, _)| found.state.is_final()) {
                            return Ok(());
                        }
                    }
                    Err(broadcast::error::RecvError::Closed) => return Err(Error::Internal("the daemon is stopping".into())),
                }
            }
        };
        match tokio::time::timeout(longest, wait).await {
            Ok(result) => result.map(|()| delivery),
            Err(_) => Err(Error::Conflict(format!(
                "the test {delivery} is queued, but its attempt did not end in time; look at it later"
            ))),
        }
    }

    /// The subscription's settings as they would be rendered for a test event. Nothing is sent; secrets stay masked.
    ///
    /// # Errors
    /// As [`Catalog::send_test`], or a template does not render.
    pub fn preview(&self, id: SubscriptionId, test: TestEvent) -> Result<Value, Error> {
        let prepared = self.subscription(id)?;
        let event = self.test_event(&prepared, test)?;
        let context = crate::attempt::context(&DeliveryId { event: event.id, index: 0 }, 1, &event, &prepared.subscription);
        prepared
            .opened
            .preview(&prepared.subscription.provider_config, &context)
            .map_err(|violation| Error::invalid("a template does not render for this event", vec![violation]))
    }

    fn test_event(&self, prepared: &Prepared, test: TestEvent) -> Result<Event, Error> {
        let events = &prepared.subscription.events;
        let registered = match test.event_type {
            Some(id) => self.event_type(&id).map_err(|error| {
                Error::invalid("the test event does not fit", vec![Violation::new("/eventType", error.to_string())])
            })?,
            None => self
                .event_types()
                .into_iter()
                .find(|known| events.iter().any(|pattern| pattern.matches(&known.definition.id)))
                .ok_or_else(|| Error::Conflict("no event type is registered that this subscription names".into()))?,
        };
        let id = registered.definition.id.clone();
        let payload = match test.payload {
            Some(payload) => match registered.accept(&payload) {
                Ok(transformed) => transformed.unwrap_or(payload),
                Err(refused) => return Err(refuse(&id, refused, "", "nothing was sent")),
            },
            None => registered.sample().ok_or_else(|| {
                Error::Conflict(format!(
                    "no example can be made from the schema of `{id}`; give a payload, or register it with an example"
                ))
            })?,
        };
        Ok(Event {
            id: EventId::generate(),
            event_type: id,
            tenant: prepared.subscription.tenant.clone(),
            timestamp: self.clock.now(),
            payload: Json::from_value(&payload),
        })
    }

    /// Tries settings out that need not be saved.
    ///
    /// # Errors
    /// There is no such provider or connection, it cannot test, or the settings do not fit.
    pub async fn test_connection(&self, id: &ProviderId, trial: Trial) -> Result<Report<Result<String, String>>, Error> {
        self.settled(id).await;
        let provider = self.provider(id)?;
        let component = loaded(&provider)?;
        if !provider.manifest.implements.test_connection {
            return Err(Error::Conflict(format!("{id} has no test of its settings; send a test delivery instead")));
        }
        let form = provider.form.as_ref().ok_or_else(|| Error::Conflict(format!("{id} is not loaded")))?;
        let unsaved = |form, value, before: Option<&Opened>, section, place: &str| {
            let hosts = host_fields(&provider.wish, section);
            let mut accepted = accept(form, value, before, &hosts, place)
                .map_err(|violations| Error::invalid("the settings do not fit", violations))?;
            fill_kept(form, &mut accepted, before);
            Opened::unsaved(form, accepted).map_err(Error::Internal)
        };
        let config = trial.config.map(|config| unsaved(form, config, None, Section::Config, "/config")).transpose()?;
        let (fresh, saved) = match trial.connection {
            None => (None, self.saved(id, trial.connection_id)?),
            // One that is being edited: the marks in it stand for what is saved, which need not be usable as it is.
            Some(connection) => {
                let before = trial.connection_id.map(|saved| self.saved_for(id, saved)).transpose()?;
                let before = before.as_ref().map(|before| &before.opened);
                let form = connection_form(&provider).map_err(Error::Conflict)?;
                (Some(unsaved(form, connection, before, Section::Connection, "/connection")?), None)
            }
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
        self.settled(id).await;
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
        let connection = self.saved_for(provider, id)?;
        if let Some(problem) = &connection.problem {
            return Err(Error::Conflict(format!("the connection {id} cannot be used: {problem}")));
        }
        Ok(Some(connection))
    }

    /// A saved connection, whether it can be used or not.
    fn saved_for(&self, provider: &ProviderId, id: ConnectionId) -> Result<Arc<crate::catalog::PreparedConnection>, Error> {
        let connection = self.connection(id)?;
        if connection.connection.provider_id != *provider {
            return Err(Error::Conflict(format!(
                "the connection {id} is for {}, not for {provider}",
                connection.connection.provider_id
            )));
        }
        Ok(connection)
    }

    fn prepare_call(
        &self,
        provider: &Provider,
        config: Option<&Opened>,
        connection: Option<&Opened>,
    ) -> Result<(Arc<Call>, Settings), Error> {
        let mut seals = Seals::default();
        let mut render = |opened: Option<&Opened>, section| {
            opened
                .map(|opened| opened.for_call(section, None, &mut seals))
                .transpose()
                .map_err(|violation| Error::Internal(violation.to_string()))
        };
        let settings =
            Settings { config: render(config, Section::Config)?, connection: render(connection, Section::Connection)? };
        let none = Opened::default();
        Ok((self.call(provider, config.unwrap_or(&none), connection, seals, Purpose::default()), settings))
    }
}

fn loaded(provider: &Provider) -> Result<&Component, Error> {
    provider.component.as_ref().ok_or_else(|| Error::Conflict(format!("{} is not loaded", provider.manifest.id)))
}
