//! What an attempt means for its delivery: all that its outcome and its exchanges tell, by the rules of [`machine`] and
//! [`verdict`]. Pure.

use crate::{machine, verdict};
use postern_core::Timestamp;
use postern_core::delivery::{Attempt, Outcome, Reason, Run, State};
use postern_core::retry::Policy;
use postern_store::Claim;

/// What becomes of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What it is from now on.
    pub state: State,
    /// The run that it is in from now on.
    pub run: Run,
    /// Why the attempt failed, if it did.
    pub reason: Option<Reason>,
    /// Until when the target wants to be left alone, if it does.
    pub pause: Option<verdict::Pause>,
}

/// Decides after an attempt of a claim ended at `now`. `chance`, from 0 to 1, places the next attempt within the policy's jitter.
pub fn decide(policy: &Policy, claim: &Claim, attempt: &Attempt, now: Timestamp, chance: f64) -> Decision {
    let pause = verdict::pause(&attempt.exchanges, &attempt.outcome, now);
    let reason = match &attempt.outcome {
        Outcome::Failure { cause, .. } => Some(verdict::reason(*cause, &attempt.exchanges)),
        Outcome::Success { .. } => None,
    };
    let refused_until = pause.filter(|pause| pause.refused && !claim.route.test).map(|pause| pause.until);
    let accepted_at = claim.id.event.created_at();
    let ended = machine::Ended { outcome: &attempt.outcome, reason, refused_until, accepted_at };
    let (state, run) = machine::after_attempt(policy, claim.run, ended, now, chance);
    Decision { state, run, reason, pause }
}
