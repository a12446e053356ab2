//! The standard set: what targets do to those who call them, and whether a provider makes something sensible of each.
//!
//! What a good answer looks like is the target's own affair: a script beside the provider says it (`answers`), with settings
//! to try. The bad answers are made here, and tell back what they received, as careless servers do, with secrets in it.

mod judge;
mod scenario;
mod secrecy;
mod twice;

use crate::script::{EventInput, Script};
use crate::stage::Stage;
use crate::tools::Tools;
use crate::trial::{unexpected, with_event};
use crate::workbench::{Claimed, Tried, Workbench};
use crate::{Error, script};
use postern_core::retry::Span;
use scenario::{Plays, SCENARIOS, Scenario};
use secrecy::Secrecy;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a request may take where the target never answers. The rest of a run has the usual bounds.
const PATIENCE: Duration = Duration::from_millis(300);

/// What conformance found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conformance {
    /// The provider's id and version.
    pub provider: String,
    /// SHA-256 of the component, in hex.
    pub digest: String,
    /// Whether nothing is wrong.
    pub passed: bool,
    /// Each scenario.
    pub checks: Vec<Check>,
}

/// What became of a scenario.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Its name: `429-seconds`.
    pub scenario: &'static str,
    /// What the target does.
    pub target: &'static str,
    /// What became of it, in words.
    pub outcome: String,
    /// The provider's message, if it failed.
    pub message: Option<String>,
    /// What is wrong. Empty: it passed.
    pub problems: Vec<String>,
    /// Why it may differ from the rule, if the script says so.
    pub deviation: Option<String>,
    /// Why it was not tried, if it was not.
    pub skipped: Option<String>,
    /// How long it took.
    pub milliseconds: u64,
}

impl Check {
    fn skipped(scenario: &'static str, target: &'static str, reason: &str) -> Self {
        let (outcome, message, problems, deviation) = ("not tried".to_owned(), None, Vec::new(), None);
        Self { scenario, target, outcome, message, problems, deviation, skipped: Some(reason.to_owned()), milliseconds: 0 }
    }
}

/// A run of all scenarios.
struct Run<'a> {
    script: &'a Script,
    event: &'a EventInput,
    stage: &'a Stage,
    bench: &'a Workbench,
    secrecy: &'a Secrecy,
}

impl Tools {
    /// Plays the standard set.
    ///
    /// # Errors
    /// The component is none that a daemon takes, the script's settings do not fit, or this machine cannot run it. What a
    /// provider does wrong is no error but stands in the result.
    pub async fn conformance(&self, component: Vec<u8>, script: &Script) -> Result<Conformance, Error> {
        check_names(script)?;
        let script = with_event(script);
        let stage = Stage::open(Arc::new(script::Everything(script::Answer::default()))).await?;
        let bench = Workbench::open(self, component.clone(), Some(&stage), &script).await?;
        let hasty = Script { timeout: Some(Span(PATIENCE)), ..script.clone() };
        let hasty = Workbench::open(self, component, Some(&stage), &hasty).await?;
        let secrecy = Secrecy::new(&bench.secrets);
        let run = |bench| Run { script: &script, event: &script.events[0], stage: &stage, bench, secrecy: &secrecy };
        let mut checks = Vec::new();
        for scenario in SCENARIOS {
            let bench = if scenario.is_timeout() { &hasty } else { &bench };
            checks.push(run(bench).play(scenario).await?);
        }
        checks.push(run(&bench).twice().await?);
        checks.push(run(&bench).lost().await?);
        checks.extend(run(&bench).settings().await?);
        let manifest = bench.manifest();
        let found = Conformance {
            provider: format!("{} {}", manifest.id, manifest.version),
            digest: bench.provider.digest.clone(),
            passed: checks.iter().all(|check| check.problems.is_empty()),
            checks,
        };
        bench.close().await;
        hasty.close().await;
        Ok(found)
    }
}

/// A deviation from what there is no rule for would never be noticed.
fn check_names(script: &Script) -> Result<(), Error> {
    let known = || SCENARIOS.iter().map(|scenario| scenario.name).chain(OTHERS);
    let wrong = |reason| Err(Error::Input { origin: "the script of conformance".into(), reason });
    if let Some(unknown) = script.deviations.keys().find(|name| !known().any(|known| known == name.as_str())) {
        let known: Vec<_> = known().collect();
        return wrong(format!("deviations: there is no scenario `{unknown}`; there are {}", known.join(", ")));
    }
    if !script.exchanges.is_empty() {
        return wrong("exchanges are for a run by a script; for conformance say with answers what is good".into());
    }
    Ok(())
}

/// The scenarios that are no single answer.
const OTHERS: [&str; 4] = ["twice", "lost-answer", "settings", "settings-401"];

impl Run<'_> {
    async fn play(&self, scenario: &Scenario) -> Result<Check, Error> {
        let play = Arc::new(Plays::new(self.script, scenario.answer()));
        self.stage.play(play.clone());
        let began = Instant::now();
        let tried = self.bench.attempt(self.event, Claimed::new()).await?;
        let mut problems = play.problems();
        let deviation = self.script.deviations.get(scenario.name);
        problems.extend(judge::failure(&tried));
        problems.extend(judge::ending(scenario.expected(), deviation.map(|deviation| deviation.outcome), &tried));
        problems.extend(self.leaks(&tried));
        if scenario.is_good() {
            problems.extend(unexpected(self.script, &tried));
        }
        Ok(Check {
            scenario: scenario.name,
            target: scenario.target,
            outcome: judge::outcome(&tried),
            message: tried.message().map(str::to_owned),
            problems,
            deviation: deviation.map(|deviation| deviation.reason.clone()),
            skipped: None,
            milliseconds: millis(began),
        })
    }

    /// Secrets in what is kept, and placeholders in what was sent.
    fn leaks(&self, tried: &Tried) -> Vec<String> {
        let mut problems: Vec<_> = self.secrecy.in_record(&(&tried.attempt, &tried.decision.state)).into_iter().collect();
        problems.extend(secrecy::placeholders(&self.stage.received()));
        problems
    }

    /// The test of the settings, where there is one: a good answer, and a refusal of the credentials.
    async fn settings(&self) -> Result<Vec<Check>, Error> {
        let table: [(&'static str, &'static str, Option<script::Answer>); 2] = [
            ("settings", "test-connection is answered well", None),
            ("settings-401", "test-connection is answered 401", Some(scenario::refusal(401, BTreeMap::new()))),
        ];
        let mut checks = Vec::new();
        for (name, target, answer) in table {
            if !self.bench.manifest().implements.test_connection {
                checks.push(Check::skipped(name, target, "the manifest does not claim test-connection"));
                continue;
            }
            let expected_good = answer.is_none();
            let play = Arc::new(Plays::new(self.script, answer));
            self.stage.play(play.clone());
            let began = Instant::now();
            let report = self.bench.test_connection().await?;
            let mut problems = play.problems();
            let outcome = match &report.result {
                Ok(Ok(told)) => format!("good: {told}"),
                Ok(Err(told)) => format!("bad: {told}"),
                Err(error) => {
                    problems.push(format!("it must answer with a sentence either way: {error}"));
                    "no answer".to_owned()
                }
            };
            let deviation = self.script.deviations.get(name);
            match (&report.result, deviation) {
                (Ok(Ok(_)), None) if !expected_good => problems.push("settings that the target refuses are called good".into()),
                (Ok(Err(_)), None) if expected_good => problems.push("settings that the target takes are called bad".into()),
                _ => {}
            }
            let told = match &report.result {
                Ok(Ok(told) | Err(told)) => told.clone(),
                Err(error) => error.to_string(),
            };
            problems.extend(self.secrecy.in_record(&(&report.exchanges, &report.log, told)));
            problems.extend(secrecy::placeholders(&self.stage.received()));
            checks.push(Check {
                scenario: name,
                target,
                outcome,
                message: None,
                problems,
                deviation: deviation.map(|deviation| deviation.reason.clone()),
                skipped: None,
                milliseconds: millis(began),
            });
        }
        Ok(checks)
    }
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
