//! The exports: from the contract's records to [`calls`](crate::calls) and back. Only in a component.

use crate::bindings::exports::postern::provider::provider::Guest;
use crate::bindings::postern::provider::types as wit;
use crate::contract;
use crate::delivery::{Entity, Receipt, SettingsKind, Subscription};
use crate::failure::LONGEST_DELAY;
use crate::manifest::Description;
use crate::{Failure, Provider, Retry, calls, log};
use std::marker::PhantomData;

#[cfg(feature = "allocator")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Makes a provider what the contract exports. Used by [`export!`](crate::export).
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

impl<P: Provider> Guest for Component<P> {
    fn describe() -> wit::Manifest {
        watch_panics();
        manifest(calls::describe::<P>())
    }

    fn deliver(delivery: wit::Delivery) -> Result<wit::Receipt, wit::Failure> {
        watch_panics();
        calls::deliver::<P>(incoming(delivery)).map(receipt).map_err(failure)
    }

    fn test_connection(settings: wit::Settings) -> Result<String, wit::Failure> {
        watch_panics();
        calls::test_connection::<P>(incoming_settings(settings)).map_err(failure)
    }

    fn list_options(request: wit::OptionsRequest) -> Result<Vec<wit::OptionItem>, wit::Failure> {
        watch_panics();
        let items =
            calls::list_options::<P>(request.name, incoming_settings(request.settings), request.query).map_err(failure)?;
        let outgoing =
            |item: crate::OptionItem| wit::OptionItem { value: item.value, label: item.label, description: item.description };
        Ok(items.into_iter().map(outgoing).collect())
    }

    fn migrate_config(kind: wit::SettingsKind, from_version: u32, value: String) -> Result<String, wit::Failure> {
        watch_panics();
        let kind = match kind {
            wit::SettingsKind::Config => SettingsKind::Config,
            wit::SettingsKind::Connection => SettingsKind::Connection,
        };
        calls::migrate_config::<P>(kind, from_version, &value).map_err(failure)
    }

    fn reconcile(delivery: wit::Delivery) -> Result<Option<wit::Receipt>, wit::Failure> {
        watch_panics();
        calls::reconcile::<P>(incoming(delivery)).map(|found| found.map(receipt)).map_err(failure)
    }
}

/// A trap says nothing of its own, so the panic's message and place go to the host first.
fn watch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("(no message)");
        match panic.location() {
            Some(place) => log::fatal(format!("panicked at {}:{}: {message}", place.file(), place.line())),
            None => log::fatal(format!("panicked: {message}")),
        }
    }));
}

fn incoming(delivery: wit::Delivery) -> contract::Delivery {
    contract::Delivery {
        id: delivery.id,
        attempt: delivery.attempt,
        attempted_at: delivery.attempted_at,
        deadline_milliseconds: delivery.deadline_milliseconds,
        test: delivery.test,
        event_id: delivery.event.id,
        event_type: delivery.event.event_type,
        payload: delivery.event.payload,
        timestamp: delivery.event.timestamp,
        subscription: Subscription { id: delivery.subscription.id, name: delivery.subscription.name },
        config: delivery.config,
        connection: delivery.connection,
        entity: delivery.entity.map(|entity| Entity { key: entity.key, external_id: entity.external_id }),
    }
}

fn incoming_settings(settings: wit::Settings) -> contract::Settings {
    contract::Settings { config: settings.config, connection: settings.connection, now: settings.now }
}

fn receipt(receipt: Receipt) -> wit::Receipt {
    wit::Receipt { external_id: receipt.external_id }
}

fn failure(failure: Failure) -> wit::Failure {
    let retry = match failure.retry {
        Retry::Backoff => wit::Retry::Backoff,
        Retry::After(delay) => wit::Retry::After(u32::try_from(delay.min(LONGEST_DELAY).as_millis()).unwrap_or(u32::MAX)),
        Retry::Never => wit::Retry::Never,
    };
    wit::Failure { message: failure.into_bounded_message(), retry: Some(retry) }
}

fn manifest(description: Description) -> wit::Manifest {
    let author = description.manifest;
    let mut implements = wit::Capabilities::empty();
    implements.set(wit::Capabilities::TEST_CONNECTION, description.test_connection);
    implements.set(wit::Capabilities::LIST_OPTIONS, description.list_options);
    implements.set(wit::Capabilities::MIGRATE_CONFIG, description.migrate_config);
    implements.set(wit::Capabilities::RECONCILE, description.reconcile);
    implements.set(wit::Capabilities::IDEMPOTENT, author.idempotent);
    let texts = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
    wit::Manifest {
        id: author.id.into(),
        version: author.version.into(),
        display_name: author.display_name.into(),
        description: author.description.into(),
        icon: author.icon.map(Into::into),
        supported_events: author.supported_events.map(texts),
        config: wit::SettingsSchema { version: author.config_version, schema: description.config_schema },
        connection: description
            .connection_schema
            .map(|schema| wit::SettingsSchema { version: author.connection_version, schema }),
        hosts: texts(author.hosts),
        implements,
        documentation: wit::Documentation {
            setup_guide: author.setup_guide.map(Into::into),
            example_payload: author.example_payload.map(Into::into),
            headers: author
                .headers
                .into_iter()
                .map(|(name, description)| wit::DocumentedHeader { name: name.into(), description: description.into() })
                .collect(),
            link: author.link.map(Into::into),
        },
        rate: author
            .rate
            .map(|(calls, time)| wit::RateHint { calls, per_milliseconds: u32::try_from(time.as_millis()).unwrap_or(u32::MAX) }),
    }
}
