//! From the contract's texts to the provider's types and back: the one path that the exports and the tests share.

use crate::contract;
use crate::delivery::{Delivery, Event, OptionItem, OptionsRequest, Payload, Receipt, Settings, SettingsKind};
use crate::manifest::Description;
use crate::{Failure, NoConnection, Provider, clock, schema};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::any::TypeId;
use std::time::Duration;

pub(crate) fn describe<P: Provider>() -> Description {
    Description {
        manifest: P::manifest(),
        config_schema: schema::of::<P::Config>(),
        connection_schema: has_connection::<P>().then(schema::of::<P::Connection>),
        test_connection: P::TEST_CONNECTION.is_some(),
        list_options: P::LIST_OPTIONS.is_some(),
        migrate_config: P::MIGRATE_CONFIG.is_some(),
        reconcile: P::RECONCILE.is_some(),
    }
}

pub(crate) fn deliver<P: Provider>(delivery: contract::Delivery) -> Result<Receipt, Failure> {
    P::deliver(&typed::<P>(delivery)?)
}

pub(crate) fn reconcile<P: Provider>(delivery: contract::Delivery) -> Result<Option<Receipt>, Failure> {
    P::RECONCILE.ok_or_else(|| missing("reconcile"))?(&typed::<P>(delivery)?)
}

pub(crate) fn test_connection<P: Provider>(settings: contract::Settings) -> Result<String, Failure> {
    let test = P::TEST_CONNECTION.ok_or_else(|| missing("test-connection"))?;
    clock::set(&settings.now)?;
    let config = settings.config.as_deref().map(|text| parse("config", text)).transpose()?;
    test(&Settings { config, connection: connection::<P>(settings.connection.as_deref())? })
}

pub(crate) fn list_options<P: Provider>(
    name: String,
    settings: contract::Settings,
    query: Option<String>,
) -> Result<Vec<OptionItem>, Failure> {
    let list = P::LIST_OPTIONS.ok_or_else(|| missing("list-options"))?;
    clock::set(&settings.now)?;
    let config = settings.config.as_deref().map_or(Ok(Value::Null), |text| parse("config", text))?;
    let connection = settings.connection.as_deref().map(|text| parse("connection", text)).transpose()?;
    list(&OptionsRequest { name, config, connection, query })
}

pub(crate) fn migrate_config<P: Provider>(kind: SettingsKind, from: u32, value: &str) -> Result<String, Failure> {
    let migrate = P::MIGRATE_CONFIG.ok_or_else(|| missing("migrate-config"))?;
    migrate(kind, from, parse::<Value>("settings", value)?).map(|value| value.to_string())
}

fn typed<P: Provider>(delivery: contract::Delivery) -> Result<Delivery<P::Config, P::Connection>, Failure> {
    Ok(Delivery {
        attempt: delivery.attempt,
        attempted_at: clock::set(&delivery.attempted_at)?,
        time_left: Duration::from_millis(delivery.deadline_milliseconds.into()),
        test: delivery.test,
        event: Event {
            id: delivery.event_id,
            event_id: delivery.event_type,
            payload: Payload::from_text(delivery.payload)?,
            timestamp: delivery.timestamp,
            delivery_id: delivery.id.clone(),
        },
        id: delivery.id,
        subscription: delivery.subscription,
        config: parse("config", &delivery.config)?,
        connection: connection::<P>(delivery.connection.as_deref())?,
        entity: delivery.entity,
    })
}

fn has_connection<P: Provider>() -> bool {
    TypeId::of::<P::Connection>() != TypeId::of::<NoConnection>()
}

fn connection<P: Provider>(text: Option<&str>) -> Result<Option<P::Connection>, Failure> {
    text.filter(|_| has_connection::<P>()).map(|text| parse("connection", text)).transpose()
}

/// Settings that do not fit the provider's type will not fit it in five minutes either. The path says where.
fn parse<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Failure> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { what.to_owned() } else { format!("{what}.{path}") };
        Failure::never(format!("{place} is not what this provider understands: {}", error.into_inner()))
    })
}

fn missing(export: &str) -> Failure {
    Failure::never(format!("this provider does not implement {export}"))
}
