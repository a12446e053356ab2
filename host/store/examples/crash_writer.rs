//! Writes until it is killed, and notes in a log what the store acknowledged. See `tests/power/power.sh`.
//!
//! `crash_writer ENGINE DIRECTORY LOG BYTES [SECONDS]`: 16 producers of events with BYTES of payload and 1 to 8 deliveries, a worker
//! that finishes two of three events, and a purge that keeps the last seconds. The log must lie outside the store's
//! file system. Its lines: `A id` accepted, `F id` finished, `I millis` a purge begins, `P millis` it is done. With
//! SECONDS it ends by itself and prints how fast it was.

mod crash;

use postern_core::delivery::{State, Step};
use postern_core::{EventId, Timestamp};
use postern_store::{Claim, Embedded, Finish, Retention, Store};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PRODUCERS: usize = 16;

/// Events older than this are purged, in milliseconds.
const KEEP: i64 = 2000;

struct Log(File);

impl Log {
    fn line(&self, line: &str) {
        // One write call for each line: a kill cannot cut it, and the log's own file system does not crash.
        (&self.0).write_all(format!("{line}\n").as_bytes()).expect("the log can be written");
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, directory, log, bytes, rest @ ..] = arguments.as_slice() else {
        panic!("usage: crash_writer ENGINE DIRECTORY LOG BYTES [SECONDS]");
    };
    let bytes: usize = bytes.parse().expect("BYTES is a number");
    let seconds: Option<u64> = rest.first().map(|text| text.parse().expect("SECONDS is a number"));
    let store = Arc::new(Embedded::open(crash::options(engine, directory)).unwrap_or_else(|error| panic!("{error}")));
    let file = OpenOptions::new().create(true).append(true).open(log).expect("the log can be opened");
    let log = Arc::new(Log(file));
    log.line("O");
    let (accepted, slowest) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let began = Instant::now();
    for _ in 0..PRODUCERS {
        let (store, log, accepted, slowest) = (store.clone(), log.clone(), accepted.clone(), slowest.clone());
        tokio::spawn(async move {
            loop {
                let new = crash::event_for(EventId::generate(), bytes);
                let id = new.event.id;
                let asked = Instant::now();
                match store.ingest(new).await {
                    Ok(_) => {
                        log.line(&format!("A {id}"));
                        slowest.fetch_max(asked.elapsed().as_micros() as u64, Ordering::Relaxed);
                        accepted.fetch_add(1, Ordering::Relaxed);
                    }
                    // Full: the purge makes room.
                    Err(postern_store::Error::Full(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    tokio::spawn(finish(store.clone(), log.clone()));
    tokio::spawn(purge(store.clone(), log.clone()));
    match seconds {
        None => std::future::pending().await,
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
    }
    let rate = accepted.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    let figures = store.figures();
    println!(
        "{engine} {bytes} B: {rate:.0} events/s, {:.1} requests per commit, slowest {} ms",
        figures.requests as f64 / figures.commits as f64,
        slowest.load(Ordering::Relaxed) / 1000
    );
}

/// Finishes two of three events, each with all its deliveries in one transaction.
async fn finish(store: Arc<Embedded>, log: Arc<Log>) {
    let mut events: BTreeMap<EventId, Vec<Claim>> = BTreeMap::new();
    loop {
        // All that a subscription has at once: its claim then comes back short, and it need not be remembered.
        let wanted = store.ready(Timestamp::now()).into_iter().map(|subscription| (subscription, usize::MAX)).collect();
        let claims = store.claim(Timestamp::now(), wanted).await.unwrap_or_else(|error| panic!("{error}"));
        if claims.is_empty() {
            store.due_changed().await;
        }
        for claim in claims {
            let (id, routes) = (claim.id.event, crash::event_for(claim.id.event, 0).routes.len());
            let of_event = events.entry(id).or_default();
            of_event.push(claim);
            if of_event.len() < routes {
                continue;
            }
            let claims = events.remove(&id).unwrap_or_default();
            if id.to_bytes()[15] % 3 == 0 {
                continue;
            }
            let (store, log) = (store.clone(), log.clone());
            tokio::spawn(async move {
                let step = |claim: &Claim| Step {
                    state: State::Success { external_id: Some(claim.id.to_string()) },
                    attempts: 1,
                    at: Timestamp::now(),
                    attempt: None,
                    run: claim.run,
                };
                let finish = |claim: Claim| Finish {
                    claim: claim.claim,
                    id: claim.id,
                    step: step(&claim),
                    route: claim.route,
                    hold: false,
                };
                let steps: Vec<_> = claims.into_iter().map(finish).collect();
                store.finish(&steps).await.unwrap_or_else(|error| panic!("{error}"));
                log.line(&format!("F {id}"));
            });
        }
    }
}

async fn purge(store: Arc<Embedded>, log: Arc<Log>) {
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = Timestamp::from_millis(Timestamp::now().as_millis() - KEEP);
        log.line(&format!("I {}", before.as_millis()));
        let purged = store.purge(Retention { before, failed_before: before }, usize::MAX).await;
        match purged {
            Ok(_) => log.line(&format!("P {}", before.as_millis())),
            Err(postern_store::Error::Full(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
