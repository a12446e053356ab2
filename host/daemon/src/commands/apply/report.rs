//! What the command prints: the differences, then what came of them; for people or as JSON.

use super::compare::Change;
use super::plan::{Action, Plan, Step};
use crate::output::print;
use anyhow::Result;
use postern_core::manifest::SECRET_MARK;
use serde_json::{Value, json};

/// How many characters of a value are shown.
const LONGEST: usize = 100;

/// How many steps are told of when one was refused.
const MOST_TOLD: usize = 50;

/// How many steps are of which sort.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) created: usize,
    pub(super) updated: usize,
    pub(super) deleted: usize,
    pub(super) unchanged: usize,
}

impl Counts {
    /// Counts steps.
    pub(super) fn of(steps: &[Step]) -> Self {
        let mut counts = Self::default();
        for step in steps {
            *match step.action {
                Action::Create { .. } => &mut counts.created,
                Action::Update { .. } => &mut counts.updated,
                Action::Delete { .. } => &mut counts.deleted,
                Action::Keep => &mut counts.unchanged,
            } += 1;
        }
        counts
    }

    /// How many steps change something.
    pub(super) fn changes(self) -> usize {
        self.created + self.updated + self.deleted
    }

    fn json(self) -> Value {
        let Self { created, updated, deleted, unchanged } = self;
        json!({ "created": created, "updated": updated, "deleted": deleted, "unchanged": unchanged })
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { created, updated, deleted, unchanged } = self;
        write!(f, "{created} created, {updated} updated, {deleted} deleted, {unchanged} unchanged")
    }
}

/// Prints every step with its differences.
pub(super) fn differences(plan: &Plan) -> Result<()> {
    for step in &plan.steps {
        print(&format!("{} {:<12}  {}", sign(&step.action), step.kind, step.identity))?;
        for change in &step.changes {
            let (before, after) = sides(step, change);
            print(&format!("      {}: {before} → {after}", change.path.trim_start_matches('/')))?;
        }
    }
    Ok(())
}

/// The changes that were made before one was refused, one in a line.
pub(super) fn made(steps: &[Step]) -> String {
    let changed: Vec<_> = steps.iter().filter(|step| !matches!(step.action, Action::Keep)).collect();
    if changed.is_empty() {
        return "nothing was changed before it".to_owned();
    }
    let line = |step: &&Step| format!("\n  {} {:<12}  {}", sign(&step.action), step.kind, step.identity);
    let lines: String = changed.iter().take(MOST_TOLD).map(line).collect();
    let more = changed.len().saturating_sub(MOST_TOLD);
    let more = if more > 0 { format!("\n  … and {more} more") } else { String::new() };
    format!("done before it, and not done again when this is mended and applied:{lines}{more}")
}

/// Tells on standard error what deserves attention but hinders nothing.
pub(super) fn notes(plan: &Plan, refreshed: bool) -> Vec<String> {
    let mut notes: Vec<String> = plan
        .written_out
        .iter()
        .map(|place| format!("{place}: a secret is written out here; write {{ fromEnv: NAME }} or {{ fromFile: path }} instead"))
        .collect();
    notes.extend(plan.spared.iter().cloned());
    if plan.kept_secrets > 0 && !refreshed {
        let secrets = if plan.kept_secrets == 1 { "secret was" } else { "secrets were" };
        notes.push(format!(
            "{} stored {secrets} not compared, since none can be read back; --refresh-secrets sends all of them again",
            plan.kept_secrets
        ));
    }
    notes
}

/// The same as JSON: `done` steps are made, none of them if that is absent.
pub(super) fn json(plan: &Plan, dry_run: bool, done: usize, notes: &[String], error: Option<&str>) -> Value {
    let step = |(index, step): (usize, &Step)| {
        let field = |change: &Change| {
            let (before, after) = sides(step, change);
            json!({ "path": change.path, "before": before, "after": after })
        };
        let at = step.declared.as_ref().map(|declared| declared.place("").to_string());
        json!({
            "action": verb(&step.action),
            "kind": step.kind,
            "tenant": step.identity.tenant,
            "name": step.identity.name,
            "place": at,
            "fields": step.changes.iter().map(field).collect::<Vec<_>>(),
            "done": index < done,
        })
    };
    let steps: Vec<_> = plan.steps.iter().enumerate().map(step).collect();
    let mut report = json!({
        "dryRun": dry_run,
        "objects": steps,
        "summary": Counts::of(if dry_run { &plan.steps } else { &plan.steps[..done] }).json(),
        "notes": notes,
    });
    if let Some(error) = error {
        report["error"] = error.into();
    }
    report
}

fn sign(action: &Action) -> char {
    match action {
        Action::Create { .. } => '+',
        Action::Update { .. } => '~',
        Action::Delete { .. } => '-',
        Action::Keep => '=',
    }
}

fn verb(action: &Action) -> &'static str {
    match action {
        Action::Create { .. } => "create",
        Action::Update { .. } => "update",
        Action::Delete { .. } => "delete",
        Action::Keep => "unchanged",
    }
}

/// Both sides of a difference as texts, without what must not be shown.
fn sides(step: &Step, change: &Change) -> (String, String) {
    let within = |path: &str| {
        path == change.path
            || path.strip_prefix(&change.path).is_some_and(|rest| rest.starts_with('/'))
            || change.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
    };
    if let Some((_, source)) = step.hidden.iter().find(|(path, _)| within(path)) {
        return ("(not shown)".to_owned(), format!("(from {source}, not shown)"));
    }
    let is_mark = |side: &Option<Value>| side.as_ref().is_some_and(|value| value == SECRET_MARK);
    if is_mark(&change.before) && is_mark(&change.after) {
        return ("(stored secret)".to_owned(), "(secret, sent again)".to_owned());
    }
    (text(change.before.as_ref()), text(change.after.as_ref()))
}

fn text(value: Option<&Value>) -> String {
    let Some(value) = value else { return "(none)".to_owned() };
    let plain = |text: &str| !text.contains(['`', '\\']) && !text.contains(char::is_control);
    let text = match value {
        Value::String(text) if text == SECRET_MARK => "(secret)".to_owned(),
        // A program in jq is easier to read as it stands in the file.
        Value::String(text) if text.contains('"') && plain(text) => format!("`{text}`"),
        other => other.to_string().replace(&Value::from(SECRET_MARK).to_string(), "(secret)"),
    };
    if text.chars().count() > LONGEST { text.chars().take(LONGEST - 1).chain(['…']).collect() } else { text }
}
