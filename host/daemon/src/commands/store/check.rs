//! `postern store check`.

use super::progress::Progress;
use super::{log, look, open};
use crate::commands::place::{Place, vault};
use crate::config::Config;
use crate::output::Format;
use anyhow::{Context, Result, bail};
use clap::Args;
use postern_store::check::{Checked, Problem};
use postern_store::transfer::{self, COMPONENTS};
use postern_store::vault::{VaultError, status};
use postern_store::{Embedded, Kind, Store};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// So many problems are printed for people; `--json` prints more.
const PRINTED: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

/// What was found besides the store's records.
#[derive(Default)]
struct Beside {
    components: usize,
    /// What is known of the vault, for people.
    vault: String,
    problems: Vec<Value>,
}

impl Beside {
    fn problem(&mut self, record: String, reason: impl ToString) {
        self.problems.push(json!({ "record": record, "reason": reason.to_string() }));
    }
}

impl Check {
    pub(super) async fn run(self) -> Result<()> {
        let config = self.place.load()?;
        log(&config)?;
        let (engine, files) = look(&config).await?;
        let directory = config.store.directory.display().to_string();
        if !files.is_empty() {
            let problems: Vec<_> = files.iter().map(view).collect();
            let value = json!({
                "directory": directory, "engine": engine, "sound": false, "problemCount": problems.len(), "problems": problems,
            });
            let mut lines = vec![format!("looked at the files of {directory} ({engine})")];
            list(&value, &mut lines);
            self.format.object(&value, Some(lines.join("\n")))?;
            bail!(
                "the files of {directory} are damaged, and the store was not opened: that would cut off what cannot be read. \
                 Put a backup in its place; or copy the directory, then `postern store export --force` keeps what is sound"
            );
        }
        let store = Arc::new(open(&config, engine, false).await?);
        let checked = verify(store.clone())
            .await
            .with_context(|| format!("{directory} is damaged: {engine} cannot read all of its files; put a backup in its place"));
        let checked = match checked {
            Ok(checked) => checked,
            Err(error) => {
                store.close().await;
                return Err(error);
            }
        };
        let beside = beside(&config, &store).await;
        store.close().await;
        let beside = beside?;
        let count = checked.problem_count + u64::try_from(beside.problems.len()).unwrap_or(u64::MAX);
        let problems: Vec<_> = checked.problems.iter().map(view).chain(beside.problems).collect();
        let value = json!({
            "directory": directory, "engine": engine, "sound": count == 0,
            "documents": checked.documents, "events": checked.events, "deliveries": checked.deliveries, "steps": checked.steps,
            "unfinished": checked.unfinished, "idempotencyKeys": checked.idempotency_keys, "auditEntries": checked.audit_entries,
            "components": beside.components, "vault": beside.vault, "problemCount": count, "problems": problems,
        });
        self.format.object(&value, Some(sentences(&value, &checked)))?;
        if count > 0 {
            bail!(
                "{count} problem(s) in {directory}; put a backup in its place, or keep what is sound: \
                 `postern store export` leaves out what is damaged, and a new directory takes the rest"
            );
        }
        Ok(())
    }
}

async fn verify(store: Arc<Embedded>) -> Result<Checked> {
    let progress = Progress::of_text("checking")?;
    let checked = tokio::task::spawn_blocking(move || {
        store.check_and_tell(&mut |checked| {
            progress.tell(format!("{} documents, {} events, {} steps", checked.documents, checked.events, checked.steps));
        })
    });
    Ok(checked.await??)
}

/// Looks at the components and the vault.
async fn beside(config: &Config, store: &Embedded) -> Result<Beside> {
    let mut found = Beside::default();
    let kept = transfer::components(&config.store.directory)?;
    for digest in &kept {
        match transfer::component_problem(&config.store.directory, digest)? {
            None => found.components += 1,
            Some(reason) => found.problem(format!("component {digest}"), reason),
        }
    }
    // What cannot be read was told already.
    for document in store.documents(Kind::Provider).await.unwrap_or_default() {
        let provider: Value = serde_json::from_str(&document.body).unwrap_or_default();
        let bundled = provider["bundled"] == true;
        let own = provider["digest"].as_str().filter(|_| !bundled);
        let builds = provider["builds"].as_array().into_iter().flatten().filter_map(|build| build["digest"].as_str());
        let needed: BTreeSet<_> = own.into_iter().chain(provider["pending"]["digest"].as_str()).chain(builds).collect();
        for digest in needed {
            if !kept.iter().any(|kept| kept == digest) {
                let reason = format!("its component is missing: there is no {COMPONENTS}/{digest}.wasm; add it again");
                found.problem(format!("provider {}", document.id), reason);
            }
        }
    }
    match status::read(&vault(config)) {
        Ok(status) => match (&status.key, status.stage) {
            (_, Some(_)) => found.vault = format!("opens with the master key from {}", status.source),
            (None, None) => found.vault = format!("was not opened: there is no master key at {}", status.source),
            (Some(_), None) => {
                found.vault = "does not open".into();
                found.problem("vault".into(), format!("the master key from {} does not open it", status.source));
            }
        },
        Err(VaultError::NoVault(_)) => found.vault = "there is none".into(),
        Err(error) => {
            found.vault = "was not opened".into();
            found.problem("vault".into(), error);
        }
    }
    Ok(found)
}

fn sentences(value: &Value, checked: &Checked) -> String {
    let Checked { documents, events, deliveries, steps, unfinished, idempotency_keys, audit_entries, .. } = checked;
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    let mut lines = vec![
        format!("checked {} ({})", text("directory"), text("engine")),
        format!(
            "  {documents} documents, {events} events with {deliveries} deliveries and {steps} steps, {unfinished} events unfinished"
        ),
        format!("  {idempotency_keys} idempotency keys, {audit_entries} audit records, {} components", value["components"]),
        format!("  the vault: {}", text("vault")),
    ];
    list(value, &mut lines);
    lines.join("\n")
}

/// Adds the problems to what is printed for people.
fn list(value: &Value, lines: &mut Vec<String>) {
    let problems = value["problems"].as_array().map(Vec::as_slice).unwrap_or_default();
    for problem in problems.iter().take(PRINTED) {
        let text = |name: &str| problem[name].as_str().unwrap_or_default();
        lines.push(format!("problem: {}: {}", text("record"), text("reason")));
    }
    let count = value["problemCount"].as_u64().unwrap_or_default();
    let printed = u64::try_from(problems.len().min(PRINTED)).unwrap_or_default();
    lines.push(match count {
        0 => "no problems".to_owned(),
        count if count > printed => format!("and {} more; --json prints them", count - printed),
        count => format!("{count} problem(s)"),
    });
}

fn view(problem: &Problem) -> Value {
    json!({ "record": problem.record, "key": problem.key, "reason": problem.reason })
}
