//! `postern provider new`: from nothing to a provider in a running daemon.

use super::{Desk, provider, well};
use postern_tests::daemon::run;
use postern_tests::launch::temporary;
use postern_tests::{Daemon, Receiver};
use serde_json::{Value, json};
use std::process::Command;

/// A cargo in a project, with a target directory that later runs find again, and with the crates that are there.
fn in_project(mut cargo: Command, project: &str, arguments: &[&str]) -> Command {
    cargo
        .args(arguments)
        .current_dir(project)
        .env("CARGO_TARGET_DIR", temporary().join("new-project"))
        .env("CARGO_NET_OFFLINE", "true");
    for name in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(name);
    }
    cargo
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_project_tests_builds_conforms_and_delivers_through_a_daemon() {
    let desk = Desk::new();
    let parent = desk.path("projects").display().to_string();
    let told = well(&["new", "status-page", "--lang", "rust", "--in", &parent]).await;
    for line in ["  cargo test\n", "  cargo build --release --target wasm32-unknown-unknown\n", "postern provider add target/"] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let project = desk.path("projects/status-page").display().to_string();

    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tested = run(in_project(Command::new(cargo), &project, &["test"])).await;
    assert!(tested.success && tested.stdout.contains("2 passed"), "{}\n{}", tested.stdout, tested.stderr);

    // The command that was told, by whichever compiler for the target is on this machine.
    let built = run(in_project(postern_guest_builder::cargo_build().unwrap(), &project, &["--release"])).await;
    assert!(built.success, "{}", built.stderr);
    let component = temporary().join("new-project/wasm32-unknown-unknown/release/status_page_provider.wasm");
    let component = component.display().to_string();

    let checked = well(&["check", &component]).await;
    assert!(checked.contains("a daemon takes it") && !checked.contains("warnings"), "{checked}");
    let script = format!("{project}/conformance.yaml");
    let found = well(&["test", &component, "--script", &script, "--conformance"]).await;
    assert!(found.trim_end().ends_with("conforms"), "{found}");

    let daemon = Daemon::builder().config("[egress]\nplain-http = [\"127.0.0.1:*\"]").start().await;
    let mut receiver = Receiver::start().await;
    daemon.register_incidents().await;
    let added = daemon.command(&["provider", "add", &component, "--plugin", "acme", "--approve"]).await;
    assert!(added.success, "{added:?}");
    let config = json!({ "url": receiver.url(), "token": "token-of-no-value" });
    daemon.subscribe("acme.status-page", &["incident.*"], config).await;
    let event = daemon.emit("It burns").await;
    assert_eq!(daemon.settled(&event).await["status"], "success");
    let received = receiver.next().await;
    assert_eq!(received.header("authorization"), "Bearer token-of-no-value");
    assert_eq!(received.json()["payload"]["title"], "It burns");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_begun_says_why_and_leaves_nothing() {
    let desk = Desk::new();
    let parent = desk.path("projects").display().to_string();
    for (language, folder) in [("typescript", "javascript"), ("python", "python"), ("go", "go"), ("c", "c")] {
        let printed = provider(&["new", "x", "--lang", language, "--in", &parent]).await;
        assert_eq!(printed.code, Some(1), "{printed:?}");
        assert!(printed.stderr.contains(&format!("providers/examples/{folder}")), "{printed:?}");
    }
    let printed = provider(&["new", "a.b", "--in", &parent]).await;
    assert!(printed.code == Some(1) && printed.stderr.starts_with("error: `a.b`: "), "{printed:?}");
    assert!(!desk.path("projects").exists());

    let made = provider(&["new", "x", "--in", &parent, "--json"]).await;
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    assert_eq!(made["build"], "cargo build --release --target wasm32-unknown-unknown");
    let again = provider(&["new", "x", "--in", &parent]).await;
    assert!(again.code == Some(1) && again.stderr.contains("cannot be written"), "{again:?}");
}
