//! Finding the subscriptions of an event, on the index that the daemon uses: what it costs when ten of a hundred match, and
//! when ten of a hundred thousand do.

mod population;

use crate::Common;
use crate::report::Section;
use crate::turns::{Nanoseconds, Work, measure};
use anyhow::Result;
use population::{MATCHING, Population, Shape};
use postern_core::SubscriptionId;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// What is compared: each small shape with the large one of the same kind.
const PAIRS: [[Shape; 2]; 2] = [
    [Shape { subscriptions: 100, tenants: 10 }, Shape { subscriptions: 100_000, tenants: 10_000 }],
    [Shape { subscriptions: 100, tenants: 1 }, Shape { subscriptions: 100_000, tenants: 1 }],
];
/// Events of a turn.
const EVENTS: usize = 500;
/// Subscriptions that are put in a turn, and taken away after it.
const PUTS: usize = 100;
/// Rounds of each run; a third with --quick.
const ROUNDS: usize = 90;

/// What was measured of one shape.
struct Figures {
    shape: Shape,
    /// The same event again and again: everything that it touches is in the processor's caches.
    same: Nanoseconds,
    /// Events of all tenants and plugins in turn: what is touched was last touched when all others had been.
    spread: Nanoseconds,
    /// One more subscription.
    put: Nanoseconds,
}

/// Measures every shape, all in turns.
pub(crate) fn run(common: &Common) -> Result<Section> {
    eprintln!("matching");
    let shapes = PAIRS.as_flattened();
    let populations = shapes.iter().map(|shape| Population::new(*shape).map(RefCell::new)).collect::<Result<Vec<_>>>()?;
    let mut works = Vec::new();
    for population in &populations {
        works.extend([find(population, |_| 0), find(population, |number| number), put(population)]);
    }
    let rounds = common.runs as usize * if common.quick { ROUNDS / 3 } else { ROUNDS };
    let measured = measure(&mut works, rounds)?;
    let figures: Vec<_> = shapes
        .iter()
        .zip(measured.chunks_exact(3))
        .map(|(shape, measured)| Figures { shape: *shape, same: measured[0], spread: measured[1], put: measured[2] })
        .collect();
    Ok(section(&figures, rounds))
}

/// Turns of finding the subscriptions of events, whose sources the function numbers. The events' ids are made anew for each
/// turn, as reading requests does; that does not count.
fn find(population: &RefCell<Population>, source: impl Fn(usize) -> usize + 'static) -> Work<'_> {
    let mut emitted = 0;
    Work::new(EVENTS, move || {
        let population = population.borrow();
        let sources = (emitted..emitted + EVENTS).map(|number| population.source(source(number)));
        let events = sources.map(|source| Ok((source.tenant()?, source.event_type()?))).collect::<Result<Vec<_>>>()?;
        emitted += EVENTS;
        let began = Instant::now();
        for (tenant, event_type) in &events {
            black_box(population.index.matches(black_box(tenant), black_box(event_type)));
        }
        Ok(began.elapsed())
    })
}

/// Turns of adding subscriptions to all tenants and plugins in turn. The next turn finds the index as it was.
fn put(population: &RefCell<Population>) -> Work<'_> {
    let mut puts = 0;
    Work::new(PUTS, move || {
        let mut population = population.borrow_mut();
        let mut added = Vec::with_capacity(PUTS);
        for number in puts..puts + PUTS {
            let source = population.source(number);
            let id = SubscriptionId::generate();
            added.push((id, source.tenant()?, source.patterns(number)?, Arc::new(id)));
        }
        puts += PUTS;
        let began = Instant::now();
        for (id, tenant, patterns, what) in &added {
            population.index.put(*id, tenant.clone(), patterns, what);
        }
        let took = began.elapsed();
        added.iter().for_each(|(id, ..)| population.index.remove(*id));
        Ok(took)
    })
}

fn section(figures: &[Figures], rounds: usize) -> Section {
    let show = |time: Nanoseconds| format!("{:.0} ({:.0}–{:.0})", time.p50, time.p10, time.p90);
    let row = |figures: &Figures| {
        let Shape { subscriptions, tenants } = figures.shape;
        vec![subscriptions.to_string(), tenants.to_string(), show(figures.same), show(figures.spread), show(figures.put)]
    };
    let times = |time: Nanoseconds| json!({ "p50": time.p50, "p10": time.p10, "p90": time.p90 });
    let mut notes = vec![format!(
        "{MATCHING} subscriptions match each event: six by the type's id, four by a prefix. `Same` is one event again and again; `spread` goes through all tenants and plugins, so a large index comes from memory where a small one stays in the processor's caches. Medians of {rounds} turns (and what one turn in ten stays below or exceeds)."
    )];
    let mut ratios: Vec<Value> = Vec::new();
    for pair in figures.chunks_exact(2) {
        let [small, large] = [&pair[0], &pair[1]];
        let ratio = |of: fn(&Figures) -> Nanoseconds| of(large).p50 / of(small).p50;
        let (same, spread, put) = (ratio(|it| it.same), ratio(|it| it.spread), ratio(|it| it.put));
        notes.push(format!(
            "{} subscriptions in {} tenants / {} in {}: same {same:.2}, spread {spread:.2}, put {put:.2}.",
            large.shape.subscriptions, large.shape.tenants, small.shape.subscriptions, small.shape.tenants
        ));
        ratios.push(json!({
            "large": { "subscriptions": large.shape.subscriptions, "tenants": large.shape.tenants },
            "small": { "subscriptions": small.shape.subscriptions, "tenants": small.shape.tenants },
            "same": same, "spread": spread, "put": put,
        }));
    }
    let shapes = figures.iter().map(|figures| {
        json!({
            "subscriptions": figures.shape.subscriptions, "tenants": figures.shape.tenants, "matching": MATCHING,
            "sameNanos": times(figures.same), "spreadNanos": times(figures.spread), "putNanos": times(figures.put),
        })
    });
    Section {
        name: "matching",
        title: format!("Finding the {MATCHING} subscriptions of an event, ns"),
        columns: vec!["subscriptions", "tenants", "same", "spread", "one put"],
        rows: figures.iter().map(row).collect(),
        notes,
        data: json!({ "shapes": shapes.collect::<Vec<_>>(), "ratios": ratios }),
    }
}
