//! Version 0.1 of the contract: between its records and the host's types.

use super::{Delivery, Failure, OptionItem, OptionsRequest, Receipt, Settings, SettingsKind};
use crate::Component;
use crate::call::{CallError, NotInstantiated, Report, State};
use bindings::exports::postern::provider::provider as guest;
use bindings::postern::provider::{http, log, secrets, types};
use postern_core::delivery::{Level, Retry};
use postern_core::manifest::{Capabilities, Documentation, DocumentedHeader, Draft, RateHint};
use postern_egress as egress;
use std::sync::Arc;

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated from the contract, which documents it")]
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "postern:provider/integration-provider",
        imports: { "postern:provider/http.send": async, "postern:provider/secrets.reveal": async },
        exports: { default: async },
    });
}

/// A component of this version, linked.
pub(crate) type Pre = bindings::IntegrationProviderPre<State>;

/// The most bytes of an external id.
const LONGEST_EXTERNAL_ID: usize = 256;
/// The most bytes of a message that a provider answers with.
const LONGEST_MESSAGE: usize = 4096;
/// The most entries of a drop-down.
const MOST_OPTIONS: usize = 1000;

impl types::Host for State {}

impl http::Host for State {
    async fn send(&mut self, request: http::Request) -> Result<http::Response, http::Error> {
        let Some(call) = self.call.clone() else {
            let message = "this call may make no requests".to_owned();
            return Err(http::Error { kind: http::ErrorKind::Denied, message, sent: false });
        };
        let request = egress::Request {
            method: request.method,
            url: request.url,
            headers: request
                .headers
                .into_iter()
                .map(|header| egress::Header { name: header.name, value: header.value })
                .collect(),
            body: request.body,
            timeout_milliseconds: request.timeout_milliseconds,
            redirects: request.redirects,
        };
        let response = call.send(request).await.map_err(|error| http::Error {
            kind: match error.kind {
                egress::ErrorKind::Denied => http::ErrorKind::Denied,
                egress::ErrorKind::InvalidRequest => http::ErrorKind::InvalidRequest,
                egress::ErrorKind::RequestTooLarge => http::ErrorKind::RequestTooLarge,
                egress::ErrorKind::TooManyRequests => http::ErrorKind::TooManyRequests,
                egress::ErrorKind::Dns => http::ErrorKind::Dns,
                egress::ErrorKind::Refused => http::ErrorKind::Refused,
                egress::ErrorKind::Reset => http::ErrorKind::Reset,
                egress::ErrorKind::Tls => http::ErrorKind::Tls,
                egress::ErrorKind::Timeout => http::ErrorKind::Timeout,
                egress::ErrorKind::Protocol => http::ErrorKind::Protocol,
                egress::ErrorKind::ResponseTooLarge => http::ErrorKind::ResponseTooLarge,
                egress::ErrorKind::Redirect => http::ErrorKind::Redirect,
                egress::ErrorKind::Other => http::ErrorKind::Other,
            },
            message: error.message,
            sent: error.sent,
        })?;
        Ok(http::Response {
            status: response.status,
            headers: response.headers.into_iter().map(|header| http::Header { name: header.name, value: header.value }).collect(),
            body: response.body,
            truncated: response.truncated,
        })
    }
}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.log.write(level, &message);
    }

    fn fatal(&mut self, message: String) {
        self.log.fatal(&message);
    }
}

const NO_SECRETS: &str = "this call has no secrets";

fn encoding(encoding: secrets::Encoding) -> egress::Encoding {
    match encoding {
        secrets::Encoding::Hex => egress::Encoding::Hex,
        secrets::Encoding::Base64 => egress::Encoding::Base64,
        secrets::Encoding::Base64url => egress::Encoding::Base64Url,
    }
}

impl secrets::Host for State {
    fn hmac(
        &mut self,
        key: secrets::HmacKey,
        digest: secrets::Digest,
        message: Vec<u8>,
        encode: secrets::Encoding,
    ) -> Result<String, String> {
        let call = self.call.as_ref().ok_or(NO_SECRETS)?;
        let key = egress::HmacKey {
            sealed: key.sealed,
            format: match key.format {
                secrets::KeyFormat::Text => egress::KeyFormat::Text,
                secrets::KeyFormat::Base64 => egress::KeyFormat::Base64,
                secrets::KeyFormat::Hex => egress::KeyFormat::Hex,
                secrets::KeyFormat::StandardWebhooks => egress::KeyFormat::StandardWebhooks,
            },
            prefix: key.prefix,
            derivation: key.derivation,
        };
        let digest = match digest {
            secrets::Digest::Sha256 => egress::Digest::Sha256,
            secrets::Digest::Sha1 => egress::Digest::Sha1,
        };
        call.hmac(&key, digest, &message, encoding(encode))
    }

    fn sign(
        &mut self,
        key: String,
        algorithm: secrets::SignatureAlgorithm,
        message: Vec<u8>,
        encode: secrets::Encoding,
    ) -> Result<String, String> {
        let algorithm = match algorithm {
            secrets::SignatureAlgorithm::Rs256 => egress::SignatureAlgorithm::Rs256,
            secrets::SignatureAlgorithm::Es256 => egress::SignatureAlgorithm::Es256,
        };
        self.call.as_ref().ok_or(NO_SECRETS)?.sign(&key, algorithm, &message, encoding(encode))
    }

    async fn reveal(&mut self, key: String) -> Result<String, String> {
        let call = self.call.clone().ok_or(NO_SECRETS)?;
        call.reveal(&key).await
    }
}

/// Runs one export in a fresh instance.
macro_rules! call {
    ($component:expr, $call:expr, $export:ident $(, $argument:expr)*) => {
        $component
            .run($call, move |store, pre| {
                Box::pin(async move {
                    let instance = pre.instantiate_async(&mut *store).await.map_err(|error| error.context(NotInstantiated))?;
                    instance.postern_provider_provider().$export(&mut *store $(, $argument)*).await
                })
            })
            .await
    };
}

impl Component {
    /// Asks the provider what it is. It can make no request meanwhile.
    pub async fn describe(&self) -> Report<Draft> {
        call!(self, None, call_describe).map(|manifest| Ok(draft(manifest)))
    }

    /// Delivers one event.
    pub async fn deliver(&self, call: Arc<egress::Call>, delivery: Delivery) -> Report<Result<Receipt, Failure>> {
        let deadline = u32::try_from(self.runtime.limits.call_milliseconds).unwrap_or(u32::MAX);
        let delivery = into_guest(delivery, deadline);
        call!(self, Some(call.clone()), call_deliver, &delivery).map(|answer| receipt(&call, answer))
    }

    /// Looks for the effect of an earlier attempt.
    pub async fn reconcile(&self, call: Arc<egress::Call>, delivery: Delivery) -> Report<Result<Option<Receipt>, Failure>> {
        let deadline = u32::try_from(self.runtime.limits.call_milliseconds).unwrap_or(u32::MAX);
        let delivery = into_guest(delivery, deadline);
        call!(self, Some(call.clone()), call_reconcile, &delivery).map(|answer| match answer {
            Ok(None) => Ok(Ok(None)),
            Ok(Some(found)) => receipt(&call, Ok(found)).map(|result| result.map(Some)),
            Err(failure) => receipt(&call, Err(failure)).map(|result| result.map(|_| None)),
        })
    }

    /// Tries settings out.
    pub async fn test_connection(
        &self,
        call: Arc<egress::Call>,
        settings: Settings,
        now: String,
    ) -> Report<Result<String, String>> {
        let settings = into_settings(settings, now);
        let tell = |text: String| shorten(&call.redact(&text));
        call!(self, Some(call.clone()), call_test_connection, &settings).map(|answer| Ok(answer.map(tell).map_err(tell)))
    }

    /// The entries of a drop-down.
    pub async fn list_options(
        &self,
        call: Arc<egress::Call>,
        request: OptionsRequest,
        now: String,
    ) -> Report<Result<Vec<OptionItem>, String>> {
        let request =
            types::OptionsRequest { name: request.name, settings: into_settings(request.settings, now), query: request.query };
        let tell = |text: String| call.redact(&text);
        call!(self, Some(call.clone()), call_list_options, &request).map(|answer| match answer {
            Ok(items) if items.len() > MOST_OPTIONS => {
                Err(format!("{} options; at most {MOST_OPTIONS} are allowed", items.len()))
            }
            Ok(items) => Ok(Ok(items
                .into_iter()
                .map(|item| OptionItem {
                    value: tell(item.value),
                    label: tell(item.label),
                    description: item.description.map(tell),
                })
                .collect())),
            Err(message) => Ok(Err(shorten(&tell(message)))),
        })
    }

    /// Brings older settings to the present version of their schema. It can make no request meanwhile.
    pub async fn migrate_config(&self, kind: SettingsKind, from_version: u32, value: String) -> Report<Result<String, String>> {
        let kind = match kind {
            SettingsKind::Config => types::SettingsKind::Config,
            SettingsKind::Connection => types::SettingsKind::Connection,
        };
        call!(self, None, call_migrate_config, kind, from_version, &value).map(|answer| Ok(answer.map_err(|text| shorten(&text))))
    }
}

impl<T> Report<T> {
    /// Judges the answer; what breaks the contract becomes an error.
    fn map<U>(self, judge: impl FnOnce(T) -> Result<U, String>) -> Report<U> {
        let result = self.result.and_then(|answer| judge(answer).map_err(CallError::Contract));
        Report { result, exchanges: self.exchanges, log: self.log, duration: self.duration, memory: self.memory }
    }
}

fn shorten(text: &str) -> String {
    crate::log::cut(text, LONGEST_MESSAGE).to_owned()
}

/// A provider with a grant to read secrets must not be able to put them on record.
fn receipt(call: &egress::Call, answer: Result<types::Receipt, types::Failure>) -> Result<Result<Receipt, Failure>, String> {
    match answer {
        Ok(types::Receipt { external_id: Some(id) }) if id.len() > LONGEST_EXTERNAL_ID => {
            Err(format!("the external id has {} bytes; at most {LONGEST_EXTERNAL_ID} are allowed", id.len()))
        }
        Ok(receipt) => Ok(Ok(Receipt { external_id: receipt.external_id.map(|id| call.redact(&id)) })),
        Err(failure) => Ok(Err(Failure {
            message: shorten(&call.redact(&failure.message)),
            retry: match failure.retry {
                types::Retry::Backoff => Retry::Backoff,
                types::Retry::After(milliseconds) => Retry::After { milliseconds: milliseconds.into() },
                types::Retry::Never => Retry::Never,
            },
        })),
    }
}

fn into_settings(settings: Settings, now: String) -> types::Settings {
    types::Settings { config: settings.config, connection: settings.connection, now }
}

fn into_guest(delivery: Delivery, deadline_milliseconds: u32) -> types::Delivery {
    types::Delivery {
        id: delivery.id,
        attempt: delivery.attempt,
        attempted_at: delivery.attempted_at,
        deadline_milliseconds,
        test: delivery.test,
        event: types::Event {
            id: delivery.event_id,
            event_type: delivery.event_type,
            payload: delivery.payload,
            timestamp: delivery.timestamp,
        },
        subscription: types::Subscription { id: delivery.subscription_id, name: delivery.subscription_name },
        config: delivery.config,
        connection: delivery.connection,
        entity: delivery.entity.map(|entity| types::Entity { key: entity.key, external_id: entity.external_id }),
    }
}

fn draft(manifest: guest::Manifest) -> Draft {
    use types::Capabilities as Flags;
    let has = |flag| manifest.implements.contains(flag);
    Draft {
        implements: Capabilities {
            test_connection: has(Flags::TEST_CONNECTION),
            list_options: has(Flags::LIST_OPTIONS),
            migrate_config: has(Flags::MIGRATE_CONFIG),
            reconcile: has(Flags::RECONCILE),
            idempotent: has(Flags::IDEMPOTENT),
        },
        id: manifest.id,
        version: manifest.version,
        display_name: manifest.display_name,
        description: manifest.description,
        icon: manifest.icon,
        supported_events: manifest.supported_events,
        config: (manifest.config.version, manifest.config.schema),
        connection: manifest.connection.map(|connection| (connection.version, connection.schema)),
        hosts: manifest.hosts,
        documentation: Documentation {
            setup_guide: manifest.documentation.setup_guide,
            example_payload: manifest.documentation.example_payload,
            headers: manifest
                .documentation
                .headers
                .into_iter()
                .map(|header| DocumentedHeader { name: header.name, description: header.description })
                .collect(),
            link: manifest.documentation.link,
        },
        rate: manifest.rate.map(|rate| RateHint { calls: rate.calls, per_milliseconds: rate.per_milliseconds }),
    }
}
