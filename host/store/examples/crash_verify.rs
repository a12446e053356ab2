//! Checks a store against the log of `crash_writer`. See `tests/power/power.sh`.
//!
//! `crash_verify ENGINE DIRECTORY LOG BYTES`: prints one line, and ends with 1 if something that was acknowledged is
//! missing, half there, or wrong.

mod crash;

use postern_core::EventId;
use postern_store::{Embedded, EventFilter, PageRequest, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Default)]
struct Log {
    accepted: BTreeSet<EventId>,
    /// With how far purges were done when the line was written.
    finished: BTreeMap<EventId, i64>,
    purge_begun: i64,
    purge_done: i64,
}

fn read_log(path: &str) -> Log {
    let mut log = Log::default();
    for line in std::fs::read_to_string(path).expect("the log can be read").lines() {
        let (what, value) = line.split_once(' ').unwrap_or((line, ""));
        let id = || value.parse::<EventId>().expect("an id");
        let millis = || value.parse::<i64>().expect("a number");
        match what {
            "A" => drop(log.accepted.insert(id())),
            "F" => drop(log.finished.insert(id(), log.purge_begun)),
            "I" => log.purge_begun = millis(),
            "P" => log.purge_done = millis(),
            _ => {}
        }
    }
    log
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, directory, log, bytes] = arguments.as_slice() else {
        panic!("usage: crash_verify ENGINE DIRECTORY LOG BYTES");
    };
    let bytes: usize = bytes.parse().expect("BYTES is a number");
    let log = read_log(log);
    let began = Instant::now();
    let store = match Embedded::open(crash::options(engine, directory)) {
        Ok(store) => store,
        Err(error) => {
            println!("BAD: it does not open: {error}");
            return ExitCode::FAILURE;
        }
    };
    let opened = began.elapsed();

    let mut found = BTreeSet::new();
    let (mut wrong, mut torn, mut unfinished) = (0, 0, 0);
    let mut after = None;
    let mut last = None;
    loop {
        let page = store.list_events(EventFilter::default(), PageRequest { limit: 50, after }).await.expect("a page");
        for (event, deliveries) in page.items {
            let expected = crash::event_for(event.id, bytes);
            let routes: Vec<_> = deliveries.iter().map(|delivery| delivery.route.clone()).collect();
            wrong +=
                usize::from(*event != *expected.event || routes != expected.routes || last.is_some_and(|last| last <= event.id));
            last = Some(event.id);
            let open = deliveries.iter().filter(|delivery| !delivery.state.is_final()).count();
            torn += usize::from(open != 0 && open != deliveries.len());
            unfinished += open;
            wrong += usize::from(open > 0 && log.finished.contains_key(&event.id));
            found.insert(event.id);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let millis = |id: &EventId| id.created_at().as_millis();
    let missing = log.accepted.difference(&found).filter(|id| millis(id) >= log.purge_begun).count();
    // A purge may take whatever was final when it came by; what was not final may never go.
    let gone_unfinished = log.accepted.difference(&found).filter(|id| id.to_bytes()[15] % 3 == 0).count();
    // Finished before a purge began that is done, and older than its limit: must be gone.
    let purged = |id: &&EventId| log.finished.get(id).is_some_and(|begun| *begun < log.purge_done) && millis(id) < log.purge_done;
    let undead = found.iter().filter(purged).filter(|id| log.finished[id] < log.purge_done).count();
    let queue =
        usize::from(store.backlog().unfinished != unfinished) + usize::try_from(store.figures().damaged).unwrap_or(usize::MAX);

    let bad = missing + gone_unfinished + wrong + torn + undead + queue;
    println!(
        "{}: {} accepted, {} finished, {} found; missing {missing}, unfinished gone {gone_unfinished}, wrong {wrong}, torn {torn}, \
         back from purge {undead}, queue {queue}; opened in {} ms",
        if bad == 0 { "clean" } else { "BAD" },
        log.accepted.len(),
        log.finished.len(),
        found.len(),
        opened.as_millis()
    );
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
