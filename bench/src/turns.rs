//! Short pieces of work, timed in turns.

use crate::statistics::{count, percentile};
use anyhow::Result;
use std::time::{Duration, Instant};

/// A piece of work that is done many times.
pub(crate) struct Work<'a> {
    /// How often one turn does it.
    calls: usize,
    turn: Box<dyn FnMut() -> Result<Duration> + 'a>,
}

/// Nanoseconds that doing it once took, over all turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nanoseconds {
    /// The median.
    pub(crate) p50: f64,
    /// What one turn in ten stayed below.
    pub(crate) p10: f64,
    /// What one turn in ten exceeded.
    pub(crate) p90: f64,
}

impl<'a> Work<'a> {
    /// Work of which the function does one turn of so many calls, and answers with how long they took. What it prepares or
    /// clears away does not count.
    pub(crate) fn new(calls: usize, turn: impl FnMut() -> Result<Duration> + 'a) -> Self {
        Self { calls, turn: Box::new(turn) }
    }

    /// Work of which the function does one call; a turn is so many.
    pub(crate) fn repeated(calls: usize, mut once: impl FnMut() -> Result<()> + 'a) -> Self {
        Self::new(calls, move || {
            let began = Instant::now();
            (0..calls).try_for_each(|_| once())?;
            Ok(began.elapsed())
        })
    }
}

/// Lets each have its turn, in so many rounds after one that does not count, so that a noisy moment meets them all.
pub(crate) fn measure(works: &mut [Work<'_>], rounds: usize) -> Result<Vec<Nanoseconds>> {
    let mut times: Vec<Vec<f64>> = works.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..=rounds {
        for (work, times) in works.iter_mut().zip(&mut times) {
            let took = (work.turn)()?;
            if round > 0 {
                times.push(took.as_secs_f64() * 1e9 / count(work.calls));
            }
        }
    }
    Ok(times
        .iter_mut()
        .map(|times| Nanoseconds { p50: percentile(times, 0.5), p10: percentile(times, 0.1), p90: percentile(times, 0.9) })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_a_turn_of_each() {
        let mut calls = 0;
        let count = || {
            calls += 1;
            Ok(())
        };
        let mut works = [Work::repeated(2, count), Work::new(4, || Ok(Duration::from_nanos(100)))];
        let figures = measure(&mut works, 2).unwrap();
        drop(works);
        assert_eq!(format!("{:?}", figures[1]), "Nanoseconds { p50: 25.0, p10: 25.0, p90: 25.0 }");
        assert_eq!(calls, 6, "two rounds and the one that does not count");
    }
}
