//! A steady load that leaves the machine room, for what else goes on to be noticed.

use super::cell::SETTLING;
use super::daemon::Daemon;
use super::emitters::{self, Plan};
use super::figures::Figures;
use crate::receiver::{Receiver, distinct};
use crate::statistics::count;
use anyhow::{Result, bail};

/// How many emit, so that one that waits for its answer keeps no other from its moment.
const EMITTERS: u32 = 16;

/// Events at even moments.
pub(super) struct Steady<'a> {
    pub(super) daemon: &'a Daemon,
    /// The destinations whose deliveries are looked at: each gets every event.
    pub(super) receiver: &'a Receiver,
    /// Events a second.
    pub(super) rate: u32,
    /// Deliveries of each event, those included that go elsewhere.
    pub(super) fan_out: usize,
}

impl Steady<'_> {
    /// Emits so many events, until every delivery to the receiver arrived.
    pub(super) async fn arrived(&self, events: u32) -> Result<Figures> {
        // Twice the time that it should take, so that falling behind shows in the figures.
        let seconds = 2 * events.div_ceil(self.rate);
        let fan_out = u32::try_from(self.fan_out)?;
        let plan = Plan { emitters: EMITTERS, events, seconds, fan_out, per_second: Some(self.rate) };
        let load = emitters::emit(&self.daemon.target, plan).await?;
        let expected = load.acknowledgements.len() * self.receiver.addresses.len();
        self.receiver.wait_for(expected).await?;
        tokio::time::sleep(SETTLING).await;
        let arrivals = self.receiver.take();
        let distinct = distinct(&arrivals);
        if distinct != expected {
            bail!("{expected} deliveries were acknowledged, but {distinct} arrived");
        }
        Ok(Figures { duplicates: count(arrivals.len() - distinct), ..Figures::of(&load, &arrivals)? })
    }
}
