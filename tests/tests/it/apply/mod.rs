//! `postern apply`: directories of files, brought into force.

mod changed;
mod mistaken;
mod pruned;
mod secrets;

use postern_tests::Daemon;
use postern_tests::daemon::{Printed, run};
use postern_tests::launch::postern;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A directory of files.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let written = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            written.write(name, text);
        }
        written
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn replace(&self, name: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.0.path().join(name)).unwrap();
        assert!(text.contains(old), "{text}");
        self.write(name, &text.replace(old, new));
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Applies a directory, with these variables in the environment.
async fn apply(daemon: &Daemon, files: &Files, flags: &[&str], environment: &[(&str, &str)]) -> Printed {
    apply_at(daemon.api.server(), daemon, files, flags, environment).await
}

/// The same through another address.
async fn apply_at(server: &str, daemon: &Daemon, files: &Files, flags: &[&str], environment: &[(&str, &str)]) -> Printed {
    let mut command = postern();
    command.arg("apply").arg("-f").arg(files.path()).args(flags);
    command.env("POSTERN_URL", server).env("POSTERN_TOKEN", daemon.api.token().unwrap_or_default());
    command.envs(environment.iter().copied());
    run(command).await
}

/// What it prints when it succeeds.
async fn ok(daemon: &Daemon, files: &Files, flags: &[&str]) -> String {
    let printed = apply(daemon, files, flags, &[]).await;
    assert_eq!(printed.code, Some(0), "{printed:?}");
    printed.stdout
}

/// What it prints on standard error when it fails.
#[track_caller]
fn refused(printed: &Printed) -> &str {
    assert_eq!(printed.code, Some(1), "{printed:?}");
    assert!(printed.stderr.contains("error: "), "{printed:?}");
    &printed.stderr
}

/// The last line: how much was done.
fn summary(stdout: &str) -> &str {
    stdout.trim_end().lines().last().unwrap_or_default()
}

/// Every event type, connection and subscription with its revision, so that two states can be compared.
async fn state(daemon: &Daemon) -> Vec<(Value, String)> {
    let mut found = Vec::new();
    for kind in ["event-types", "connections", "subscriptions"] {
        for object in daemon.api.items(&format!("/api/v1/{kind}?limit=500")).await {
            let path = format!("/api/v1/{kind}/{}", object["id"].as_str().unwrap());
            found.push((object, daemon.api.etag(&path).await));
        }
    }
    found
}

/// A registration of incidents.
const INCIDENTS: &str = r#"
eventTypes:
  - plugin: incident
    hook: incident.created
    displayName: Incident Created
    payloadSchema:
      type: object
      required: [incidentId, systemIds, title, severity]
      properties:
        incidentId: { type: string }
        systemIds: { type: array, items: { type: string } }
        title: { type: string }
        severity: { type: string, enum: [minor, major, critical] }
"#;

/// A webhook's subscription, as YAML of a file.
fn webhook(name: &str, url: &str, more: &str) -> String {
    format!(
        "subscriptions:\n  - name: {name}\n    providerId: postern.webhook\n    events: [incident.incident.created]\n    \
         providerConfig:\n      url: {url}\n{more}"
    )
}
