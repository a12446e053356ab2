//! Events that are delivered by a script, by a recording, or for real.

use crate::Error;
use crate::script::{Ending, EventInput, Expected, Script, ScriptPlay, matching_text};
use crate::stage::Stage;
use crate::tools::Tools;
use crate::workbench::{Claimed, Tried, Workbench};
use postern_core::delivery::{Attempt, State};
use postern_core::grant::Grant;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Whom requests reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// The script.
    Played,
    /// The network, within the grant and the operator's rules.
    Real,
}

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ran {
    /// The provider's id and version.
    pub provider: String,
    /// SHA-256 of the component, in hex.
    pub digest: String,
    /// What it was allowed.
    pub grant: Grant,
    /// What became of each event.
    pub deliveries: Vec<Delivered>,
    /// What went otherwise than the script says. Empty: all went well.
    pub problems: Vec<String>,
}

/// What became of an event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivered {
    /// The event type's id.
    pub event_type: String,
    /// What the delivery is after the attempt, as the daemon would have it.
    #[serde(flatten)]
    pub state: State,
    /// In how many milliseconds the daemon would try again, if it would.
    pub again_after_milliseconds: Option<u64>,
    /// The attempt, as the daemon would keep it.
    pub attempt: Attempt,
}

impl Delivered {
    fn new(event: &EventInput, tried: Tried) -> Self {
        Self {
            event_type: event.event_type.to_string(),
            again_after_milliseconds: tried.wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            state: tried.decision.state,
            attempt: tried.attempt,
        }
    }
}

impl Tools {
    /// Delivers the events of a script, each in one attempt.
    ///
    /// # Errors
    /// The component is none that a daemon takes, the settings do not fit, or this machine cannot run it. What goes otherwise
    /// than the script says is no error.
    pub async fn run(&self, component: Vec<u8>, script: &Script, targets: Targets) -> Result<Ran, Error> {
        let script = with_event(script);
        let play = Arc::new(ScriptPlay::new(&script));
        let stage = match targets {
            Targets::Played => Some(Stage::open(play.clone()).await?),
            Targets::Real => None,
        };
        let bench = Workbench::open(self, component, stage.as_ref(), &script).await?;
        let mut deliveries = Vec::new();
        let mut known: BTreeMap<&str, String> = BTreeMap::new();
        let mut problems = Vec::new();
        for (index, event) in script.events.iter().enumerate() {
            let external_id = event.entity.as_deref().and_then(|entity| known.get(entity).cloned());
            let tried = bench.attempt(event, Claimed { external_id, ..Claimed::new() }).await?;
            if let (Some(entity), Some(id)) = (event.entity.as_deref(), tried.external_id()) {
                known.entry(entity).or_insert_with(|| id.clone());
            }
            if index + 1 == script.events.len() {
                problems = unexpected(&script, &tried);
            }
            deliveries.push(Delivered::new(event, tried));
        }
        if stage.is_some() {
            problems.splice(0..0, play.problems());
        }
        let manifest = bench.manifest();
        let ran = Ran {
            provider: format!("{} {}", manifest.id, manifest.version),
            digest: bench.provider.digest.clone(),
            grant: bench.grant().clone(),
            deliveries,
            problems,
        };
        bench.close().await;
        Ok(ran)
    }
}

/// A script that says nothing of events has the example.
pub(crate) fn with_event(script: &Script) -> Script {
    let mut script = script.clone();
    if script.events.is_empty() {
        script.events.push(EventInput::example());
    }
    script
}

/// What of a result is not as the script says.
pub(crate) fn unexpected(script: &Script, tried: &Tried) -> Vec<String> {
    let delivered = Expected { outcome: Some(Ending::Delivered), ..Expected::default() };
    let expected = script.result.as_ref().unwrap_or(&delivered);
    let mut problems = Vec::new();
    if let Some(outcome) = expected.outcome.filter(|outcome| *outcome != tried.ending()) {
        problems.push(format!("it ends as `{}`, not `{outcome}`", tried.ending()));
    }
    let mut text = |what: &str, pattern: &Option<String>, found: Option<&str>| {
        if let Some(pattern) = pattern.as_ref().filter(|pattern| !found.is_some_and(|found| matching_text(pattern, found))) {
            let found = found.map_or("there is none".to_owned(), |found| format!("it is `{found}`"));
            problems.push(format!("the {what} is not `{pattern}`: {found}"));
        }
    };
    text("external id", &expected.external_id, tried.external_id().map(String::as_str));
    text("message", &expected.message, tried.message());
    if let Some(after) = expected.after
        && tried.wait.is_none_or(|wait| wait.abs_diff(after.0) > Duration::from_secs(1))
    {
        let found = tried.wait.map_or("never".to_owned(), |wait| format!("after {wait:?}"));
        problems.push(format!("it is not tried again after {:?} but {found}", after.0));
    }
    problems
}
