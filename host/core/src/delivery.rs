//! Deliveries: one event for one subscription, and all that was tried for it.

use crate::id::{DeliveryId, EventTypeId, ProviderId, SubscriptionId, TenantId};
use crate::time::Timestamp;
use crate::timings::Timings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Where a delivery goes, fixed when its event was routed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Whose it is.
    pub subscription: SubscriptionId,
    /// Who delivers it.
    pub provider: ProviderId,
    /// The key of the thing that the event is about, if the subscription names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// Whether an administrator asked for this delivery to try the subscription out; it is attempted once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// Why it cannot be delivered, if that was known when it was routed: its subscription's filter failed, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Route {
    /// An ordinary route, about no entity.
    pub fn new(subscription: SubscriptionId, provider: ProviderId) -> Self {
        Self { subscription, provider, entity: None, test: false, problem: None }
    }
}

/// How far a delivery is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "status")]
#[schemars(rename = "DeliveryState")]
pub enum State {
    /// Waiting for its first attempt.
    Pending,
    /// An attempt failed and another follows.
    #[serde(rename_all = "camelCase")]
    Retrying {
        /// When.
        next_attempt_at: Timestamp,
        /// Why the last attempt failed.
        error: String,
        /// The same for programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
    },
    /// Delivered.
    #[serde(rename_all = "camelCase")]
    Success {
        /// What the external system calls it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        external_id: Option<String>,
    },
    /// Given up.
    Failed {
        /// Why.
        error: String,
        /// The same for programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
    },
}

/// Why a delivery failed, in few enough words that failures can be grouped by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The kind of failure.
    pub class: Class,
    /// The HTTP status that the target answered with last, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// A kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The target answered with a status that is no success.
    Http,
    /// The target did not answer in time.
    Timeout,
    /// The target's name has no address.
    Dns,
    /// There was no connection, or it broke.
    Connection,
    /// The target's certificate or the TLS handshake.
    Tls,
    /// The broker refused the request.
    Denied,
    /// The provider said so, for another reason.
    Provider,
    /// The provider trapped.
    Trap,
    /// The attempt took too long.
    Deadline,
    /// The provider used more than it may.
    Limit,
    /// The provider broke the contract.
    Contract,
    /// The settings do not fit, or the event does not fit what the subscription says of it.
    Config,
    /// The provider is not loaded.
    Unavailable,
    /// The subscription was disabled or deleted.
    Withdrawn,
    /// Somebody cancelled it.
    Cancelled,
}

impl Class {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::Denied => "denied",
            Self::Provider => "provider",
            Self::Trap => "trap",
            Self::Deadline => "deadline",
            Self::Limit => "limit",
            Self::Contract => "contract",
            Self::Config => "config",
            Self::Unavailable => "unavailable",
            Self::Withdrawn => "withdrawn",
            Self::Cancelled => "cancelled",
        }
    }
}

impl From<Class> for Reason {
    fn from(class: Class) -> Self {
        Self { class, status: None }
    }
}

/// A series of attempts. The first begins with the event; a retry by hand and a replay begin another, whose attempts are
/// added to those of the runs before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// From 1.
    pub number: u32,
    /// When it began; none: when the event was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// How many retries of the policy it used up. An attempt that the target's rate limit refused uses none.
    pub retries: u32,
    /// Whether an attempt of this run, or of one before, may have had an effect that is not known; a provider that can is
    /// asked for it (`reconcile`) before it delivers again. A new run begins with what the run before left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ambiguous: bool,
}

impl Default for Run {
    fn default() -> Self {
        Self { number: 1, started_at: None, retries: 0, ambiguous: false }
    }
}

impl State {
    /// Its name in the API.
    pub fn status(&self) -> Status {
        match self {
            Self::Pending => Status::Pending,
            Self::Retrying { .. } => Status::Retrying,
            Self::Success { .. } => Status::Success,
            Self::Failed { .. } => Status::Failed,
        }
    }

    /// Whether nothing more will be tried.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Success { .. } | Self::Failed { .. })
    }
}

/// The name of a [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "DeliveryStatus")]
pub enum Status {
    /// See [`State::Pending`].
    Pending,
    /// See [`State::Retrying`].
    Retrying,
    /// See [`State::Success`].
    Success,
    /// See [`State::Failed`].
    Failed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Success => "success",
            Self::Failed => "failed",
        })
    }
}

/// A delivery as it stands now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The event and the place in its fan-out.
    pub id: DeliveryId,
    /// The event type's id.
    pub event_type: EventTypeId,
    /// The tenant.
    pub tenant: TenantId,
    /// Where it goes.
    #[serde(flatten)]
    pub route: Route,
    /// How many attempts were made.
    pub attempts: u32,
    /// How far it is.
    #[serde(flatten)]
    pub state: State,
    /// When its event was accepted.
    pub created_at: Timestamp,
    /// When its state last changed.
    pub updated_at: Timestamp,
}

/// One change of a delivery's state, as it is stored: history is only ever added to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What the delivery became.
    pub state: State,
    /// How many attempts have been made, this one included.
    pub attempts: u32,
    /// When it changed.
    pub at: Timestamp,
    /// The attempt that changed it; none if it changed for another reason, which the state's error then tells. Shared, since
    /// it may hold megabytes of exchanges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Arc<Attempt>>,
    /// The run that it belongs to.
    #[serde(default)]
    pub run: Run,
}

/// One call of a provider's `deliver`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in microseconds, the provider's waiting for answers included.
    pub duration_micros: u64,
    /// The version of the provider that was called, and the SHA-256 of its component in hex. None: none could be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderBuild>,
    /// Whether the provider was only asked for the effect of an earlier attempt (`reconcile`), and nothing was sent anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reconciled: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// The requests that it made, in order.
    #[serde(default)]
    pub exchanges: Vec<Exchange>,
    /// What the provider wrote to its log.
    #[serde(default)]
    pub log: Vec<LogLine>,
}

/// Which build of a provider was called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProviderBuild {
    /// As its manifest says.
    pub version: String,
    /// SHA-256 of the component as it was added, in hex.
    pub digest: String,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "result")]
#[schemars(rename = "AttemptOutcome")]
pub enum Outcome {
    /// The provider answered with a receipt.
    #[serde(rename_all = "camelCase")]
    Success {
        /// What the external system calls it, at most 256 bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        external_id: Option<String>,
    },
    /// It did not succeed.
    #[serde(rename_all = "camelCase")]
    Failure {
        /// Whose doing it was.
        cause: Cause,
        /// What happened, for people.
        message: String,
        /// What is to be done about it.
        retry: Retry,
        /// Whether a request was sent whose answer is not known, so that it may have had its effect.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        ambiguous: bool,
    },
}

/// Whose doing a failure was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FailureCause")]
pub enum Cause {
    /// The provider answered with a failure.
    Provider,
    /// The provider trapped: it panicked, or did what the sandbox forbids.
    Trap,
    /// It took longer than the attempt may.
    Deadline,
    /// It used more memory, computing or calls than it may.
    Limit,
    /// Its answer broke the contract.
    Contract,
    /// The settings do not fit the provider, or a template cannot be rendered.
    Config,
    /// The provider is not loaded.
    Unavailable,
}

/// What is to be done after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "kind")]
#[schemars(rename = "RetryDecision")]
pub enum Retry {
    /// Try again when the policy says.
    Backoff,
    /// Try again after this time.
    #[serde(rename_all = "camelCase")]
    After {
        /// In milliseconds.
        milliseconds: u64,
    },
    /// Do not try again.
    Never,
}

/// One HTTP request that a provider made through the broker, and what became of it. Secrets are already taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// `POST`.
    pub method: String,
    /// With secrets masked.
    pub url: String,
    /// As they were sent, with secrets masked.
    pub request_headers: Vec<(String, String)>,
    /// The body, cut and masked; none if it was empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_body: Option<Body>,
    /// When it began.
    pub started_at: Timestamp,
    /// Until its end, in microseconds.
    pub duration_micros: u64,
    /// The address that was connected to, as `192.0.2.1:443`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The version of HTTP that was spoken: `HTTP/1.1`, `HTTP/2.0`. None: there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_version: Option<String>,
    /// Where the time went.
    #[serde(default, skip_serializing_if = "Timings::is_empty")]
    pub timings: Timings,
    /// What became of it.
    #[serde(flatten)]
    pub result: ExchangeResult,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "decision")]
pub enum ExchangeResult {
    /// The broker refused it; nothing left the machine.
    Denied {
        /// Which rule: `grant`, `address`, `scheme`, `header`, …
        code: String,
        /// What was denied and why, and the line that would allow it.
        message: String,
    },
    /// It was allowed, and no answer came.
    Failed {
        /// The error's kind, as the contract names it: `timeout`, `dns`, …
        kind: String,
        /// What happened.
        message: String,
        /// Whether any byte may have reached the target.
        sent: bool,
    },
    /// It was allowed and answered.
    #[serde(rename_all = "camelCase")]
    Answered {
        /// `200`.
        status: u16,
        /// With secrets masked.
        response_headers: Vec<(String, String)>,
        /// The body, cut and masked; none if it was empty.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        response_body: Option<Body>,
    },
}

/// The beginning of a body, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RecordedBody")]
pub struct Body {
    /// At most as many bytes as the exchange record may hold; what is no UTF-8 is shown as replacement characters.
    pub text: String,
    /// The whole body's size in bytes.
    pub size: u64,
}

/// A line that a provider wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// How important it is.
    pub level: Level,
    /// At most 4 KiB.
    pub message: String,
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "LogLevel")]
pub enum Level {
    /// For the provider's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}
