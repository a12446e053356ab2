//! `postern secrets`.

use super::place::{Place, vault};
use crate::output::Format;
use crate::telemetry::log_to_stderr;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use postern_store::vault::Location;
use postern_store::vault::rotate::{self, NewKey, Outcome, Stage};
use postern_store::vault::status::{self, Status};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put a new master key in place of the old one, while the daemon serves.
    ///
    /// The secrets stay as they are; the key that they are encrypted with is encrypted anew. The daemon needs no restart.
    /// The old key opens nothing afterwards and is kept nowhere: keep a copy with the backups that need it.
    ///
    /// With the master key in a file, a new key is written to KEY-FILE.next, the vault is made to open with both, the file
    /// takes the key file's place, and the vault drops the old key. If that is cut off, the vault opens with what the key
    /// file holds; run the command again to finish it.
    ///
    /// With the master key in POSTERN_MASTER_KEY, the vault is made to open with both keys, and you are told what to do:
    /// set the variable to the new key wherever the daemon gets it from, then run this with --finish. A key file that only
    /// you can replace is rotated in the same way: pass its content in POSTERN_MASTER_KEY.
    Rotate(Rotate),
    /// Show which keys open the vault, and whether a rotation is unfinished.
    ///
    /// Keys are told by a fingerprint, from which nobody learns the key.
    Status {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    place: Place,
    /// Take the new key from this file: 64 hexadecimal digits, or 32 bytes in base64. Default: a random key.
    #[arg(long, value_name = "FILE", conflicts_with = "new_key_env")]
    new_key_file: Option<PathBuf>,
    /// Take the new key from this environment variable.
    #[arg(long, value_name = "NAME")]
    new_key_env: Option<String>,
    /// Finish a rotation that was begun; begin none.
    #[arg(long)]
    finish: bool,
    /// Give an unfinished rotation up: only the key in force opens the vault then.
    #[arg(long, conflicts_with_all = ["finish", "new_key_file", "new_key_env"])]
    cancel: bool,
    #[command(flatten)]
    format: Format,
}

pub(crate) async fn run(command: Command) -> Result<()> {
    tokio::task::spawn_blocking(|| match command {
        Command::Rotate(rotate) => rotate.run(),
        Command::Status { place, format } => show(&place, &format),
    })
    .await?
}

impl Rotate {
    fn run(self) -> Result<()> {
        let location = open(&self.place)?;
        let given = self.new_key()?;
        let outcome = match self {
            Self { cancel: true, .. } => rotate::cancel(location),
            Self { finish: true, .. } => rotate::finish(location, given),
            _ => rotate::run(location, given),
        }?;
        let (value, sentence) = tell(&outcome);
        self.format.object(&value, Some(sentence))
    }

    fn new_key(&self) -> Result<Option<NewKey>> {
        if let Some(file) = &self.new_key_file {
            return Ok(Some(NewKey::read(file)?));
        }
        let Some(name) = &self.new_key_env else { return Ok(None) };
        let text = std::env::var(name).ok().with_context(|| format!("the variable {name} is not set"))?;
        Ok(Some(NewKey::parse(text, &format!("the variable {name}"))?))
    }
}

fn open(place: &Place) -> Result<Location> {
    let mut config = place.load()?;
    "warn".clone_into(&mut config.log.level);
    log_to_stderr(&config)?;
    Ok(vault(&config))
}

/// What happened, for programs and for people.
fn tell(outcome: &Outcome) -> (Value, String) {
    match outcome {
        Outcome::Rotated { old, new } => (
            json!({ "outcome": "rotated", "old": old, "new": new }),
            format!(
                "the master key was rotated: {new} is in force, and {old} opens nothing any more.\n\
                 A daemon that serves needs no restart. Delete the old key's copies, but keep one with the backups that need it."
            ),
        ),
        Outcome::Prepared { old, new, key_file } => {
            let place = key_file.as_ref().map(|path| path.display().to_string());
            let (from, last) = match &place {
                Some(path) => (
                    format!("which is in {path}"),
                    format!("\n3. delete {path} once the key is kept where the daemon gets it from"),
                ),
                None => ("which you gave".to_owned(), String::new()),
            };
            let sentence = format!(
                "both master keys open the vault now, {old} and {new}. To go on:\n\
                 1. set POSTERN_MASTER_KEY to the new key, {from}, wherever the daemon gets it from; it needs no restart\n\
                 2. run `postern secrets rotate --finish` with the new key in POSTERN_MASTER_KEY{last}"
            );
            (json!({ "outcome": "prepared", "old": old, "new": new, "keyFile": place }), sentence)
        }
        Outcome::ReadyToFinish { new } => (
            json!({ "outcome": "ready-to-finish", "new": new }),
            format!(
                "POSTERN_MASTER_KEY holds the new master key ({new}) here. Once the daemon gets it too, run \
                 `postern secrets rotate --finish`; the old key opens nothing after that"
            ),
        ),
        Outcome::NothingToFinish { key } => (
            json!({ "outcome": "nothing-to-finish", "key": key }),
            format!("no rotation is unfinished; the master key {key} is in force"),
        ),
        Outcome::Cancelled { key } => (
            json!({ "outcome": "cancelled", "key": key }),
            format!("the rotation was given up; only the master key {key} opens the vault"),
        ),
    }
}

fn show(place: &Place, format: &Format) -> Result<()> {
    let status = status::read(&open(place)?)?;
    let unfinished = status.stage.is_some_and(|stage| stage != Stage::Idle);
    let keys: Vec<_> = status
        .opens_with
        .iter()
        .map(|opener| {
            let in_force = opener.fingerprint.is_some() && opener.fingerprint == status.key;
            json!({ "fingerprint": opener.fingerprint, "from": opener.found, "inForce": in_force })
        })
        .collect();
    let value = json!({
        "vault": status.vault, "opensWith": keys, "source": status.source, "key": status.key,
        "opens": status.stage.is_some(), "unfinishedRotation": unfinished,
    });
    format.object(&value, Some(sentences(&status)))?;
    if status.stage.is_none() {
        bail!("the key in force does not open the vault; put the right one in {}", status.source);
    }
    Ok(())
}

fn sentences(status: &Status) -> String {
    let mut lines = vec![format!("{} opens with", status.vault.display())];
    for opener in &status.opens_with {
        let name = opener.fingerprint.as_ref().map_or_else(|| "a key of unknown fingerprint".to_owned(), ToString::to_string);
        let place = opener.found.as_ref().map_or_else(|| "which is not at hand".to_owned(), |place| format!("from {place}"));
        lines.push(format!("  {name} {place}"));
    }
    lines.push(match &status.key {
        Some(key) => format!("in force is {key} from {}", status.source),
        None => format!("no key is in force: {} does not exist", status.source),
    });
    lines.push(
        match status.stage {
            Some(Stage::Idle) => "no rotation is unfinished",
            Some(Stage::KeyMade | Stage::BothOpen | Stage::Switched) => {
                "a rotation is unfinished; go on with `postern secrets rotate`"
            }
            None => "whether a rotation is unfinished cannot be told without a key that opens the vault",
        }
        .to_owned(),
    );
    lines.join("\n")
}
