//! Whether what became of an attempt is sensible.

use super::scenario::Expected;
use crate::script::Ending;
use crate::workbench::Tried;
use postern_core::delivery::{Cause, Outcome};
use std::time::Duration;

/// How far a wait may be from what the target asked for: a date has whole seconds, and time passes.
const TOLERANCE: Duration = Duration::from_secs(3);

/// Words by which an administrator knows that the credentials are meant.
const CREDENTIALS: [&str; 11] =
    ["401", "credential", "unauthori", "authenti", "token", "key", "password", "secret", "permission", "log in", "login"];

/// Failures that are none of the provider's decisions, and messages that tell nothing.
pub(super) fn failure(tried: &Tried) -> Vec<String> {
    let Outcome::Failure { cause, message, .. } = &tried.attempt.outcome else { return Vec::new() };
    match cause {
        Cause::Provider if message.trim().is_empty() => {
            vec!["the failure has no message: say what happened and what to do".into()]
        }
        Cause::Provider => Vec::new(),
        _ => vec![format!("the provider has to decide about every answer itself: {message}")],
    }
}

/// What is not as the rule has it, or as the script's deviation has it.
pub(super) fn ending(expected: Expected, deviation: Option<Ending>, tried: &Tried) -> Option<String> {
    let ending = tried.ending();
    if let Some(deviating) = deviation {
        return (ending != deviating).then(|| format!("it ends as `{ending}`, and the script's deviation says `{deviating}`"));
    }
    let right = match expected {
        Expected::Delivered => ending == Ending::Delivered,
        Expected::Failed => ending == Ending::Failed,
        Expected::Again => ending == Ending::Again,
        Expected::NotDelivered => ending != Ending::Delivered,
        Expected::Decided => true,
        Expected::Credentials => match ending {
            Ending::Failed => {
                let message = tried.message().unwrap_or_default().to_lowercase();
                if !CREDENTIALS.iter().any(|word| message.contains(word)) {
                    return Some("the message does not say that the credentials are to be checked".into());
                }
                true
            }
            other => other == Ending::Again,
        },
        Expected::After(asked) => {
            let wait = tried.wait.unwrap_or_default();
            if ending == Ending::Again && wait.abs_diff(asked) > TOLERANCE {
                return Some(format!("the target asks to wait {asked:?}, and it is tried again after {wait:?}"));
            }
            ending == Ending::Again
        }
    };
    (!right).then(|| format!("it ends as `{ending}`, and {}", rule(expected)))
}

fn rule(expected: Expected) -> &'static str {
    match expected {
        Expected::Delivered => "what was taken is delivered",
        Expected::Failed => "no retry can help, so it has to fail for good (`never`)",
        Expected::Credentials => "it has to fail for good with a word about the credentials, or to be tried again",
        Expected::After(_) => "it has to be tried again when the target says",
        Expected::Again => "a later try may succeed, so it has to be tried again (`backoff`)",
        Expected::NotDelivered => "nothing says that it was taken",
        Expected::Decided => "the provider has to decide",
    }
}

/// In words.
pub(super) fn outcome(tried: &Tried) -> String {
    match (tried.ending(), tried.wait, tried.external_id()) {
        (Ending::Delivered, _, Some(id)) => format!("delivered, external id {id}"),
        (Ending::Delivered, _, None) => "delivered".into(),
        (Ending::Again, Some(wait), _) => format!("again after {} s", wait.as_secs_f64().round()),
        (Ending::Again, None, _) => "again".into(),
        (Ending::Failed, ..) => "failed for good".into(),
    }
}
