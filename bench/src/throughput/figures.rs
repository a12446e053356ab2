//! What a run came to.

use super::cell::Cell;
use super::emitters::{Acknowledgement, Load};
use super::goals::Goals;
use crate::receiver::Arrival;
use crate::report::Goal;
use crate::statistics::{count, median, percentile};
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::HashMap;
use std::time::Instant;

/// The figures of a run, or their medians.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    /// Emissions that were acknowledged.
    pub(super) events: f64,
    /// From the first emission to the last acknowledgement.
    pub(super) events_per_second: f64,
    /// From the first emission to the last arrival.
    pub(super) deliveries_per_second: f64,
    /// From sending an emission to its acknowledgement.
    pub(super) acknowledgement_p50_milliseconds: f64,
    pub(super) acknowledgement_p99_milliseconds: f64,
    /// From the acknowledgement to the arrival; 0 for what arrived first.
    pub(super) delivery_p50_milliseconds: f64,
    pub(super) delivery_p99_milliseconds: f64,
    /// From sending an emission to the arrival.
    pub(super) whole_p50_milliseconds: f64,
    pub(super) whole_p99_milliseconds: f64,
    /// The daemon's processor time for 1,000 deliveries.
    pub(super) cpu_seconds_per_thousand: f64,
    /// That of emitters and receiver.
    pub(super) load_cpu_seconds_per_thousand: f64,
    /// Processors that everything else on the machine used, the kernel's own threads included. Above about 0.2 the run was
    /// disturbed.
    pub(super) others_cores: f64,
    /// The most memory of the daemon that was resident.
    pub(super) peak_memory_mebibytes: f64,
    /// Deliveries that arrived more than once.
    pub(super) duplicates: f64,
    /// Connections that the daemon made to the receiver after the warm-up.
    pub(super) connections: f64,
}

impl Figures {
    /// The table's columns.
    pub(super) const COLUMNS: &'static [&'static str] = &[
        "engine",
        "fan-out",
        "emitters",
        "events",
        "acked/s",
        "deliveries/s",
        "ack p50 ms",
        "ack p99 ms",
        "delivery p50 / p99 ms",
        "CPU-s per 1,000",
        "load's",
        "others' cores",
        "RSS MiB",
        "twice",
        "connections",
    ];

    /// What follows from the times of emissions and arrivals. The rest is zero.
    pub(super) fn of(load: &Load, arrivals: &[Arrival]) -> Result<Self> {
        let emissions: HashMap<usize, &Acknowledgement> =
            load.acknowledgements.iter().map(|one| (one.sequence as usize, one)).collect();
        let mut waits: Vec<f64> = load.acknowledgements.iter().map(|one| milliseconds(one.sent, one.acknowledged)).collect();
        let (mut latencies, mut wholes) = (Vec::with_capacity(arrivals.len()), Vec::with_capacity(arrivals.len()));
        for arrival in arrivals {
            let emission = arrival.sequence.and_then(|sequence| emissions.get(&sequence));
            let emission = emission.context("something arrived that nobody emitted")?;
            latencies.push(milliseconds(emission.acknowledged, arrival.at));
            wholes.push(milliseconds(emission.sent, arrival.at));
        }
        let seconds = |last: Option<Instant>| last.map_or(f64::INFINITY, |last| milliseconds(load.began, last) / 1e3);
        let acknowledging = seconds(load.acknowledgements.iter().map(|one| one.acknowledged).max());
        let delivering = seconds(arrivals.iter().map(|arrival| arrival.at).max());
        Ok(Self {
            events: count(load.acknowledgements.len()),
            events_per_second: count(load.acknowledgements.len()) / acknowledging,
            deliveries_per_second: count(arrivals.len()) / delivering,
            acknowledgement_p50_milliseconds: percentile(&mut waits, 0.5),
            acknowledgement_p99_milliseconds: percentile(&mut waits, 0.99),
            delivery_p50_milliseconds: percentile(&mut latencies, 0.5),
            delivery_p99_milliseconds: percentile(&mut latencies, 0.99),
            whole_p50_milliseconds: percentile(&mut wholes, 0.5),
            whole_p99_milliseconds: percentile(&mut wholes, 0.99),
            ..Self::default()
        })
    }

    /// The median of each figure by itself; of duplicates the most.
    pub(super) fn median(runs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(runs.iter().map(figure));
        Self {
            events: of(|run| run.events),
            events_per_second: of(|run| run.events_per_second),
            deliveries_per_second: of(|run| run.deliveries_per_second),
            acknowledgement_p50_milliseconds: of(|run| run.acknowledgement_p50_milliseconds),
            acknowledgement_p99_milliseconds: of(|run| run.acknowledgement_p99_milliseconds),
            delivery_p50_milliseconds: of(|run| run.delivery_p50_milliseconds),
            delivery_p99_milliseconds: of(|run| run.delivery_p99_milliseconds),
            whole_p50_milliseconds: of(|run| run.whole_p50_milliseconds),
            whole_p99_milliseconds: of(|run| run.whole_p99_milliseconds),
            cpu_seconds_per_thousand: of(|run| run.cpu_seconds_per_thousand),
            load_cpu_seconds_per_thousand: of(|run| run.load_cpu_seconds_per_thousand),
            others_cores: of(|run| run.others_cores),
            peak_memory_mebibytes: of(|run| run.peak_memory_mebibytes),
            duplicates: runs.iter().map(|run| run.duplicates).fold(0.0, f64::max),
            connections: of(|run| run.connections),
        }
    }

    /// The table's row for a cell.
    pub(super) fn row(&self, cell: &Cell) -> Vec<String> {
        let goals = Goals::of(cell);
        let beside = |goal: Option<Goal>, figure: f64, text: String| match goal {
            Some(goal) => goal.beside(figure, &text),
            None => text,
        };
        let digits = |figure: f64| format!("{figure:.2}");
        let (p50, p99) = (self.acknowledgement_p50_milliseconds, self.acknowledgement_p99_milliseconds);
        vec![
            cell.engine.to_string(),
            cell.fan_out.to_string(),
            cell.emitters.to_string(),
            format!("{:.0}", self.events),
            format!("{:.0}", self.events_per_second),
            beside(goals.deliveries_per_second, self.deliveries_per_second, format!("{:.0}", self.deliveries_per_second)),
            beside(goals.acknowledgement_p50_milliseconds, p50, digits(p50)),
            beside(goals.acknowledgement_p99_milliseconds, p99, digits(p99)),
            format!("{:.2} / {:.2}", self.delivery_p50_milliseconds, self.delivery_p99_milliseconds),
            beside(
                goals.cpu_seconds_per_thousand,
                self.cpu_seconds_per_thousand,
                format!("{:.3}", self.cpu_seconds_per_thousand),
            ),
            format!("{:.3}", self.load_cpu_seconds_per_thousand),
            format!("{:.2}", self.others_cores),
            format!("{:.0}", self.peak_memory_mebibytes),
            format!("{:.0}", self.duplicates),
            format!("{:.0}", self.connections),
        ]
    }
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1e3
}
