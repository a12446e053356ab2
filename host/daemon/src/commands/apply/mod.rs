//! `postern apply`: brings a directory of YAML or TOML files into force. The README beside this file is its guide.
//!
//! | module | what it does |
//! |---|---|
//! | [`files`] | finds and reads the files |
//! | [`yaml`], [`toml`], [`document`] | what they say, and where |
//! | [`place`] | mistakes with their places |
//! | [`declared`], [`form`] | the objects, of the form that the API takes |
//! | [`remote`] | what the server has |
//! | [`mod@reference`] | values from the environment and from files |
//! | [`settle`] | settings and their secrets |
//! | [`compare`] | what differs |
//! | [`mod@plan`], [`prune`] | what is to be done |
//! | [`execute`] | does it |
//! | [`report`] | tells it |

mod compare;
mod declared;
mod document;
mod execute;
mod files;
mod form;
mod place;
mod plan;
mod prune;
mod reference;
mod remote;
mod report;
mod settle;
mod toml;
mod yaml;

use crate::arguments::Remote as Server;
use crate::output::print;
use anyhow::{Result, bail};
use clap::Args;
use declared::{DEFAULT_TENANT, Directory};
use place::Mistakes;
use plan::Plan;
use postern_client::Client;
use remote::Remote;
use report::Counts;
use std::path::PathBuf;
use std::process::ExitCode;

/// The exit code that tells of changes, with `--detailed-exit-code`.
const CHANGES: u8 = 2;

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// A directory, or a file: .yaml, .yml or .toml. Give it several times for several.
    #[arg(short, long = "file", required = true, value_name = "PATH")]
    files: Vec<PathBuf>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Delete what no file declares: of the kinds, tenants and plugins that the files speak of. Needs --yes.
    #[arg(long)]
    prune: bool,
    /// Delete what --prune lists.
    #[arg(long, requires = "prune")]
    yes: bool,
    /// Send every secret again; otherwise a stored one is kept.
    #[arg(long)]
    refresh_secrets: bool,
    /// Replace event types even if that breaks subscriptions.
    #[arg(long)]
    force: bool,
    /// The tenant of objects that name none.
    #[arg(long, default_value = DEFAULT_TENANT)]
    tenant: String,
    /// Exit with 2 if something was changed, or would be with --dry-run; with 0 if nothing.
    #[arg(long)]
    detailed_exit_code: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(apply: Apply, server: &Server) -> Result<ExitCode> {
    let client = server.client()?;
    let (plan, remote) = plan(&apply, &client).await?;
    let notes = report::notes(&plan, apply.refresh_secrets);
    if !apply.json {
        report::differences(&plan)?;
        for note in &notes {
            eprintln!("note: {note}");
        }
    }
    let counts = Counts::of(&plan.steps);
    let code = if apply.detailed_exit_code && counts.changes() > 0 { ExitCode::from(CHANGES) } else { ExitCode::SUCCESS };
    if apply.dry_run {
        print(&if apply.json {
            serde_json::to_string_pretty(&report::json(&plan, true, 0, &notes, None))?
        } else {
            format!("nothing was changed; applying it would come to: {counts}")
        })?;
        return Ok(code);
    }
    if counts.deleted > 0 && !apply.yes {
        let listed = if apply.json { "--dry-run lists them" } else { "the lines that begin with - list them" };
        bail!(
            "{} object(s) are in no file and would be deleted: {listed}. Postern cannot know whether an earlier apply or \
             somebody by hand made them. Nothing was changed; add --yes if they are to go",
            counts.deleted
        );
    }
    let (done, error) = execute::run(&client, &plan.steps, remote.connection_ids(), apply.force).await;
    if apply.json {
        print(&serde_json::to_string_pretty(&report::json(&plan, false, done, &notes, error.as_deref()))?)?;
    }
    if let Some(error) = error {
        bail!("{error}\n{}", report::made(&plan.steps[..done]));
    }
    if !apply.json {
        print(&counts.to_string())?;
    }
    Ok(code)
}

/// Reads the files, asks the server, compares. Everything that can be known to be wrong is found here.
async fn plan(apply: &Apply, client: &Client) -> Result<(Plan, Remote)> {
    let mut mistakes = Mistakes::default();
    let documents = files::read(&apply.files, &mut mistakes)?;
    let directory = Directory::read(documents, &apply.tenant, &mut mistakes);
    // The server is not asked about what is not understood.
    std::mem::take(&mut mistakes).check()?;
    let remote = Remote::read(client, &directory, &apply.tenant, &mut mistakes).await?;
    let scope = prune::Scope::of(&directory);
    let mut plan = Plan::make(client, directory, &remote, apply.refresh_secrets, &mut mistakes).await?;
    mistakes.check()?;
    if apply.prune {
        prune::add(client, &scope, &remote, &mut plan).await?;
    }
    Ok((plan, remote))
}
