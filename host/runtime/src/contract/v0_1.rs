//! Version 0.1 of the contract: between its records and the host's types.

use super::{Delivery, Failure, OptionItem, OptionsRequest, Receipt, Settings, SettingsKind};
use crate::Component;
use crate::call::{CallError, NotInstantiated, Report, State, place};
use crate::limits::Limits;
use bindings::exports::postern::provider::provider as guest;
use bindings::postern::provider::{http, log, secrets, types};
use postern_core::delivery::{Level, LogLine, Retry};
use postern_core::manifest::{Capabilities, Documentation, DocumentedHeader, Draft, RateHint};
use postern_egress as egress;
use std::sync::Arc;
use wasmtime::component::{ComponentExportIndex, InstancePre};
use wasmtime::error::Context as _;

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
pub(crate) struct Pre {
    whole: bindings::IntegrationProviderPre<State>,
    deliver: ComponentExportIndex,
}

/// The parameters and the result of `deliver`.
type Delivering<'a> = (&'a types::Delivery,);
type Delivered = (Result<types::Receipt, types::Failure>,);

impl Pre {
    /// # Errors
    /// It lacks an export.
    pub(crate) fn new(linked: InstancePre<State>) -> wasmtime::Result<Self> {
        let whole = bindings::IntegrationProviderPre::new(linked)?;
        let component = whole.instance_pre().component();
        let provider = component.get_export_index(None, "postern:provider/provider@0.1.0");
        let deliver = component.get_export_index(provider.as_ref(), "deliver").context("it exports no `deliver`")?;
        Ok(Self { whole, deliver })
    }
}

/// The most bytes of an external id, as the contract and the store have it.
const LONGEST_EXTERNAL_ID: usize = 256;
/// The bytes of memory that a component may use at least to say what it is.
const DESCRIBING_BYTES: usize = 256 << 20;

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
                    let instance = pre.whole.instantiate_async(&mut *store).await;
                    let instance = instance.map_err(|error| error.context(NotInstantiated))?;
                    instance.postern_provider_provider().$export(&mut *store $(, $argument)*).await
                })
            })
            .await
    };
}

impl Component {
    /// Asks the provider what it is. It can make no request meanwhile, and may use more memory than a delivery, so that one
    /// that needs a grant of more can say who it is.
    pub async fn describe(&self) -> Report<Draft> {
        let _place = self.runtime.aside().await;
        let memory_bytes = self.limits.memory_bytes.max(DESCRIBING_BYTES);
        let roomy = self.bounded(Limits { memory_bytes, ..(*self.limits).clone() });
        call!(roomy, None, call_describe).map(|manifest, _| Ok(draft(manifest)))
    }

    /// Delivers one event.
    pub async fn deliver(&self, call: Arc<egress::Call>, delivery: Delivery) -> Report<Result<Receipt, Failure>> {
        let deadline = u32::try_from(self.limits.call_milliseconds).unwrap_or(u32::MAX);
        let delivery = into_guest(delivery, deadline);
        let tell = Teller { call: &call, limits: &self.limits };
        let report = self.run(Some(call.clone()), move |store, pre| {
            Box::pin(async move {
                let instance = pre.whole.instance_pre().instantiate_async(&mut *store).await;
                let instance = instance.map_err(|error| error.context(NotInstantiated))?;
                // The types of all exports were compared when it was described; here that would be up to a sixth of the call.
                let deliver = instance.get_typed_func::<Delivering, Delivered>(&mut *store, &pre.deliver)?;
                let (answer,) = deliver.call_async(&mut *store, (&delivery,)).await?;
                Ok(answer)
            })
        });
        let report = report.await;
        report.map(|answer, log| tell.receipt(answer, log))
    }

    /// Looks for the effect of an earlier attempt.
    pub async fn reconcile(&self, call: Arc<egress::Call>, delivery: Delivery) -> Report<Result<Option<Receipt>, Failure>> {
        let deadline = u32::try_from(self.limits.call_milliseconds).unwrap_or(u32::MAX);
        let delivery = into_guest(delivery, deadline);
        let tell = Teller { call: &call, limits: &self.limits };
        call!(self, Some(call.clone()), call_reconcile, &delivery).map(|answer, log| match answer {
            Ok(None) => Ok(Ok(None)),
            Ok(Some(found)) => tell.receipt(Ok(found), log).map(|result| result.map(Some)),
            Err(failure) => tell.receipt(Err(failure), log).map(|result| result.map(|_| None)),
        })
    }

    /// Tries settings out.
    pub async fn test_connection(
        &self,
        call: Arc<egress::Call>,
        settings: Settings,
        now: String,
    ) -> Report<Result<String, String>> {
        let _place = self.runtime.aside().await;
        let settings = into_settings(settings, now);
        let tell = Teller { call: &call, limits: &self.limits };
        call!(self, Some(call.clone()), call_test_connection, &settings).map(|answer, log| {
            Ok(match answer {
                Ok(message) => Ok(tell.message(&message, log)),
                Err(failure) => Err(tell.message(&failure.message, log)),
            })
        })
    }

    /// The entries of a drop-down.
    pub async fn list_options(
        &self,
        call: Arc<egress::Call>,
        request: OptionsRequest,
        now: String,
    ) -> Report<Result<Vec<OptionItem>, String>> {
        let _place = self.runtime.aside().await;
        let request =
            types::OptionsRequest { name: request.name, settings: into_settings(request.settings, now), query: request.query };
        let tell = Teller { call: &call, limits: &self.limits };
        call!(self, Some(call.clone()), call_list_options, &request).map(|answer, log| match answer {
            Ok(items) => tell.options(items).map(Ok),
            Err(failure) => Ok(Err(tell.message(&failure.message, log))),
        })
    }

    /// Brings older settings to the present version of their schema. It can make no request meanwhile.
    pub async fn migrate_config(&self, kind: SettingsKind, from_version: u32, value: String) -> Report<Result<String, String>> {
        let _place = self.runtime.aside().await;
        let kind = match kind {
            SettingsKind::Config => types::SettingsKind::Config,
            SettingsKind::Connection => types::SettingsKind::Connection,
        };
        let limits = &self.limits;
        call!(self, None, call_migrate_config, kind, from_version, &value)
            .map(|answer, log| Ok(answer.map_err(|failure| shorten(&failure.message, limits, log))))
    }
}

impl<T> Report<T> {
    /// Judges the answer, perhaps with a note for the log; what breaks the contract becomes an error.
    fn map<U>(mut self, judge: impl FnOnce(T, &mut Vec<LogLine>) -> Result<U, String>) -> Report<U> {
        let log = &mut self.log;
        let result = self.result.and_then(|answer| judge(answer, log).map_err(CallError::Contract));
        Report { result, exchanges: self.exchanges, log: self.log, duration: self.duration, memory: self.memory }
    }
}

fn shorten(message: &str, limits: &Limits, log: &mut Vec<LogLine>) -> String {
    let kept = crate::log::cut(message, limits.message_bytes);
    if kept.len() < message.len() {
        let message = format!("the answer's message of {} bytes was cut ({})", message.len(), place("message-bytes"));
        log.push(LogLine { level: Level::Warn, message });
    }
    kept.to_owned()
}

/// What is told of a provider's answers: within bounds, and without secrets, since a provider with a grant to read them must
/// not be able to put them on record.
struct Teller<'a> {
    call: &'a egress::Call,
    limits: &'a Limits,
}

impl Teller<'_> {
    fn message(&self, message: &str, log: &mut Vec<LogLine>) -> String {
        shorten(&self.call.redact(message), self.limits, log)
    }

    fn receipt(
        &self,
        answer: Result<types::Receipt, types::Failure>,
        log: &mut Vec<LogLine>,
    ) -> Result<Result<Receipt, Failure>, String> {
        match answer {
            Ok(types::Receipt { external_id: Some(id) }) if id.len() > LONGEST_EXTERNAL_ID => {
                Err(format!("the external id has {} bytes; the contract allows at most {LONGEST_EXTERNAL_ID}", id.len()))
            }
            Ok(receipt) => Ok(Ok(Receipt { external_id: receipt.external_id.map(|id| self.call.redact(&id)) })),
            Err(failure) => Ok(Err(Failure {
                message: self.message(&failure.message, log),
                retry: failure.retry.map(|retry| match retry {
                    types::Retry::Backoff => Retry::Backoff,
                    types::Retry::After(milliseconds) => Retry::After { milliseconds: milliseconds.into() },
                    types::Retry::Never => Retry::Never,
                }),
            })),
        }
    }

    fn options(&self, items: Vec<types::OptionItem>) -> Result<Vec<OptionItem>, String> {
        let Limits { options, option_bytes, .. } = *self.limits;
        if items.len() > options {
            return Err(format!("{} options; at most {options} are allowed ({})", items.len(), place("options")));
        }
        let tell = |text: String| match text.len() {
            long if long > option_bytes => Err(format!(
                "a text of an option has {long} bytes; at most {option_bytes} are allowed ({})",
                place("option-bytes")
            )),
            _ => Ok(self.call.redact(&text)),
        };
        let item = |item: types::OptionItem| {
            let description = item.description.map(tell).transpose()?;
            Ok(OptionItem { value: tell(item.value)?, label: tell(item.label)?, description })
        };
        items.into_iter().map(item).collect()
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
