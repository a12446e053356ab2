//! What the daemon is meant to reach under load, on a quiet machine with two cores that load and receiver share.

use super::cell::Cell;
use super::setup::Engine;
use crate::report::Goal;
use serde::Serialize;

/// The goals of a cell; none for a figure that is only shown.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Goals {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deliveries_per_second: Option<Goal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_seconds_per_thousand: Option<Goal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acknowledgement_p50_milliseconds: Option<Goal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acknowledgement_p99_milliseconds: Option<Goal>,
}

impl Goals {
    /// Rates and processor time are judged with 16 emitters and a fan-out of 1 or 10, waiting with 1 and with 64 emitters.
    pub(super) fn of(cell: &Cell) -> Self {
        let (rate, cpu) = match (cell.engine, cell.fan_out) {
            (Engine::Sled, 1) => (4_000.0, 0.2),
            (Engine::Sled, 10) => (8_000.0, 0.12),
            (Engine::Redb, 1) => (5_000.0, 0.15),
            (Engine::Redb, 10) => (9_000.0, 0.1),
            _ => return Self::default(),
        };
        let none = Self::default();
        match cell.emitters {
            1 => Self { acknowledgement_p50_milliseconds: Some(Goal::AtMost(1.0)), ..none },
            16 => Self {
                deliveries_per_second: Some(Goal::AtLeast(rate)),
                cpu_seconds_per_thousand: Some(Goal::AtMost(cpu)),
                ..none
            },
            64 => Self { acknowledgement_p99_milliseconds: Some(Goal::AtMost(20.0)), ..none },
            _ => none,
        }
    }
}
