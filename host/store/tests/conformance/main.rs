//! What every store must do, run on each engine.

mod audit;
mod concurrency;
mod documents;
mod entities;
mod failures;
mod idempotency;
mod listing;
mod loss;
mod opening;
mod purge;
mod queue;
mod ready;
mod reopening;
mod stats;
mod transfer;
mod transfer_files;

use postern_core::delivery::{
    Attempt, Body, Cause, Class, Exchange, ExchangeResult, Level, LogLine, Outcome, ProviderBuild, Reason, Retry, Route, Run,
    State, Step,
};
use postern_core::{Event, EventId, Json, SubscriptionId, Timestamp};
use postern_store::{Claim, Embedded, Engine, Finish, NewEvent, Options, Store};
use std::sync::Arc;

/// Makes a test of each function, on each engine.
#[macro_export]
macro_rules! on_both_engines {
    ($($test:ident),* $(,)?) => {
        mod on_sled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test($crate::Place::new(postern_store::Engine::Sled)).await; })*
        }
        mod on_redb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test($crate::Place::new(postern_store::Engine::Redb)).await; })*
        }
    };
}

/// A directory for one test.
struct Place {
    directory: tempfile::TempDir,
    engine: Engine,
}

impl Place {
    fn new(engine: Engine) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), engine }
    }

    fn options(&self) -> Options {
        let mut options = Options::new(self.directory.path().join("data"));
        options.engine = self.engine;
        options.cache_bytes = 16 << 20;
        options.reserve_bytes = 0;
        options
    }

    fn open(&self) -> Embedded {
        Embedded::open(self.options()).unwrap()
    }
}

fn payload(bytes: usize) -> Json {
    match bytes {
        0 | 1 => Json::parse("1").unwrap(),
        // Not one letter over and over: what compresses hides mistakes of size.
        _ => Json::parse(format!("\"{}\"", (0..bytes - 2).map(|n| char::from(b'a' + (n * n % 23) as u8)).collect::<String>()))
            .unwrap(),
    }
}

fn route() -> Route {
    Route::new(SubscriptionId::generate(), "postern.webhook".parse().unwrap())
}

fn new_event(routes: usize, bytes: usize) -> NewEvent {
    let event = Event {
        id: EventId::generate(),
        event_type: "incident.incident.created".parse().unwrap(),
        tenant: Default::default(),
        timestamp: Timestamp::from_millis(1_700_000_000_123),
        payload: payload(bytes),
    };
    NewEvent { event: Arc::new(event), routes: (0..routes).map(|_| route()).collect(), idempotency: None }
}

async fn ingest(store: &Embedded, routes: usize) -> NewEvent {
    let new = new_event(routes, 100);
    store.ingest(new.clone()).await.unwrap();
    new
}

fn now() -> Timestamp {
    Timestamp::now()
}

/// Claims everything that is due at this moment, in the order of the ids.
async fn claim_at(store: &Embedded, at: Timestamp) -> Vec<Claim> {
    let wanted = store.ready(at).into_iter().map(|subscription| (subscription, 10_000)).collect();
    let mut claims = store.claim(at, wanted).await.unwrap();
    claims.sort_by_key(|claim| claim.id);
    claims
}

async fn claim_all(store: &Embedded) -> Vec<Claim> {
    claim_at(store, now()).await
}

fn unfinished(store: &Embedded) -> usize {
    store.backlog().unfinished
}

fn success() -> State {
    State::Success { external_id: Some("PROJ-1".into()) }
}

fn failed() -> State {
    State::Failed { error: "no such project".into(), reason: Some(Reason { class: Class::Http, status: Some(404) }) }
}

fn retrying(at: Timestamp) -> State {
    let reason = Some(Reason { class: Class::Http, status: Some(503) });
    State::Retrying { next_attempt_at: at, error: "503 Service Unavailable".into(), reason }
}

fn finish(claim: &Claim, state: State) -> Finish {
    finish_with(claim, step(claim.attempts + 1, state, 100))
}

fn finish_with(claim: &Claim, step: Step) -> Finish {
    Finish { claim: claim.claim, id: claim.id, route: claim.route.clone(), step: Step { run: claim.run, ..step }, hold: false }
}

/// A step with all that an attempt can hold.
fn step(number: u32, state: State, body: usize) -> Step {
    let text = "x".repeat(body);
    let exchange = |result| Exchange {
        method: "POST".into(),
        url: "https://example.com/hook".into(),
        request_headers: vec![("content-type".into(), "application/json".into())],
        request_body: Some(Body { text: text.clone(), size: body as u64 }),
        started_at: now(),
        duration_micros: 1500,
        address: Some("192.0.2.1:443".into()),
        http_version: None,
        timings: Default::default(),
        result,
    };
    let attempt = Attempt {
        number,
        started_at: now(),
        duration_micros: 2000,
        provider: Some(ProviderBuild { version: "1.0.0".into(), digest: "ab".repeat(32) }),
        reconciled: false,
        outcome: match &state {
            State::Success { external_id } => Outcome::Success { external_id: external_id.clone() },
            _ => Outcome::Failure {
                cause: Cause::Provider,
                message: "503".into(),
                retry: Retry::After { milliseconds: 5 },
                ambiguous: true,
            },
        },
        exchanges: vec![
            exchange(ExchangeResult::Denied { code: "grant".into(), message: "no".into() }),
            exchange(ExchangeResult::Failed { kind: "timeout".into(), message: "late".into(), sent: true }),
            exchange(ExchangeResult::Answered { status: 200, response_headers: Vec::new(), response_body: None }),
        ],
        log: vec![LogLine { level: Level::Warn, message: "slow".into() }],
    };
    Step { state, attempts: number, at: now(), attempt: Some(attempt.into()), run: Run::default() }
}
