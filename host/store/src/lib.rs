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
//! | `model` | what goes into the store's operations and comes out of them |
//! | `due` | the queue in memory: what is due when, in which order, who has claimed it |
//! | `entity`, `external`, `failure` | what is kept of entities, of their external ids, and of what failed |
//! | `idempotency` | emissions that come twice |
//! | `outcome` | final deliveries that a filter names |
//! | `audit` | who changed what |
//! | `stats` | counts for an overview |
//! | [`transfer`], [`check`](mod@check) | moving a store as JSON lines; verifying one |
//! | `cache` | newly accepted events, until they are claimed |
//! | `read`, `list`, `cursor` | single reads, listings, where a page ended |
//! | `purge` | what may go |
//! | `key`, `record`, `codec` | the layout: keys, rows with checksums, what is in them |
//! | `describe` | what a key is about, in words |
//! | `kv` | the seam to the engines, the two behind it, and what notices that one of them lost something |
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
mod entity;
mod external;
mod failure;
mod idempotency;
mod key;
mod kv;
mod list;
mod model;
mod outcome;
mod purge;
mod read;
mod record;
mod stats;
pub mod transfer;
pub mod vault;

pub use audit::{AuditEntry, LONGEST as LONGEST_AUDIT_ENTRY};
pub use embedded::{Embedded, Engine, Figures, Options, UnknownEngine};
pub use idempotency::{Idempotency, Ingested, LONGEST as LONGEST_IDEMPOTENCY};
pub use model::{
    AuditFilter, Backlog, Beside, BesideRuns, Cancelled, Change, Claim, ClaimId, DeliveryFilter, Document, EventFilter, Expect,
    Expiry, FailureFilter, FailureGroup, Failures, FinalDeliveries, Finish, Kind, NewEvent, Page, PageRequest, Purged,
    PurgedExpired, Retention, StatsFilter,
};
pub use stats::{Counts, Stats};

use async_trait::async_trait;
use postern_core::delivery::{Delivery, Status, Step};
use postern_core::{DeliveryId, Event, EventId, SubscriptionId, Timestamp};
use std::path::PathBuf;
use std::sync::Arc;

/// The longest id of a document, in bytes.
const LONGEST_ID: usize = 512;

/// The longest external id that is kept for an entity, in bytes; the contract allows no longer ones.
pub const LONGEST_EXTERNAL_ID: usize = 256;

/// So many deliveries are begun again in one call.
pub const MOST_REOPENED: usize = 1000;

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

    /// The subscriptions that have something due at `now` and were not named since a claim last found too little for
    /// them. Whoever schedules keeps them until then. Cheap.
    fn ready(&self, now: Timestamp) -> Vec<SubscriptionId>;

    /// Takes due deliveries: of each subscription up to the number beside it, oldest due first. Nobody else gets them
    /// until they are finished or released, or this process is gone. A subscription of which there were fewer has
    /// nothing more that is due, or something that is damaged was left out and logged; [`ready`](Self::ready) names it
    /// again when it has more.
    ///
    /// Of the deliveries of one subscription about one entity only the oldest, by id, that is not final can be claimed,
    /// and while the entity is held ([`Finish::hold`]) only the one that holds it, if it is in another run. Never are two
    /// of them claimed: an older one that begins again waits for a newer one that is.
    async fn claim(&self, now: Timestamp, wanted: Vec<(SubscriptionId, usize)>) -> Result<Vec<Claim>, Error>;

    /// Records what became of claimed deliveries, all or nothing, and gives up their claims. A step whose state is
    /// not final makes the delivery due again at its time.
    ///
    /// # Errors
    /// [`Error::LostClaim`] when one of the claims is not held any more; nothing is recorded then.
    async fn finish(&self, steps: &[Finish]) -> Result<(), Error> {
        self.finish_beside(steps, Vec::new()).await
    }

    /// As [`finish`](Self::finish), and makes events of the host's own durable in the same transaction. Those that
    /// [`ingest`](Self::ingest) would refuse, on a full disk say, are left out and logged: outcomes are worth more.
    ///
    /// # Errors
    /// Those of `finish`.
    async fn finish_beside(&self, steps: &[Finish], events: Vec<NewEvent>) -> Result<(), Error>;

    /// Gives claims back unused: their deliveries are due again as they were.
    async fn release(&self, claims: Vec<ClaimId>) -> Result<(), Error>;

    /// When [`ready`](Self::ready) will name a subscription that it does not name yet; none if nothing waits. Cheap.
    /// What was never attempted is due at once, whatever the clock shows: the answer is then a moment long past.
    fn next_due(&self) -> Option<Timestamp>;

    /// Waits until something may have become due earlier than [`next_due`](Self::next_due) said before. A change that
    /// came while nobody waited ends the next wait at once. It is meant for one waiter: each change wakes one.
    async fn due_changed(&self);

    /// How much is not final. Cheap.
    fn backlog(&self) -> Backlog;

    /// The unfinished or holding delivery that this one waits behind, because both are about the same entity.
    fn waits_for(&self, subscription: SubscriptionId, entity: &str, delivery: DeliveryId) -> Option<DeliveryId>;

    /// Begins another run of final deliveries at `at`: each becomes pending and is due at once, its attempts go on, and a
    /// hold of its entity stays. Those that are not final, do not exist, changed at `unless_since` or later, are damaged
    /// or have no room for two more steps (65,535 are possible) are left as they are. Answers with those that began, in
    /// the order of their ids.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more than [`MOST_REOPENED`]. [`Error::Full`] when the disk is.
    async fn reopen(
        &self,
        deliveries: Vec<DeliveryId>,
        at: Timestamp,
        unless_since: Option<Timestamp>,
    ) -> Result<Vec<DeliveryId>, Error> {
        self.reopen_beside(deliveries, at, unless_since, Box::new(|_| Beside::default())).await
    }

    /// As [`reopen`](Self::reopen), and stores in the same transaction what `beside` makes of the deliveries that began;
    /// also if none did.
    ///
    /// # Errors
    /// Those of `reopen` and of [`apply_audited`](Self::apply_audited); nothing has begun then.
    async fn reopen_beside(
        &self,
        deliveries: Vec<DeliveryId>,
        at: Timestamp,
        unless_since: Option<Timestamp>,
        beside: BesideRuns,
    ) -> Result<Vec<DeliveryId>, Error>;

    /// Gives a delivery up that waits, also behind another one, with this error, and lets a held entity go on if this
    /// delivery holds it.
    ///
    /// # Errors
    /// [`Error::Damaged`] when what is stored of its event is. [`Error::TooLarge`] when it has 65,535 steps.
    async fn cancel(&self, delivery: DeliveryId, at: Timestamp, error: String) -> Result<Cancelled, Error> {
        self.cancel_audited(delivery, at, error, Vec::new()).await
    }

    /// As [`cancel`](Self::cancel), and records who did it in the same transaction, if something was done.
    ///
    /// # Errors
    /// Those of `cancel`, [`Error::TooLarge`] for a record of more than [`LONGEST_AUDIT_ENTRY`], and [`Error::Full`] when
    /// there is no room for a record; nothing is given up then.
    async fn cancel_audited(
        &self,
        delivery: DeliveryId,
        at: Timestamp,
        error: String,
        entries: Vec<AuditEntry>,
    ) -> Result<Cancelled, Error>;

    /// Lets every entity go on that a delivery of this subscription holds. Answers with how many they were. Many are
    /// released in several transactions.
    async fn release_holds(&self, subscription: SubscriptionId) -> Result<usize, Error>;

    /// Counts the failed deliveries that a filter names, by what they have in common, most first. Ends at 1,000,000, the
    /// newest, or at 100,000 groups: [`Failures::cut`] says if so. What failed before the store knew this index (its
    /// schema's version 1) is not counted.
    async fn failures(&self, filter: FailureFilter) -> Result<Failures, Error>;

    /// Up to `limit` final deliveries that a filter names and that changed last before `changed_before`, in the order of
    /// their ids, so oldest event first, after a delivery. Of `Status::Failed` it is fast; of `Status::Success` it reads
    /// every event of the time. It looks at a bounded part at a time and may answer with fewer than `limit`, even with
    /// none, while [`FinalDeliveries::after`] says that there is more to look at.
    async fn final_deliveries(
        &self,
        filter: FailureFilter,
        status: Status,
        changed_before: Timestamp,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<FinalDeliveries, Error>;

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
    /// when they are due. So do the external ids of entities about which no delivery succeeded since `failed_before`,
    /// which are looked for once a day. A hold ends when the delivery that holds goes.
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
    async fn apply_audited(&self, changes: Vec<Change>, entries: Vec<AuditEntry>) -> Result<Vec<u64>, Error> {
        self.apply_beside(Beside { changes, entries, events: Vec::new() }).await
    }

    /// As [`apply_audited`](Self::apply_audited), and makes events of the host's own durable in the same transaction, as
    /// [`finish_beside`](Self::finish_beside) does.
    ///
    /// # Errors
    /// Those of `apply_audited`.
    async fn apply_beside(&self, beside: Beside) -> Result<Vec<u64>, Error>;

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

/// Why the store could not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Another process uses the data directory.
    #[error("the data directory {0} is in use by another postern process; stop it, or name another directory with --data")]
    Locked(PathBuf),
    /// What is on the disk is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// An opening would have lost data that was acknowledged, or left damage unnoticed. It changed nothing.
    #[error(
        "acknowledged data is missing or damaged: {what}. The store in {directory} was not opened, and nothing in it was \
         changed. Copy the data directory first; then put a backup of all of it in its place, save what can still be read with \
         `postern store export --force`, or go on with what is left with `postern serve --accept-loss`"
    )]
    Lost {
        /// What is wrong, and where.
        what: String,
        /// Where the engine keeps its files.
        directory: PathBuf,
    },
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
