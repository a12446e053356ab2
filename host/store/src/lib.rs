//! Everything that must survive: events, deliveries, the objects that administrators define, and their secrets.
//!
//! [`Store`] is the promise. Its operations are whole transactions; none is a bare get or put, so that an embedded
//! engine and a database server can both keep it in their own way. The embedded implementation ([`Embedded`]) runs on
//! sled or redb behind a private key-value trait.
//!
//! Invariants:
//! - What an operation answered with `Ok` is on the disk: it survives a crash of the process and a loss of power.
//! - History is only added to. A delivery's state is its last [`Step`].
//! - A delivery is claimed by one worker at a time; a claim that was lost cannot finish anything.
//! - Secrets are ciphertext ([`vault`]).
//! - After a failed write nothing is written any more ([`Store::broken`]).
//!
//! | module | what it holds |
//! |---|---|
//! | `embedded` | [`Embedded`]: the committer, its decisions, the opening, the operations |
//! | `due` | the queue in memory: what is due when, who holds it |
//! | `idempotency` | emissions that come twice |
//! | `audit` | who changed what |
//! | `stats` | counts for an overview |
//! | [`transfer`], [`check`](mod@check) | moving a store as JSON lines; verifying one |
//! | `cache` | newly accepted events, until they are claimed |
//! | `read`, `list`, `cursor` | single reads, listings, where a page ended |
//! | `purge` | what may go |
//! | `key`, `record`, `codec` | the layout: keys, rows with checksums, what is in them |
//! | `describe` | what a key is about, in words |
//! | `kv` | the seam to the engines, and the two behind it |
//! | `directory`, `disk` | the data directory's lock and engine; files that survive a loss of power |
//! | [`vault`] | the encryption of secrets |

mod audit;
mod cache;
pub mod check;
mod codec;
mod cursor;
mod describe;
mod directory;
mod disk;
mod due;
mod embedded;
mod idempotency;
mod key;
mod kv;
mod list;
mod purge;
mod read;
mod record;
mod stats;
pub mod transfer;
pub mod vault;

pub use audit::{AuditEntry, LONGEST as LONGEST_AUDIT_ENTRY};
pub use embedded::{Embedded, Engine, Figures, Options, UnknownEngine};
pub use idempotency::{Idempotency, Ingested, LONGEST as LONGEST_IDEMPOTENCY};
pub use stats::{Counts, Stats};

use async_trait::async_trait;
use postern_core::delivery::{Delivery, Route, State, Status, Step};
use postern_core::{DeliveryId, Event, EventId, EventTypeId, ProviderId, SubscriptionId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// The longest id of a document, in bytes.
const LONGEST_ID: usize = 512;

/// What the embedded and the server-based stores promise.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Makes an event and its deliveries durable, all or nothing. Delivery `n` takes `routes[n]`. If an event with the
    /// same idempotency key was ingested before and is not forgotten yet, nothing is stored, and the first one's answer
    /// is given once more, as soon as that one is durable.
    ///
    /// # Errors
    /// [`Error::Full`] when the disk is; neither the event nor its key is then stored. [`Error::TooLarge`] for more than
    /// 65,535 routes, or a key that is to be known for more than [`LONGEST_IDEMPOTENCY`].
    async fn ingest(&self, event: NewEvent) -> Result<Ingested, Error>;

    /// Takes up to `max` deliveries that are due at `now`, oldest due first. Nobody else gets them until they are
    /// finished or released, or this process is gone.
    async fn claim(&self, now: Timestamp, max: usize) -> Result<Vec<Claim>, Error>;

    /// Records what became of claimed deliveries, all or nothing, and gives up their claims. A step whose state is
    /// not final makes the delivery due again at its time.
    ///
    /// # Errors
    /// [`Error::LostClaim`] when one of the claims is not held any more; nothing is recorded then.
    async fn finish(&self, steps: Vec<Finish>) -> Result<(), Error>;

    /// Gives claims back unused: their deliveries are due again as they were.
    async fn release(&self, claims: Vec<ClaimId>) -> Result<(), Error>;

    /// When the next unclaimed delivery is due; none if nothing waits. Cheap. What was never attempted is due at once,
    /// whatever the clock shows: the answer is then a moment long past.
    fn next_due(&self) -> Option<Timestamp>;

    /// Waits until something may have become due earlier than [`next_due`](Self::next_due) said before. A change that
    /// came while nobody waited ends the next wait at once. It is meant for one waiter: each change wakes one.
    async fn due_changed(&self);

    /// How many deliveries are not final, claimed ones included.
    fn unfinished(&self) -> usize;

    /// An event with all its deliveries.
    async fn event(&self, id: EventId) -> Result<Option<(Arc<Event>, Vec<Delivery>)>, Error>;

    /// Events with their deliveries, newest first.
    async fn list_events(&self, filter: EventFilter, page: PageRequest) -> Result<Page<(Arc<Event>, Vec<Delivery>)>, Error>;

    /// A delivery and its history, oldest step first.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<(Delivery, Vec<Step>)>, Error>;

    /// Deliveries, newest event first. Reads on until the page is full or nothing is left.
    async fn list_deliveries(&self, filter: DeliveryFilter, page: PageRequest) -> Result<Page<Delivery>, Error>;

    /// Removes events that were accepted before `retention` says, with all that belongs to them, unless one of their
    /// deliveries is not final. Removes at most about `budget` records; [`Purged::more`] says whether some are left.
    /// Idempotency keys that expired before both times go as well; [`purge_expired`](Self::purge_expired) removes them
    /// when they are due.
    ///
    /// # Errors
    /// [`Error::Full`] when too little space is left even to remove something.
    async fn purge(&self, retention: Retention, budget: usize) -> Result<Purged, Error>;

    /// Removes what has an age of its own: idempotency keys, at the latest one day after they expired, and audit
    /// records. Removes at most about `budget` records, oldest first.
    ///
    /// # Errors
    /// As [`purge`](Self::purge).
    async fn purge_expired(&self, expiry: Expiry, budget: usize) -> Result<PurgedExpired, Error>;

    /// Counts the deliveries of the events that the filter names, by status, event type and provider. The cost grows with
    /// all that were accepted in its time, whosever they are: a row read for each event and for each step of a delivery. It
    /// ends at 1,000,000 events and deliveries together, the newest: [`Stats::cut_at`] says if so. Ask for hours, not for
    /// years.
    async fn stats(&self, filter: StatsFilter) -> Result<Stats, Error>;

    /// Every object of a kind, by id.
    async fn documents(&self, kind: Kind) -> Result<Vec<Document>, Error>;

    /// One object.
    async fn document(&self, kind: Kind, id: &str) -> Result<Option<Document>, Error>;

    /// Changes objects, all or nothing. Answers with the new revision of each (0 for a removed one).
    ///
    /// # Errors
    /// [`Error::Conflict`] when an object is not as the change expects; nothing is changed then.
    async fn apply(&self, changes: Vec<Change>) -> Result<Vec<u64>, Error> {
        self.apply_audited(changes, Vec::new()).await
    }

    /// As [`apply`](Self::apply), and records who did it in the same transaction: changes and records are stored, or
    /// neither.
    ///
    /// # Errors
    /// Those of `apply`, and [`Error::TooLarge`] for a record of more than [`LONGEST_AUDIT_ENTRY`].
    async fn apply_audited(&self, changes: Vec<Change>, entries: Vec<AuditEntry>) -> Result<Vec<u64>, Error>;

    /// Records what was done without a change of an object.
    ///
    /// # Errors
    /// As [`apply_audited`](Self::apply_audited).
    async fn audit_append(&self, entry: AuditEntry) -> Result<(), Error> {
        self.apply_audited(Vec::new(), vec![entry]).await.map(drop)
    }

    /// What was done, newest first: by [`AuditEntry::at`], then in the order in which it was recorded. Reads on until the
    /// page is full or nothing is left.
    async fn list_audit(&self, filter: AuditFilter, page: PageRequest) -> Result<Page<AuditEntry>, Error>;

    /// Waits until the store can no longer be trusted, because a write to the disk failed, and says why. The process
    /// should then end: after a failed fsync nobody knows what is on the disk.
    async fn broken(&self) -> String;

    /// Finishes what was begun and closes the files. Later calls answer [`Error::Closed`].
    async fn close(&self);
}

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
}

/// What became of a claimed delivery.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The claim that is given up.
    pub claim: ClaimId,
    /// The delivery.
    pub id: DeliveryId,
    /// What is added to its history.
    pub step: Step,
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

/// What [`Store::purge_expired`] did.
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

/// Why the store could not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Another process uses the data directory.
    #[error("the data directory {0} is in use by another postern process; stop it, or name another directory with --data")]
    Locked(PathBuf),
    /// What is on the disk is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// There is no space left.
    #[error("the disk is full: {0}; nothing was stored")]
    Full(String),
    /// More than the store can hold in one record.
    #[error("too large to store: {0}")]
    TooLarge(String),
    /// The claim is not held any more.
    #[error("the claim on delivery {0} is not held any more")]
    LostClaim(DeliveryId),
    /// The object is not as the change expects.
    #[error("{id} was changed meanwhile: revision {expected} was expected, {found} is stored")]
    Conflict {
        /// The object's id.
        id: String,
        /// What the change expected: a revision, `nothing` or `something`.
        expected: String,
        /// What is stored: a revision or `nothing`.
        found: String,
    },
    /// The cursor was not made by this store.
    #[error("the cursor is not one that a listing returned")]
    BadCursor,
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// The disk or the engine failed.
    #[error("the store failed: {0}")]
    Failed(String),
}
