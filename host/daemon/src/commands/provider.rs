//! `postern provider`.

mod source;

use super::json;
use crate::arguments::Remote;
use crate::output::Format;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use postern_client::call::segment;
use postern_client::{Body, Client};
use postern_core::grant::limit_name;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the providers.
    List {
        #[command(flatten)]
        format: Format,
    },
    /// Show a provider: its manifest with the schema of its settings, its grant, its state.
    Show {
        /// The provider's id.
        id: String,
        #[command(flatten)]
        format: Format,
    },
    /// Add a component as a provider, or upgrade the one that it is.
    ///
    /// A signature is taken from beside it: FILE.minisig, or the same with the URL. This command fetches a URL, not the daemon.
    Add {
        /// The component, or a core module built for the contract: a file, or a URL (https, or http on this machine).
        #[arg(value_name = "FILE|URL")]
        source: String,
        /// The plugin that it belongs to; the provider's id begins with it.
        #[arg(long)]
        plugin: String,
        /// Grant it what it asks for at once.
        #[arg(long)]
        approve: bool,
        /// Add it only if its SHA-256 is this.
        #[arg(long, value_name = "SHA256")]
        digest: Option<String>,
        /// The file with its minisign signature, in place of the one beside it.
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        #[command(flatten)]
        format: Format,
    },
    /// Let one deliver again that is quarantined or disabled.
    Enable {
        /// The provider's id.
        id: String,
        #[command(flatten)]
        format: Format,
    },
    /// Pause a provider; its deliveries wait until it is enabled again.
    Disable {
        /// The provider's id.
        id: String,
        #[command(flatten)]
        format: Format,
    },
    /// Grant a provider the hosts that it asks for.
    Approve {
        /// The provider's id.
        id: String,
        #[command(flatten)]
        format: Format,
    },
    /// List the builds of a provider that are kept: the one that waits for approval, the one in force, those before it.
    Versions {
        /// The provider's id.
        id: String,
        #[command(flatten)]
        format: Format,
    },
    /// Put an earlier build in force again; calls in flight finish on the present one.
    Rollback {
        /// The provider's id.
        id: String,
        /// Its version, or its digest or the beginning of it. Without this: the build before the present one.
        #[arg(long, value_name = "BUILD")]
        to: Option<String>,
        #[command(flatten)]
        format: Format,
    },
    /// List the files in watched folders, and why one was not taken.
    Watched {
        #[command(flatten)]
        format: Format,
    },
    /// Allow a provider more; without an option, show what it may do.
    Grant {
        /// The provider's id.
        id: String,
        #[command(flatten)]
        more: More,
        #[command(flatten)]
        format: Format,
    },
    /// Try settings out on the daemon, without saving them.
    Try {
        /// The provider's id.
        id: String,
        /// The settings: JSON, @FILE or - for standard input.
        #[arg(long)]
        config: String,
        #[command(flatten)]
        format: Format,
    },
    /// Remove a provider that nothing uses.
    Remove {
        /// The provider's id.
        id: String,
        /// Remove it although subscriptions use it: their deliveries wait until it is added again.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        format: Format,
    },
}

/// What to allow a provider.
#[derive(Debug, Args)]
pub(crate) struct More {
    /// A host that it may reach: `hooks.slack.com`, `*.atlassian.net`, `http://127.0.0.1:9000`, `{config.url}`. Give it several times for several.
    #[arg(long = "host", value_name = "PATTERN")]
    hosts: Vec<String>,
    /// A host that its secrets may go to, beyond those that its author names for them. Give it several times for several.
    #[arg(long = "secret-host", value_name = "PATTERN")]
    secret_hosts: Vec<String>,
    /// Allow only these hosts, in place of those before.
    #[arg(long)]
    only: bool,
    /// Allow its requests to follow redirects, to hosts that it may reach; with `=false` no more.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOLEAN")]
    follow_redirects: Option<bool>,
    /// Allow it to read secrets in clear, or with `=false` no more. Each use is recorded.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOLEAN")]
    reveal_secrets: Option<bool>,
    /// Bound its calls otherwise than the configuration does: `memory-bytes=134217728`, or `memory-bytes=` for what is
    /// configured. The keys are those of the section `sandbox`, and requests-per-call. Give it several times for several.
    #[arg(long = "limit", value_name = "KEY=NUMBER", value_parser = limit)]
    limits: Vec<(String, Value)>,
}

pub(crate) async fn run(command: Command, remote: &Remote) -> Result<()> {
    let client = remote.client()?;
    let path = |id: &str| format!("/api/v1/providers/{}", segment(id));
    match command {
        Command::List { format } => {
            let items = client.list("/api/v1/providers", &[], usize::MAX).await?;
            let columns = [
                ("PROVIDER", "/id"),
                ("NAME", "/displayName"),
                ("VERSION", "/version"),
                ("STATE", "/state"),
                ("REASON", "/reason"),
                ("SIGNED BY", "/signedBy"),
                ("GRANTED", "/grant/hosts"),
                ("ASKS", "/asks"),
            ];
            format.rows(&items, &columns)
        }
        Command::Show { id, format } => format.object(&client.get(&path(&id)).await?, None),
        Command::Add { source, plugin, approve, digest, signature, format } => {
            let offered = source::read(&source, digest.as_deref(), signature.as_deref()).await?;
            let body = Body::Component { bytes: offered.component, signature: offered.signature };
            let mut added = client.call(Method::POST, &format!("/api/v1/providers?plugin={}", segment(&plugin)), body).await?;
            let id = added["id"].as_str().unwrap_or_default().to_owned();
            if approve {
                added = client.call(Method::POST, &format!("{}/approve", path(&id)), Body::Empty).await?;
            }
            let sentence = sentence(&id, &added);
            format.object(&added, Some(sentence))
        }
        Command::Enable { id, format } => {
            let enabled = client.call(Method::POST, &format!("{}/enable", path(&id)), Body::Empty).await?;
            format.object(&enabled, Some(format!("{id} is {}", enabled["state"].as_str().unwrap_or("active"))))
        }
        Command::Disable { id, format } => {
            let disabled = client.call(Method::POST, &format!("{}/disable", path(&id)), Body::Empty).await?;
            let sentence = format!("{id} is disabled; its deliveries wait. Enable it again: postern provider enable {id}");
            format.object(&disabled, Some(sentence))
        }
        Command::Approve { id, format } => {
            let approved = client.call(Method::POST, &format!("{}/approve", path(&id)), Body::Empty).await?;
            format.object(&approved, Some(allowed(&id, &approved["grant"])))
        }
        Command::Versions { id, format } => {
            let items = client.list(&format!("{}/versions", path(&id)), &[], usize::MAX).await?;
            let columns = [
                ("VERSION", "/version"),
                ("STANDING", "/standing"),
                ("ADDED", "/addedAt"),
                ("SIZE", "/size"),
                ("SIGNED BY", "/signedBy"),
                ("PINNED BY", "/pinnedBy"),
                ("DIGEST", "/digest"),
            ];
            format.rows(&items, &columns)
        }
        Command::Rollback { id, to, format } => {
            // A version has dots, a digest has none.
            let target = match &to {
                None => json!({}),
                Some(to) if to.contains('.') => json!({ "version": to }),
                Some(to) => json!({ "digest": to }),
            };
            let now = client.post(&format!("{}/rollback", path(&id)), target).await?;
            let sentence = sentence(&id, &now);
            format.object(&now, Some(sentence))
        }
        Command::Watched { format } => {
            let items = client.list("/api/v1/providers/watched", &[], usize::MAX).await?;
            format.rows(&items, &[("FILE", "/file"), ("PROVIDER", "/provider"), ("PROBLEM", "/problem")])
        }
        Command::Grant { id, more, format } => grant(&client, &path(&id), &id, more, &format).await,
        Command::Try { id, config, format } => {
            let result = client.post(&format!("{}/test-connection", path(&id)), json!({ "config": json(&config)? })).await?;
            let message = result["message"].as_str().unwrap_or_default().to_owned();
            let success = result["success"] == true;
            format.object(&result, success.then_some(message.clone()))?;
            if success { Ok(()) } else { bail!("the test failed: {message}") }
        }
        Command::Remove { id, force, format } => {
            client.delete(&format!("{}?force={force}", path(&id))).await?;
            format.object(&json!({ "removed": id }), Some(format!("removed {id}")))
        }
    }
}

/// What became of a build that was added or put in force again.
fn sentence(id: &str, shown: &Value) -> String {
    let version = shown["version"].as_str().unwrap_or_default();
    match shown["state"].as_str().unwrap_or_default() {
        "awaiting-approval" => {
            let serves = if shown["pending"].is_null() { String::new() } else { format!(" Until then {version} serves on.") };
            let asks = hosts(&shown["asks"]).join(", ");
            format!("{id} waits for approval: it asks to reach {asks}.{serves} Approve it: postern provider approve {id}")
        }
        state => format!("{id} {version} is {state}"),
    }
}

async fn grant(client: &Client, path: &str, id: &str, more: More, format: &Format) -> Result<()> {
    let path = format!("{path}/grant");
    let mut grant = client.get(&path).await?;
    let lists = [("hosts", more.hosts), ("secretHosts", more.secret_hosts)];
    let flags = [("followRedirects", more.follow_redirects), ("revealSecrets", more.reveal_secrets)];
    if more.only && lists.iter().all(|(_, given)| given.is_empty()) {
        bail!("--only goes with --host or --secret-host");
    }
    let before = grant.clone();
    for (name, given) in lists.into_iter().filter(|(_, given)| !given.is_empty()) {
        let mut all = if more.only { Vec::new() } else { hosts(&grant[name]) };
        for host in given {
            if !all.contains(&host) {
                all.push(host);
            }
        }
        grant[name] = json!(all);
    }
    for (name, given) in flags {
        if let Some(given) = given {
            grant[name] = json!(given);
        }
    }
    for (name, value) in more.limits {
        grant["limits"][name] = value;
    }
    let grant = if grant == before { grant } else { client.put(&path, grant).await? };
    format.object(&grant, Some(allowed(id, &grant)))
}

/// What a grant allows, in a sentence or more.
fn allowed(id: &str, grant: &Value) -> String {
    let reaches = hosts(&grant["hosts"]);
    let mut text = match reaches.is_empty() {
        true => format!("{id} may reach nothing"),
        false => format!("{id} may reach {}", reaches.join(", ")),
    };
    let opened = hosts(&grant["secretHosts"]);
    if !opened.is_empty() {
        text += &format!("; its secrets may also go to {}", opened.join(", "));
    }
    if grant["followRedirects"] == true {
        text += "; it may follow redirects";
    }
    if grant["revealSecrets"] == true {
        text += "; it may read secrets in clear";
    }
    let limits: Vec<_> =
        grant["limits"].as_object().into_iter().flatten().map(|(name, value)| format!("{name} {value}")).collect();
    if !limits.is_empty() {
        text += &format!("; its own limits: {}", limits.join(", "));
    }
    text
}

/// `memory-bytes=1` → `memoryBytes` and 1.
fn limit(text: &str) -> Result<(String, Value)> {
    let (key, number) = text.split_once('=').context("it looks like memory-bytes=134217728")?;
    let number = match number {
        "" => Value::Null,
        number => json!(number.parse::<u64>().with_context(|| format!("`{number}` is no whole number"))?),
    };
    Ok((limit_name(key), number))
}

fn hosts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
