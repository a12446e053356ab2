//! What goes into the store's operations and comes out of them.

use crate::{AuditEntry, Idempotency};
use postern_core::delivery::{Class, Reason, Route, Run, State, Status, Step};
use postern_core::{DeliveryId, Event, EventId, EventTypeId, ProviderId, SubscriptionId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An event and where it goes.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The event.
    pub event: Arc<Event>,
    /// One for each delivery; may be empty.
    pub routes: Vec<Route>,
    /// Makes a repetition known; none: each is an event of its own.
    pub idempotency: Option<Idempotency>,
}

/// Identifies a claim. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimId(pub u64);

/// A delivery that is to be attempted now.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The claim.
    pub claim: ClaimId,
    /// The delivery.
    pub id: DeliveryId,
    /// Its event.
    pub event: Arc<Event>,
    /// Where it goes.
    pub route: Route,
    /// How many attempts were made before.
    pub attempts: u32,
    /// Its state: pending or retrying.
    pub state: State,
    /// The run that it is in.
    pub run: Run,
    /// What the external system calls the entity: of the first success about it that said so, for this subscription.
    /// None if that was longer than [`LONGEST_EXTERNAL_ID`](crate::LONGEST_EXTERNAL_ID), or nothing succeeded about it for as long as failures are kept.
    pub external_id: Option<String>,
    /// Whether an attempt may have been made that was not recorded: it waited in this store when it was opened.
    pub recovered: bool,
}

/// What became of a claimed delivery.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The claim that is given up.
    pub claim: ClaimId,
    /// The delivery.
    pub id: DeliveryId,
    /// Where it goes, as in its claim.
    pub route: Route,
    /// What is added to its history.
    pub step: Step,
    /// Whether the entity is held if the step is a final failure: what follows waits until this delivery succeeds in
    /// another run, fails in one without this, or is cancelled. Without an entity it means nothing.
    pub hold: bool,
}

/// What is stored in one transaction with something else.
#[derive(Debug, Default)]
pub struct Beside {
    /// Changes of objects.
    pub changes: Vec<Change>,
    /// Who did it.
    pub entries: Vec<AuditEntry>,
    /// What the host announces of it.
    pub events: Vec<NewEvent>,
}

/// Makes what is stored beside the beginning of runs, once it is known which deliveries begin.
pub type BesideRuns = Box<dyn FnOnce(&[DeliveryId]) -> Beside + Send>;

/// How much is not final.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Deliveries that are not final, claimed ones and those behind others included.
    pub unfinished: usize,
    /// Those of them that are claimed.
    pub claimed: usize,
    /// Those of them that wait behind another delivery about the same entity.
    pub behind: usize,
    /// Since when the oldest has been due that is neither claimed nor behind another, for a subscription that has been
    /// named by [`Store::ready`](crate::Store::ready) or will be; a moment in the future if nothing is due yet.
    pub oldest_due: Option<Timestamp>,
}

/// What became of a wish to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It is given up.
    Done,
    /// It had failed before; its entity is not held any more.
    Released,
    /// It is being attempted at this moment.
    InFlight,
    /// It was final before, and held nothing.
    Final,
    /// There is none of this id.
    Unknown,
}

/// Which final deliveries; an empty filter names all.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each field is the property of a delivery that it must equal")]
pub struct FailureFilter {
    pub tenant: Option<TenantId>,
    pub subscription: Option<SubscriptionId>,
    pub provider: Option<ProviderId>,
    pub event_type: Option<EventTypeId>,
    pub entity: Option<String>,
    /// Only of failed ones.
    pub class: Option<Class>,
    /// Not those that failed for this reason.
    pub without: Option<Class>,
    /// The HTTP status of the last answer; only of failed ones.
    pub http_status: Option<u16>,
    /// Its event was accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Its event was accepted before this time.
    pub until: Option<Timestamp>,
}

/// Failed deliveries that have their cause in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureGroup {
    /// Whose they are.
    pub tenant: TenantId,
    /// Where they were to go.
    pub subscription: SubscriptionId,
    /// Who was to deliver them.
    pub provider: ProviderId,
    /// Why they failed.
    pub reason: Option<Reason>,
    /// How many they are.
    pub count: usize,
    /// When the first of them failed.
    pub first: Timestamp,
    /// When the last of them failed.
    pub last: Timestamp,
    /// The one that failed last.
    pub latest: DeliveryId,
}

/// What [`Store::failures`](crate::Store::failures) counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Most first.
    pub groups: Vec<FailureGroup>,
    /// Whether older ones were not counted.
    pub cut: bool,
}

/// What [`Store::final_deliveries`](crate::Store::final_deliveries) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinalDeliveries {
    /// Oldest event first.
    pub deliveries: Vec<DeliveryId>,
    /// How far it looked; hand it to the next call. None: there are no more.
    pub after: Option<DeliveryId>,
}

/// Which deliveries to list; an empty filter lists all.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each field is the property of a delivery that it must equal")]
pub struct DeliveryFilter {
    pub tenant: Option<TenantId>,
    pub subscription: Option<SubscriptionId>,
    pub provider: Option<ProviderId>,
    pub event: Option<EventId>,
    pub event_type: Option<EventTypeId>,
    pub status: Option<Status>,
    /// The key of what the event is about.
    pub entity: Option<String>,
    /// Accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
}

/// Which events to list; an empty filter lists all.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each field is the property of an event that it must equal")]
pub struct EventFilter {
    pub tenant: Option<TenantId>,
    pub event_type: Option<EventTypeId>,
    /// Accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
}

/// Which deliveries to count.
#[derive(Clone, Debug)]
pub struct StatsFilter {
    /// Of events that were accepted at this time or later.
    pub since: Timestamp,
    /// Of this tenant; none: of all.
    pub tenant: Option<TenantId>,
}

/// Which audit records to list; an empty filter lists all.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of what belongs to this tenant.
    pub tenant: Option<TenantId>,
    /// Of whom: the name, or the token's id.
    pub actor: Option<String>,
    /// Of this object: its id.
    pub object: Option<String>,
    /// Done at this time or later.
    pub since: Option<Timestamp>,
    /// Done before this time.
    pub until: Option<Timestamp>,
}

/// Which part of a listing.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// At most so many, at least 1.
    pub limit: usize,
    /// Where the page before ended: its [`Page::next`].
    pub after: Option<String>,
}

/// A part of a listing.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The objects.
    pub items: Vec<T>,
    /// Hand this to the next call; none at the end.
    pub next: Option<String>,
}

/// How long events are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Events accepted before this go, if all their deliveries succeeded (or there are none).
    pub before: Timestamp,
    /// Events accepted before this go, if one of their deliveries failed.
    pub failed_before: Timestamp,
}

/// What a purge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// How many events are gone.
    pub events: usize,
    /// How many deliveries are gone.
    pub deliveries: usize,
    /// Whether the budget ended before the work.
    pub more: bool,
}

/// What has come to its age.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    /// Idempotency keys that expired before this moment may go: the present.
    pub now: Timestamp,
    /// Audit records of before this go.
    pub audit_before: Timestamp,
}

/// What [`Store::purge_expired`](crate::Store::purge_expired) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PurgedExpired {
    /// How many idempotency keys are gone.
    pub idempotency_keys: usize,
    /// How many audit records are gone.
    pub audit_entries: usize,
    /// Whether the budget ended before the work.
    pub more: bool,
}

/// The kinds of objects that administrators define.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "named as in the vocabulary")]
pub enum Kind {
    EventType,
    Subscription,
    Connection,
    Provider,
    Token,
    /// What the host itself remembers.
    Setting,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Self; 6] =
        [Self::EventType, Self::Subscription, Self::Connection, Self::Provider, Self::Token, Self::Setting];
}

/// An object that an administrator defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its id, at most 512 bytes.
    pub id: String,
    /// 1 when it was made, one more with each change.
    pub revision: u64,
    /// JSON.
    pub body: String,
}

/// A change of an object.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// What must be stored now for the change to happen.
    pub expect: Expect,
    /// JSON to store; none removes the object.
    pub body: Option<String>,
}

/// What must be stored for a [`Change`] to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything or nothing.
    Anything,
    /// Nothing.
    Absent,
    /// Something.
    Present,
    /// This revision.
    Revision(u64),
}
